"""
Brings what minions have kept of a failure, from before its service was touched.
"""

from . import bus, minions

FUNCTION = "dynatrace.evidence"
# So many minions are asked; each may have a megabyte.
MOST = 10


def collected(opts, display_id, minion, instance, timeout):
    """
    Return by engine what is kept of the latest attempt on a problem of which anything is: ``attempt``, ``minions``.

    ``minion`` asks that one alone. ``error`` says why there is nothing.
    """
    answers = bus.ask(opts, "show", instance, timeout, {"display_id": str(display_id)})
    return {name: _of_engine(opts, answer, minion, timeout) for name, answer in answers.items()}


def _of_engine(opts, answer, minion, timeout):
    if "error" in answer:
        return {"error": answer["error"]}
    return of_attempts(opts, answer["rows"], minion, timeout)


def of_attempts(opts, attempts, minion, timeout):
    """
    Return what is kept of the latest of some attempts of which anything is, or ``error``; ``minion`` asks that one alone.
    """
    for attempt in reversed(attempts):
        named = [one for one in attempt["minions"] if minion in (None, one)][:MOST]
        found = _of_attempt(opts, attempt["attempt_id"], named, timeout)
        if found:
            return {"attempt": attempt["attempt"], "minions": found}
    return {"error": "no minion has evidence of it: nothing was touched, or it was removed since"}


def _of_attempt(opts, attempt_id, named, timeout):
    told = minions.call(opts, int(timeout), named, FUNCTION, [attempt_id]) if named else {}
    return {name: one for name, one in sorted(told.items()) if isinstance(one, dict) and one}
