"""
What the steps of the orchestrations share: how they refuse, wait, and ask minions and the master's runners.

It has none of Salt's dunders, but is given them.
"""

import functools
import time

import salt.key
import salt.loader
from salt.exceptions import CommandExecutionError, SaltException

MOST_MINIONS = 200
LONGEST_S = 1800
# So many state runs may wait on a minion. With a number Salt waits in the job; with True the minion keeps
# it for later, and who asks after it is told that no such job runs.
QUEUE = 100
SAY_S = 60
# Steps of every remedy.
BOOKKEEPING = ("_|-attempt_taken", "_|-attempt_finished")


def step(act):
    """
    Make a state of a function that returns result, comment and changes; what it raises is a failure.
    """

    @functools.wraps(act)
    def state(name, *args, **kwargs):
        try:
            result, comment, changes = act(name, *args, **kwargs)
        except (SaltException, OSError) as err:
            result, comment, changes = False, str(err), {}
        return {"name": name, "result": result, "comment": comment, "changes": changes}

    return state


def seconds(key, value, shortest=0):
    """
    Return the number that the pillar gave, between its bounds; raises unless it is one.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CommandExecutionError(f"`{key}` is a number of seconds")
    return min(max(value, shortest), LONGEST_S)


def accepted(opts, minions, via=None):
    """
    Return all minions that are meant, each once; raises when they are not what they should be.
    """
    if not isinstance(minions, list) or not minions:
        raise CommandExecutionError('the pillar `minions` is no list of minion ids: ["web01"]')
    if len(minions) > MOST_MINIONS:
        raise CommandExecutionError(f"at most {MOST_MINIONS} minions are set up at once")
    names = [*minions, *([] if via is None else [via])]
    if not all(isinstance(one, str) for one in names):
        raise CommandExecutionError("a minion is named by its id, a text")
    known = set(salt.key.get_key(opts).list_status("accepted").get("minions", []))
    unknown = [repr(one[:64]) for one in names if one not in known]
    if unknown:
        raise CommandExecutionError(f"no minions with these ids are accepted: {', '.join(unknown)}")
    return list(dict.fromkeys(names))


def ask(opts, function, *args, **kwargs):
    """
    Call a runner of this master in this process, and return its answer; raises with what it refuses.
    """
    runners = salt.loader.runner(opts, whitelist=[function.partition(".")[0]])
    if function not in runners:
        raise CommandExecutionError(
            f"the runner {function} is not found by this master: see module_dirs in master.d/roots.conf"
        )
    answer = runners[function](*args, **kwargs)
    if "error" in answer:
        raise CommandExecutionError(str(answer["error"]))
    return {key: value for key, value in answer.items() if key != "retcode"}


def run(functions, minions, function, args=(), kwargs=None):
    """
    Run a function on these minions and return what each gave; who did not answer is left out.
    """
    if not minions:
        return {}
    answers = functions["saltutil.cmd"](
        minions, function, arg=list(args), kwarg=kwargs or {}, tgt_type="list"
    )
    return {name: answer.get("ret") for name, answer in answers.items()}


def apply(functions, minions, sls, test=False, pillar=None):
    """
    Apply states on these minions; return result, comments and changes of each, what did not run as a failure.
    """
    given = {"queue": QUEUE, "test": test, **({"pillar": pillar} if pillar else {})}
    answers = run(functions, minions, "state.apply", [sls], given)
    return {name: _summary(answers.get(name)) for name in minions}


def worst(results):
    results = set(results)
    return False if False in results else None if None in results else True


def flat(value):
    if value is None:
        return "it does not answer"
    lines = value if isinstance(value, list) else [value]
    return " ".join(" ".join(map(str, lines)).split())[:1000]


def waited(look, is_whole, until, pause_s, longest_pause_s, say=None):
    """
    Return what ``look`` gives, once it is whole or when the time is over.

    The pause between two looks doubles until it is the longest. ``say`` is called with what is there
    and the seconds left, when the waiting begins and once a minute.
    """
    said = None
    while True:
        found = look()
        left = until - time.monotonic()
        if is_whole(found) or left <= 0:
            return found
        if say and (said is None or time.monotonic() - said >= SAY_S):
            said = time.monotonic()
            say(found, left)
        time.sleep(min(pause_s, left))
        pause_s = min(2 * pause_s, longest_pause_s)


def _summary(states):
    if not isinstance(states, dict) or not states:
        return False, f"the states did not run: {flat(states)}", {}
    said, changes = [], {}
    for key, state in sorted(states.items(), key=lambda item: item[1].get("__run_num__", 0)):
        # What was skipped has nothing to say, and by hand there is no attempt.
        told = state.get("__state_ran__", True) and not key.endswith(BOOKKEEPING)
        if told or state.get("result") is False:
            said.append(str(state.get("comment")))
            changes.update(state.get("changes") or {})
    return worst(state.get("result") for state in states.values()), " ".join(said), changes
