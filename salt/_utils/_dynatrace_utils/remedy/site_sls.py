"""
Runs an SLS of the site's own as the remedy: the attempt and the proof are ours, what is done is the site's.
"""

import multiprocessing
import time

from .. import bounded
from ..dunders import __opts__, __salt__
from ..service import sight
from . import evidence, proofs
from . import order as orders
from .taking import End

AGAIN_S, PAUSE_S, GRACE_S = 1, 0.5, 2
# What a comment shows of the states that ran.
MOST_STATES, LONGEST_TEXT = 10, 300


def run(story, service, order):
    """
    Run the SLS where the proof fails, and prove it; raises the End.
    """
    name, failed = service["sls"], _failing(service)
    story.say(f"What proves it does not hold: {failed}")
    left = order["until"] - time.time() if order else float("inf")
    seconds = max(min(service["service_timeout"], left), 0)
    story.touched = not __opts__["test"]
    if story.touched:
        evidence.keep(story, {**service, "service": name}, order, sight.NOTHING)
    states, errors = _applied(name, seconds)
    told = "; ".join([*errors, *_told(states)]) or "it has no states"
    if __opts__["test"]:
        raise End(None, f"{name} would be run, and proved: {told}")
    changes = {state["id"]: state["changes"] for state in states if state["changes"]}
    if changes:
        story.changes[name] = changes
    if errors or any(state["result"] is False for state in states):
        raise End("failed", f"{name} did not end well: {told}")
    story.say(f"{name} was run: {told}")
    raise _proved(story, service)


def _failing(service):
    """
    Return how the proof fails, asked twice; end where it holds, and where nothing can be told.
    """
    for number in range(2):
        time.sleep(number * AGAIN_S)
        found = proofs.ask(service, None, None)
        if found["verdict"] == "serves":
            raise End("healthy", f"It holds already, nothing is done: {found['said']}")
    if found["verdict"] == "unclear":
        raise End("refused", f"Nothing is done: it is not known whether it holds: {found['said']}")
    return found["said"]


def _applied(name, seconds):
    """
    Return the states that ran, and what kept the rest from running, as texts.
    """
    options = {
        "test": __opts__["test"],
        # It runs within this run, for which others have been waited for.
        "concurrent": True,
        "queue": False,
        "pillar": {"dynatrace_attempt": orders.WRAPPED},
    }
    try:
        returned = bounded.call(seconds, _in_child, __salt__["state.sls"], name, options)
    except TimeoutError as err:
        return [], [str(err)]
    if isinstance(returned, list):
        return returned, []
    return [], [str(returned)[:LONGEST_TEXT]]


def _in_child(function, name, options):
    """
    Call a function in a process of its own, which can be ended with all that it began; a thread could not.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(theirs, function, name, options))
    child.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        return "it was ended, and has told nothing"
    finally:
        child.join(GRACE_S)


def _answer(pipe, function, name, options):
    try:
        told = _states(function(name, **options))
    except Exception as err:  # noqa: BLE001 - Whatever an SLS raises is told.
        told = f"{type(err).__name__}: {err}"
    pipe.send(told)


def _states(returned):
    """
    Return what a state run returned as a list of states, or as a text when nothing ran.
    """
    if not isinstance(returned, dict):
        lines = returned if isinstance(returned, list) else [returned]
        return "; ".join(map(str, lines))
    found = []
    for key, state in returned.items():
        state = state if isinstance(state, dict) else {"result": False, "comment": str(state)}
        name = state.get("__id__") or key
        told = {part: state.get(part) for part in ("result", "comment", "changes")}
        found.append({"id": str(name), **told})
    return found


def _told(states):
    """
    Yield what there is to say of states: first the ones that failed, then how many ended well.
    """
    bad = [state for state in states if state["result"] is False]
    changed = [state for state in states if state["changes"] and state not in bad]
    for state in [*bad, *changed][:MOST_STATES]:
        yield f"{state['id']}: {str(state['comment'])[:LONGEST_TEXT]}"
    if states:
        yield f"{len(states) - len(bad)} of its {len(states)} states ended well"


def _proved(story, service):
    wait = max(service["deadline"], service["starts_within"])
    until = time.monotonic() + wait
    while True:
        found = proofs.ask(service, None, None)
        if found["verdict"] == "serves":
            return End("healed" if story.changes else "healthy", f"It holds: {found['said']}")
        if time.monotonic() > until:
            outcome = "unproved" if found["verdict"] == "unclear" else "failed"
            return End(outcome, f"It does not hold within {wait:g} s: {found['said']}")
        time.sleep(PAUSE_S)
