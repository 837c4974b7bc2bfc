"""
Brings a service back by one step after another, until one is proved or none is left.
"""

import time

from ..dunders import __salt__
from ..service import processes
from . import configtest, outage
from .taking import End


def chosen(service, way):
    """
    Return the steps by which a service is brought back: what does not live is started, whatever they are.

    A process that is stopped (SIGSTOP) cannot take a reload.
    """
    if way["how"] == "start":
        return ["start"]
    stopped = way["seen"]["stopped"]
    return [step for step in service["steps"] if step != "reload" or not stopped]


def run(story, subject, order, steps):
    """
    Take the steps; raises the End. The next one follows only when the proof failed after the one before.
    """
    for step in steps[:-1]:
        began = time.time()
        if _brought_back(story, subject, order, step):
            # What lives has nothing to start, and the next step needs its time.
            wait = min(subject.service["deadline"], _left(subject, order) / 2)
            _prove(story, subject, order, began, wait)
    began = time.time()
    _bring_back(story, subject, order, steps[-1])
    _prove(story, subject, order, began)


def _left(subject, order):
    left = order["until"] - time.time() if order else float("inf")
    return max(min(subject.service["service_timeout"], left), 0)


def _ordered(story, subject, order, step):
    service, story.touched = subject.service, True
    until = time.monotonic() + _left(subject, order)
    verbs = [verb for verb in ("start", "restart") if not service["container"]]
    manage = {verb: __salt__[f"service.{verb}"] for verb in verbs}
    if step == "reload" and "service.reload" in __salt__:
        manage["reload"] = __salt__["service.reload"]
    ended = subject.manager.bring_back(subject.place, step, until, manage)
    if story.evidence:
        story.evidence.rest()
    # Of a step that is taken twice the later one counts.
    story.changes.update(ended["done"])
    return ended, until


def _brought_back(story, subject, order, step):
    """
    Take a step that another one follows; tell whether it ended well.
    """
    ended, _ = _ordered(story, subject, order, step)
    if ended["by_others"]:
        raise _by_others(subject, ended)
    name = subject.place["service"]
    why = f": {ended['why']}" if ended["why"] else ""
    story.say(f"{name} was {step}ed" if ended["ok"] else f"{name} was not {step}ed{why}")
    return ended["ok"]


def _bring_back(story, subject, order, step):
    name = subject.place["service"]
    ended, until = _ordered(story, subject, order, step)
    if ended["ok"]:
        story.say(f"{name} was {step}ed" if ended["done"] else f"{name} came back by itself")
        if ended["why"]:
            story.say(ended["why"])
        return
    if ended["by_others"]:
        raise _by_others(subject, ended)
    # When the time is over, the test may hang for the same reason.
    broken = configtest.broken(subject.service) if time.monotonic() < until else None
    why = "; ".join(filter(None, (ended["why"], broken)))
    raise End("refused" if ended["refused"] else "failed", f"{name} cannot be brought back: {why}")


def _by_others(subject, ended):
    # Another attempt would undo what a person has just done.
    outcome = "unproved" if ended["done"] else "refused"
    return End(outcome, f"{subject.place['service']} is left alone: {ended['why']}")


def _prove(story, subject, order, began, wait=None):
    """
    Raise the End that the proof has; return when it failed and another step follows, for which ``wait`` is given.
    """
    end = outage.proved(story.name, subject.service, subject.look, subject.ask, wait)
    if end["outcome"] == "healed":
        _compare_ports(story, order, end["seen"])
        raise End("healed" if story.changes else "healthy", end["said"])
    if end["outcome"] == "failed" and wait is not None:
        story.say(end["said"])
        return
    words = subject.manager.words(subject.place, began)
    held = [] if end["seen"]["main"] else processes.holders(subject.service["ports"])
    raise End(end["outcome"], "; ".join(filter(None, [end["said"], *held, words])))


def _compare_ports(story, order, seen):
    named = (order["process"].get("ports") if order else None) or []
    if seen["listens"] is None or not named:
        return
    if not {port for _, port in seen["listens"]} & set(named):
        ports = ", ".join(str(port) for port in sorted(named))
        story.say(f"It listens on none of the ports that Dynatrace named: {ports}")
