"""
Does what the state ``dynatrace.healed`` promises; its module tells the steps and the outcomes.
"""

from functools import partial

from salt.exceptions import CommandExecutionError

from ..dunders import __grains__, __opts__, __pillar__
from ..service import control
from . import attempts, configtest, evidence, identity, outage, proofs, steps
from . import settings as remedy_settings
from .taking import End, Story, taken


class Subject:
    """
    What is brought back: its settings, what looks after it, and the place where that finds it.
    """

    def __init__(self, service, manager, place):
        self.service, self.manager, self.place = service, manager, place
        # Both are called where this state's dunders are out of reach.
        self.look = partial(manager.look, place)
        self.ask = partial(proofs.ask, service, self.look)


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


def _heal(story, given):
    story.name, own = remedy_settings.named(story.name, given, __pillar__)
    service = remedy_settings.settled(story.name, own, __pillar__, __grains__.get("os_family"))
    order = taken(story)
    if service["sls"]:
        # Imported here: while a service is down, only what is needed is loaded.
        from . import site_sls

        site_sls.run(story, service, order)
    subject = _subject(service, order)
    seen = subject.look()
    if order:
        _compare(story, order["process"], subject, seen, bool(given.get("ordered")))
    way = _way(story, order, subject, seen)
    taken_steps = _steps(service, way)
    _test_configuration(story, service, way["seen"])
    if __opts__["test"]:
        raise End(None, _plan(subject, way, taken_steps))
    # Before the first signal: what is done next destroys it.
    evidence.keep(story, {**service, **subject.place}, order, way["seen"])
    steps.run(story, subject, order, taken_steps)


def _subject(service, order):
    """
    Return what the settings and the order mean on this minion; raise when that is not there, or not clear.
    """
    named = order["process"] if order else {}
    if service["container"]:
        from ..service import containers

        return Subject(service, containers, containers.place(service, named.get("container")))
    if not service["service"]:
        from . import units

        failed = order["failed"] if order else None
        service["service"] = units.chosen(named.get("unit"), service["units"], failed)
    return Subject(service, control, control.place(service))


def _compare(story, named, subject, seen, is_ordered):
    """
    End when the process that Dynatrace names is not the one here; a container was chosen by what is named.
    """
    service, place = subject.service, subject.place["service"]
    # Of a state that an SLS names, the catalogue has said nothing.
    by = named.get("by") if is_ordered else None
    if service["container"]:
        differs = identity.container_contradiction(named, by)
    else:
        differs = identity.contradiction(named, _own(service, seen), by)
    if differs:
        raise End("refused", f"Nothing is done: {differs}")
    known = [named.get(key) for key in ("executable", "unit", "container")]
    told = " and ".join(filter(None, known)) or f"{story.name} by its {by}"
    story.say(f"Dynatrace names {told}, which is {place} here")


def _own(service, seen):
    listens = sorted({port for _, port in seen["listens"]}) if seen["main"] else []
    runs = seen["executable"]
    executable = service["executable"] or runs or seen["program"]
    about = {"executable": executable, "listens": listens, "runs": runs, "units": [seen["unit"]]}
    return {**service, **about}


def _way(story, order, subject, seen):
    """
    Return how it is to be brought back; ends what serves, and what is not known to be down.
    """
    failed = order["failed"] if order else None
    service, look, ask = subject.service, subject.look, subject.ask
    way = outage.decided(story.name, service, seen, look, ask, failed)
    if "outcome" in way:
        raise End(way["outcome"], way["said"])
    story.say(way["said"])
    if way["seen"]["refusal"]:
        raise End("refused", f"Nothing is done: {way['seen']['refusal']}")
    return way


def _steps(service, way):
    found = steps.chosen(service, way)
    if not found:
        raise End(
            "refused", "Nothing is done: a reload does not help it, and `steps` has no restart"
        )
    return found


def _test_configuration(story, service, seen):
    """
    Test the configuration before anything living is stopped; where nothing lives the start does it.

    The outage is shorter by its time.
    """
    if service["container"] or not (seen["main"] or seen["orphans"] or __opts__["test"]):
        return
    broken = configtest.broken(service)
    if broken:
        raise End("failed", f"Nothing has been stopped: {broken}")
    is_known = bool(service["configtest"])
    story.say("Its configuration is valid" if is_known else "It has no `configtest`: none is run")


def _plan(subject, way, taken_steps):
    orphans = way["seen"]["orphans"]
    after = f" after its orphaned processes {orphans} are ended" if orphans else ""
    done = ", and if that does not help ".join(f"{step}ed" for step in taken_steps)
    return f"{subject.place['service']} would be {done}{after}, and asked whether it serves"


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
