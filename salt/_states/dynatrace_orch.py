"""
Steps of the orchestrations under ``dynatrace.orch``; they run on the master.

.. code-block:: bash

    salt-run state.orchestrate dynatrace.orch.heal pillar='{"minion": "web01", "service": "apache2"}'

What a pillar holds comes to them as it is, of whatever type: each checks it before it does anything,
and refuses with a sentence. Minions are named by a list of whole ids, so that none is a pattern.
"""

import re
import time

import salt.loader
from _dynatrace_states import steps
from salt.exceptions import CommandExecutionError

DISPLAY_ID = re.compile(r"P-[0-9]{1,18}|[0-9]{1,18}")
# Seconds; what is asked for is kept between these.
SHORTEST_S, LONGEST_S = 1, 1800
LOOK_S = 1
# From the answer of the service to the attempt's end in the engine's ledger.
PROOF_S = 30
# Steps of every remedy.
BOOKKEEPING = ("_|-attempt_taken", "_|-attempt_finished")
SERVES = ("good", "healthy")
OVER = (*SERVES, "bad", "refused", "unproved", "lost", "not_executed")


def remedied(name, minion=None, service=None):
    """
    Apply the remedy for a service on one minion, and report its proof.

    It needs no engine. A service that serves is left alone, which is no change.

    name
        Any text.
    minion, service
        The whole id of an accepted minion; the name of a service that has a remedy.
    """
    return steps.told(name, _remedied, minion, service)


def problem_healed(name, display_id=None, timeout=180, instance=None):
    """
    Have the engine take up a problem again, by its usual rules, and report how the attempt ended.

    name
        Any text.
    display_id
        As Dynatrace shows it: ``P-2407114``.
    timeout
        Seconds to wait for the end of the attempt.
    instance
        Name of the engine, if several run.
    """
    return steps.told(name, _problem_healed, display_id, timeout, instance)


def may_be_broken(name, minion=None, service=None, allow=None, instance=None):
    """
    Make sure that the engine would heal the service on this one minion if it failed now.

    Changes nothing, not even without ``test=True``.

    name
        Any text.
    minion, service
        As for ``remedied``.
    allow
        Globs of the minions that are no production; those that fit none are refused.
    instance
        As for ``problem_healed``.
    """
    return steps.told(name, _may_be_broken, minion, service, allow, instance)


def outage_healed(name, minion=None, service=None, how="stop", timeout=120, instance=None):
    """
    Break the service on this one minion, wait until the engine has healed it, and report the outage.

    It is to require ``may_be_broken``. What is not healed in time is brought back, and fails.

    name
        Any text.
    minion, service
        As for ``remedied``.
    how
        ``stop``, as its own stop command does, or ``kill``, as ``kill -9``.
    timeout
        Seconds to wait for the engine.
    instance
        As for ``problem_healed``.
    """
    return steps.told(name, _outage_healed, minion, service, how, timeout, instance)


def refused(name, comment):
    """
    Fail with a comment, with ``test=True`` too, where Salt's own ``test.fail_without_changes`` hides it.

    name
        Any text.
    comment
        What is wrong.
    """
    return {"name": name, "result": False, "comment": comment, "changes": {}}


def _remedied(minion, service):
    remedy = _ask("dynatrace_orch.target", minion, service)["remedy"]
    states = _run(
        minion, "state.apply", [remedy], {"queue": steps.QUEUE, "test": bool(__opts__["test"])}
    )
    result, said, changes = _read(states)
    return result, f"{service} on {minion}: {said}", {minion: changes} if changes else {}


def _problem_healed(display_id, timeout, instance):
    if isinstance(display_id, bool) or not DISPLAY_ID.fullmatch(str(display_id)):
        raise CommandExecutionError("`display_id` is no problem's id; it looks like P-2407114")
    display_id, until = str(display_id), time.monotonic() + _within(timeout)
    name, problem = _problem(display_id, instance)
    if problem["state"] == "closed":
        return True, f"{display_id} is closed; there is nothing to heal.", {}
    _check_willing(name)
    concerned = ", ".join(problem["minions"]) or "no minion that the engine knows"
    if __opts__["test"]:
        told = f"{display_id} ({problem['state']}), on {concerned}, would be taken up again."
        return None, told, {}
    over = [one for one in problem["attempts"] if one["state"] in OVER]
    if len(over) == len(problem["attempts"]):
        _engine(name, "dynatrace.retry", display_id)
    while time.monotonic() < until:
        name, problem = _problem(display_id, name)
        new = problem["attempts"][len(over) :]
        if new and all(one["state"] in OVER for one in new):
            return _told_end(display_id, new[-1])
        if problem["state"] == "closed":
            return True, f"Dynatrace has closed {display_id} meanwhile.", {}
        time.sleep(LOOK_S)
    raise CommandExecutionError(
        f"{display_id} was not healed in time; the engine says of it: {problem['state']}, on "
        f"{concerned}. Why, its event says under `held` and `unmatched`"
    )


def _told_end(display_id, attempt):
    lines = [f"{minion}: {said}" for minion, said in sorted(attempt["minions"].items())]
    comment = f"Attempt {attempt['attempt']} on {display_id} (job {attempt['jid']}): "
    changes = {display_id: {"attempt": attempt["attempt"], "state": attempt["state"]}}
    return attempt["state"] in SERVES, comment + "; ".join(lines), changes


def _may_be_broken(minion, service, allow, instance):
    answer = _ask("dynatrace_orch.may_break", minion, service, allow or [], instance)
    if not answer["may"]:
        raise CommandExecutionError(
            f"{service} on {minion} is not broken: {'; '.join(answer['reasons'])}"
        )
    told = (
        f"{service} on {minion} would be healed by {answer['remedy']}, says {answer['instance']}."
    )
    return True, told, {}


def _outage_healed(minion, service, how, timeout, instance):
    remedy = _ask("dynatrace_orch.target", minion, service)["remedy"]
    if how not in ("stop", "kill"):
        raise CommandExecutionError("`how` is stop or kill")
    timeout, began = _within(timeout), time.time()
    if __opts__["test"]:
        return None, f"{service} on {minion} would be broken ({how}).", {service: how}
    told = _run(minion, "dynatrace_chaos.outage", [remedy], {"how": how, "timeout": timeout})
    if isinstance(told, dict) and "refused" in told:
        raise CommandExecutionError(f"{service} on {minion}: {told['refused']}")
    if not isinstance(told, dict) or "healed" not in told:
        # It failed there, or was never heard of again: the remedy leaves alone what serves.
        states = _run(minion, "state.apply", [remedy], {"queue": steps.QUEUE})
        raise CommandExecutionError(
            f"{minion} does not tell how it went: {_flat(told)} — its remedy was applied: "
            + _read(states)[1]
        )
    outage = f"{told['service']} on {minion} was out for {told['seconds']:.2f} s ({how})"
    changes = {minion: {told["service"]: f"out for {told['seconds']:.2f} s"}}
    if not told["healed"]:
        return False, f"{outage}: {told['restored']}", changes
    attempt = _attempt(minion, began, instance)
    if attempt is None:
        told = "it came back, and no attempt of the engine did it"
        why = ": systemd restarts some services by itself" if how == "kill" else ""
        return False, f"{outage}; {told}{why}.", changes
    by = f"attempt {attempt['attempt']} on {attempt['problem']} (job {attempt['jid']})"
    return attempt["state"] == "good", f"{outage}; {by} is {attempt['state']}.", changes


def _attempt(minion, since, instance):
    """
    Return the engine's first attempt on a minion since a time, once it is over; None when there is none.
    """
    until = time.monotonic() + PROOF_S
    while True:
        found = _ask("dynatrace_orch.attempts", minion, since, instance)["attempts"]
        if (found and found[-1]["state"] in OVER) or time.monotonic() > until:
            return found[-1] if found else None
        time.sleep(LOOK_S)


def _within(seconds):
    steps.check_seconds("timeout", seconds)
    return min(max(seconds, SHORTEST_S), LONGEST_S)


def _ask(function, *args):
    """
    Call a runner of this master in this process, and return its answer; raises with what it refuses.
    """
    runners = salt.loader.runner({**__opts__, "output": "json"})
    if function not in runners:
        raise CommandExecutionError(
            f"the runner {function} is not found by this master: see module_dirs in master.d/roots.conf"
        )
    answer = runners[function](*args)
    if "error" in answer:
        raise CommandExecutionError(str(answer["error"]))
    return answer


def _engine(instance, function, *args):
    """
    Return what the engine, or the only one that can, answers; raises with what it refuses.
    """
    if not isinstance(instance, (str, type(None))):
        raise CommandExecutionError("`instance` is the name of an engine")
    runners = salt.loader.runner({**__opts__, "output": "json"}, whitelist=["dynatrace"])
    answer = runners[function](*args, instance=instance)
    if "error" in answer:
        raise CommandExecutionError(str(answer["error"]))
    found = {name: one for name, one in answer.items() if isinstance(one, dict)}
    good = {name: one for name, one in found.items() if "error" not in one}
    if len(good) > 1:
        raise CommandExecutionError(f"several engines answer: {', '.join(sorted(good))}; name one")
    if not good:
        raise CommandExecutionError("; ".join(str(one.get("error")) for one in found.values()))
    return next(iter(good.items()))


def _problem(display_id, instance):
    return _engine(instance, "dynatrace.show", display_id)


def _check_willing(instance):
    _, status = _engine(instance, "dynatrace.status")
    if status.get("paused"):
        raise CommandExecutionError(f"the engine is paused: {status['paused'].get('reason')}")
    if status.get("dry_run"):
        raise CommandExecutionError("the engine is in dry run and acts on nothing")


def _run(minion, function, args, kwargs):
    """
    Run a function on one minion and return what it gave, whatever that is; None: it did not answer.
    """
    return steps.run(__salt__, [minion], function, args, kwargs).get(minion)


def _read(states):
    """
    Return result, comments and changes of a state run on a minion.
    """
    if not isinstance(states, dict) or not states:
        raise CommandExecutionError(f"the remedy did not run: {_flat(states)}")
    results = {step.get("result") for step in states.values()}
    said, changes = [], {}
    for key, step in sorted(states.items(), key=lambda item: item[1].get("__run_num__", 0)):
        # By hand there is no attempt, and what was skipped has nothing to say.
        told = step.get("__state_ran__", True) and not key.endswith(BOOKKEEPING)
        if told or step.get("result") is False:
            said.append(str(step.get("comment")))
            changes.update(step.get("changes") or {})
    result = False if False in results else None if None in results else True
    return result, " ".join(said), changes


def _flat(value):
    if value is None:
        return "it does not answer"
    lines = value if isinstance(value, list) else [value]
    return " ".join(" ".join(map(str, lines)).split())[:1000]
