"""
Does what the state ``dynatrace.healed`` promises; its module tells the steps and the outcomes.
"""

import time
from functools import partial

from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __grains__, __opts__, __pillar__, __salt__
from ..service import control, processes
from . import attempts, identity, outage, probe
from . import settings as remedy_settings
from .taking import End, Story, taken

# What a log line may hold of a test's output.
LAST_LINES = 10


def healed(name, settings):
    """
    Bring a service back if it is down, and prove that it serves; return what a state returns.
    """
    story = Story(name)
    try:
        _heal(story, settings)
    except End as end:
        return _finished(story, end)
    except (CommandExecutionError, OSError) as err:
        return _finished(story, End("failed" if story.touched else "refused", str(err)))


def _heal(story, settings):
    service = remedy_settings.settled(story.name, settings, __pillar__, __grains__.get("os_family"))
    order = taken(story)
    seen = _looking(service)()
    if order:
        _compare(story, order["process"], service, seen)
    way = _way(story, order, service, seen)
    _test_configuration(story, service, way["seen"])
    if __opts__["test"]:
        raise End(None, _plan(service, way))
    began = time.time()
    _bring_back(story, service, order, way["how"])
    _prove(story, service, order, began)


def _looking(service):
    """
    Return what looks at the service; it is called where this state's dunders are out of reach.
    """
    return partial(control.look, control.place(service))


def _compare(story, named, service, seen):
    listens = sorted({port for _, port in seen["listens"]}) if seen["main"] else []
    own = {**service, "listens": listens, "runs": seen["executable"], "units": [seen["unit"]]}
    differs = identity.contradiction(named, own)
    if differs:
        raise End("refused", f"Nothing is done: {differs}")
    known = " and ".join(filter(None, (named.get("executable"), named.get("unit"))))
    story.say(f"Dynatrace names {known}, which is {story.name} here")


def _way(story, order, service, seen):
    """
    Return how it is to be brought back; ends what serves, and what is not known to be down.
    """
    failed = order["failed"] if order else None
    way = outage.decided(story.name, service, seen, _looking(service), _asking(service), failed)
    if "outcome" in way:
        raise End(way["outcome"], way["said"])
    story.say(way["said"])
    if way["seen"]["refusal"]:
        raise End("refused", f"Nothing is done: {way['seen']['refusal']}")
    return way


def _asking(service):
    return partial(probe.proof, service)


def _test_configuration(story, service, seen):
    """
    Test the configuration before anything living is stopped; where nothing lives the start does it.

    The outage is shorter by its time.
    """
    if not (seen["main"] or seen["orphans"] or __opts__["test"]):
        return
    broken = _broken(service)
    if broken:
        raise End("failed", f"Nothing has been stopped: {broken}")
    story.say("Its configuration is valid")


def _broken(service):
    try:
        result = bounded.call(
            service["configtest_timeout"],
            __salt__["cmd.run_all"],
            [str(word) for word in service["configtest"]],
            python_shell=False,
            redirect_stderr=True,
            ignore_retcode=True,
            output_loglevel="debug",
        )
    except (CommandExecutionError, OSError) as err:
        return f"the configuration cannot be tested: {err}"
    if result["retcode"] == 0:
        return None
    lines = result["stdout"].splitlines()[-LAST_LINES:]
    return "the configuration is broken:\n" + "\n".join(lines)


def _plan(service, way):
    orphans = way["seen"]["orphans"]
    after = f" after its orphaned processes {orphans} are ended" if orphans else ""
    return f"{service['service']} would be {way['how']}ed{after}, and asked whether it serves"


def _bring_back(story, service, order, how):
    unit, place, story.touched = service["service"], control.place(service), True
    left = order["until"] - time.time() if order else float("inf")
    until = time.monotonic() + min(service["service_timeout"], left)
    manage = {verb: __salt__[f"service.{verb}"] for verb in ("start", "restart")}
    ended = control.bring_back(place, how, until, manage)
    story.changes.update(ended["done"])
    if ended["ok"]:
        story.say(f"{unit} was {how}ed" if ended["done"] else f"{unit} came back by itself")
        if ended["why"]:
            story.say(ended["why"])
        return
    if ended["by_others"]:
        # Another attempt would undo what a person has just done.
        raise End(
            "unproved" if ended["done"] else "refused", f"{unit} is left alone: {ended['why']}"
        )
    # When the time is over, the test may hang for the same reason.
    broken = _broken(service) if time.monotonic() < until else None
    why = "; ".join(filter(None, (ended["why"], broken)))
    raise End("refused" if ended["refused"] else "failed", f"{unit} cannot be brought back: {why}")


def _prove(story, service, order, began):
    end = outage.proved(story.name, service, _looking(service), _asking(service))
    if end["outcome"] == "healed":
        _compare_ports(story, order, end["seen"])
        outcome = "healed" if story.changes else "healthy"
        raise End(outcome, end["said"])
    words = control.words(control.place(service), began)
    held = processes.holders(service["ports"])
    lives = end["seen"]["main"]
    raise End(
        end["outcome"], "; ".join(filter(None, [end["said"], *([] if lives else held), words]))
    )


def _compare_ports(story, order, seen):
    named = (order["process"].get("ports") if order else None) or []
    if named and not {port for _, port in seen["listens"]} & set(named):
        ports = ", ".join(str(port) for port in sorted(named))
        story.say(f"It listens on none of the ports that Dynatrace named: {ports}")


def _finished(story, end):
    """
    Record how a taken attempt ended, and return what the state returns.
    """
    if story.taken:
        try:
            attempts.finish(story.attempt, end.outcome)
        except (CommandExecutionError, OSError) as err:
            story.say(str(end))
            end = End("failed", f"The end of the attempt cannot be recorded: {err}")
    return story.told(end)
