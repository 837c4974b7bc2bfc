"""
Steps of ``dynatrace.orch.heal`` and ``dynatrace.orch.chaos``; they run on the master.

.. code-block:: bash

    salt-run state.orchestrate dynatrace.orch.heal pillar='{"minion": "web01", "service": "apache2"}'

What a pillar holds comes to them as it is, of whatever type: each checks it before it does anything,
and refuses with a sentence. Several take

name
    Any text.
minion, service
    The whole id of an accepted minion, never a pattern; the name of a service that has a remedy.
timeout
    Seconds to wait for the engine.
instance
    Name of the engine, if several run.
"""

import re
import time

from _dynatrace_states import steps
from salt.exceptions import CommandExecutionError

DISPLAY_ID = re.compile(r"P-[0-9]{1,18}|[0-9]{1,18}")
SHORTEST_S = 1
LOOK_S = 1
# From the answer of the service to the attempt's end in the engine's ledger.
PROOF_S = 30
SERVES = ("good", "healthy")


@steps.step
def remedied(name, minion, service):
    """
    Apply the remedy for a service on one minion, and report its proof.

    It needs no engine. A service that serves is left alone, which is no change.
    """
    result, said, changes = _applied(minion, _target(minion, service), bool(__opts__["test"]))
    return result, f"{service} on {minion}: {said}", {minion: changes} if changes else {}


@steps.step
def problem_healed(name, display_id, timeout=180, instance=None):
    """
    Have the engine take up a problem again, by its usual rules, and report how the attempt ended.

    display_id
        As Dynatrace shows it: ``P-2407114``.
    """
    if isinstance(display_id, bool) or not DISPLAY_ID.fullmatch(str(display_id)):
        raise CommandExecutionError("`display_id` is no problem's id; it looks like P-2407114")
    display_id = str(display_id)
    until = time.monotonic() + steps.seconds("timeout", timeout, SHORTEST_S)
    engine, problem = _engine(instance, "dynatrace.show", display_id)
    if problem["state"] == "closed":
        return True, f"{display_id} is closed; there is nothing to heal.", {}
    _check_willing(engine)
    concerned = ", ".join(problem["minions"]) or "no minion that the engine knows"
    if __opts__["test"]:
        told = f"{display_id} ({problem['state']}), on {concerned}, would be taken up again."
        return None, told, {}
    over = [one for one in problem["attempts"] if one["ended"]]
    if len(over) == len(problem["attempts"]):
        _engine(engine, "dynatrace.retry", display_id)
    while time.monotonic() < until:
        _, problem = _engine(engine, "dynatrace.show", display_id)
        new = problem["attempts"][len(over) :]
        if new and all(one["ended"] for one in new):
            return _end(display_id, new[-1])
        if problem["state"] == "closed":
            return True, f"Dynatrace has closed {display_id} meanwhile.", {}
        time.sleep(LOOK_S)
    raise CommandExecutionError(
        f"{display_id} was not healed in time; the engine says of it: {problem['state']}, on "
        f"{concerned}. Why, its event says under `held` and `unmatched`"
    )


@steps.step
def may_be_broken(name, minion, service, allow=(), instance=None):
    """
    Make sure that the engine would heal the service on this one minion if it failed now.

    Changes nothing, not even without ``test=True``.

    allow
        Globs of the minions that are no production; those that fit none are refused.
    """
    answer = steps.ask(__opts__, "dynatrace_orch.may_break", minion, service, allow, instance)
    if not answer["may"]:
        raise CommandExecutionError(
            f"{service} on {minion} is not broken: {'; '.join(answer['reasons'])}"
        )
    told = (
        f"{service} on {minion} would be healed by {answer['remedy']}, says {answer['instance']}."
    )
    return True, told, {}


@steps.step
def outage_healed(name, minion, service, how="stop", timeout=120, instance=None):
    """
    Break the service on this one minion, wait until the engine has healed it, and report the outage.

    It is to require ``may_be_broken``. What is not healed in time is brought back, and fails.

    how
        ``stop``, as its own stop command does, or ``kill``, as ``kill -9``.
    """
    target = _target(minion, service)
    if how not in ("stop", "kill"):
        raise CommandExecutionError("`how` is stop or kill")
    timeout, began = steps.seconds("timeout", timeout, SHORTEST_S), time.time()
    if __opts__["test"]:
        return None, f"{service} on {minion} would be broken ({how}).", {service: how}
    told = _broken(minion, service, target, {"how": how, "timeout": timeout})
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


def refused(name, comment):
    """
    Fail with a comment, with ``test=True`` too, where Salt's own ``test.fail_without_changes`` hides it.
    """
    return {"name": name, "result": False, "comment": comment, "changes": {}}


def _target(minion, service):
    return steps.ask(__opts__, "dynatrace_orch.target", minion, service)


def _applied(minion, target, test=False):
    order = target["order"]
    pillar = {"dynatrace_remedy": order} if order else None
    return steps.apply(__salt__, [minion], target["remedy"], test, pillar)[minion]


def _end(display_id, attempt):
    lines = [f"{minion}: {said}" for minion, said in sorted(attempt["minions"].items())]
    comment = f"Attempt {attempt['attempt']} on {display_id} (job {attempt['jid']}): "
    changes = {display_id: {"attempt": attempt["attempt"], "state": attempt["state"]}}
    return attempt["state"] in SERVES, comment + "; ".join(lines), changes


def _broken(minion, service, target, options):
    """
    Break a service, and return what its minion tells of the outage; raises when it refuses, or does not tell.
    """
    options = {**options, **({"order": target["order"]} if target["order"] else {})}
    answers = steps.run(__salt__, [minion], "dynatrace.outage", [target["remedy"]], options)
    told = answers.get(minion)
    if isinstance(told, dict) and "refused" in told:
        raise CommandExecutionError(f"{service} on {minion}: {told['refused']}")
    if isinstance(told, dict) and "healed" in told:
        return told
    # It failed there, or was never heard of again: the remedy leaves alone what serves.
    _, said, _ = _applied(minion, target)
    raise CommandExecutionError(
        f"{minion} does not tell how it went: {steps.flat(told)} — its remedy was applied: {said}"
    )


def _attempt(minion, since, instance):
    """
    Return the engine's first attempt on a minion since a time, once it is over; None when there is none.
    """
    until = time.monotonic() + PROOF_S
    while True:
        answer = steps.ask(__opts__, "dynatrace_orch.attempts", minion, since, instance)
        found = answer["attempts"]
        if (found and found[-1]["took_ms"] is not None) or time.monotonic() > until:
            return found[-1] if found else None
        time.sleep(LOOK_S)


def _engine(instance, function, *args):
    """
    Return name and answer of the one engine that can answer; raises with what it refuses.
    """
    answer = steps.ask(__opts__, function, *args, instance=instance)
    good = {name: one for name, one in answer.items() if "error" not in one}
    if len(good) > 1:
        raise CommandExecutionError(f"several engines answer: {', '.join(sorted(good))}; name one")
    if not good:
        raise CommandExecutionError("; ".join(str(one["error"]) for one in answer.values()))
    return next(iter(good.items()))


def _check_willing(instance):
    _, status = _engine(instance, "dynatrace.status")
    if status.get("paused"):
        raise CommandExecutionError(f"the engine is paused: {status['paused'].get('reason')}")
    if status.get("dry_run"):
        raise CommandExecutionError("the engine is in dry run and acts on nothing")
