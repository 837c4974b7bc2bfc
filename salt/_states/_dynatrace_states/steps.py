"""
What the steps of the orchestrations share: how they refuse, wait, and ask minions.

It has none of Salt's dunders, but is given them.
"""

import time

import salt.key
from salt.exceptions import CommandExecutionError, SaltException

MOST_MINIONS = 200
# So many state runs may wait on a minion. With a number Salt waits in the job; with True the minion keeps
# it for later, and who asks after it is told that no such job runs.
QUEUE = 100
SAY_S = 60


def told(name, act, *args):
    """
    Return what the act says as a state does; what it raises is a failure.
    """
    try:
        result, comment, changes = act(*args)
    except (SaltException, OSError) as err:
        result, comment, changes = False, str(err), {}
    return {"name": name, "result": result, "comment": comment, "changes": changes}


def check_seconds(key, value):
    """
    Raise unless the value that the pillar gave is a number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CommandExecutionError(f"`{key}` is a number of seconds")


def accepted(opts, minions, via=None):
    """
    Return all minions that are meant, each once; raises when they are not what they should be.
    """
    if not isinstance(minions, list) or not minions:
        raise CommandExecutionError('the pillar `minions` is no list of minion ids: ["web01"]')
    if len(minions) > MOST_MINIONS:
        raise CommandExecutionError(f"at most {MOST_MINIONS} minions are set up at once")
    names = list(dict.fromkeys([*map(_text, minions), *([] if via is None else [_text(via)])]))
    known = set(salt.key.get_key(opts).list_status("accepted").get("minions", []))
    unknown = [repr(one[:64]) for one in names if one not in known]
    if unknown:
        raise CommandExecutionError(f"no minions with these ids are accepted: {', '.join(unknown)}")
    return names


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


def _text(value):
    if not isinstance(value, str):
        raise CommandExecutionError("a minion is named by its id, a text")
    return value
