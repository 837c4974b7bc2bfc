"""
Puts the engine's parts together, with what ``dynatrace.py`` hands in of Salt, and starts its threads.

Here are the parts that speak with others, and the loops; those that heal are in ``engine.parts``. Without ``webhook`` there
is no listener, and without ``metrics`` no exporter.
"""

from __future__ import annotations

from functools import cached_property, partial

from ..facts.page_facts import PageFacts
from ..facts.recent import Recent
from ..facts.span import Span
from ..facts.story import Story
from ..facts.why import Why
from ..master.outbox_relay import OutboxRelay
from ..master.signing_key import signing_key
from ..master.subscriber import Subscriber
from ..remediation.dispatch import TAKE_S
from ..remediation.explained import Explanations
from ..remediation.notified import measure_openings
from ..webhook.endpoints import Health
from ..webhook.listener import Listener, metrics_listener, webhook_listener
from ..webhook.recorder import Recorder
from ..webhook.salt_api_hook import Hook

# The runner's check asks what the credentials may do.
from .abilities import abilities as abilities
from .bus_events import BusEvents
from .commands import Commands
from .health import Probe, Status, Troubles
from .metrics import Exposition
from .page import StatusPage
from .parts import Parts
from .reconciler import Reconciler

# The runner's check makes a client as the engine does.
from .startup import announce, announce_test, note_catalogue
from .startup import client_for as client_for
from .threads import Loop, Threads
from .views import Views

#: The parts that are loops; health tells of their threads by these names.
LOOPS = [
    *("relay", "subscriber", "minions", "queries", "hook", "feedback", "recorder", "listener"),
    *("exporter", "reconciler"),
]


class Engine(Parts):
    """
    One engine. Each part is made when it is first asked for, and is handed the parts that it needs.
    """

    def start(self) -> None:
        """
        Start all threads; ``threads.supervise`` is the caller's to run.

        Raises DynatraceError or OSError when something cannot work.
        """
        # All parts are made before a thread runs: two threads that ask for one at first would make it twice.
        loops = self.loops
        announce(self.instance, self.config, self.ledger)
        self.note_catalogue()
        self.threads.start(loops)

    def note_catalogue(self) -> None:
        note_catalogue(self.instance, self.ledger, self.catalogue, self.clock())

    @cached_property
    def threads(self) -> Threads:
        return Threads(self.instance)

    @cached_property
    def loops(self) -> dict[str, Loop]:
        """
        The parts that run in a thread of their own.
        """
        found = {name: getattr(self, name) for name in LOOPS}
        return {name: loop for name, loop in found.items() if loop is not None}

    @cached_property
    def key(self) -> bytes:
        return signing_key(self.master.directory)

    @cached_property
    def relay(self) -> OutboxRelay:
        dispatch = self.dispatch
        return OutboxRelay(
            self.instance,
            self.ledger.outbox,
            self.master.connect_to_fire,
            self.key,
            self.delivery,
            lambda order: dispatch.forbids(order["attempt_id"]),
            TAKE_S,
            self.policy.outcome_timeout,
            self.look_now,
            self.clock,
            partial(measure_openings, self.ledger, self.measures.notification_to_event.observe),
        )

    @cached_property
    def subscriber(self) -> Subscriber:
        events = self.bus_events
        return Subscriber(
            self.instance,
            self.master.connect_to_listen,
            self.delivery,
            is_watched=self.job_tracker.is_watched,
            on_job=events.on_job,
            on_minion=events.on_minion,
            on_key=events.on_key,
            on_command=events.on_command,
            on_open=events.on_open,
            hook_tag=self.config.get("hook_tag"),
            on_hook=self.hook.receive if self.hook is not None else None,
        )

    @cached_property
    def bus_events(self) -> BusEvents:
        return BusEvents(self.job_tracker, self.minions, self.ping, self.commands, self.look_now)

    @cached_property
    def hook(self) -> Hook | None:
        # Any minion can fire its tag. With an API that only means a look; without one it would be believed.
        if self.client is None or self.config.get("hook_tag") is None:
            return None
        keys = self.config.get("webhook.keys")
        return Hook(self.instance, keys, self.ledger.notifications, self.look_now)

    @cached_property
    def recorder(self) -> Recorder | None:
        if not self.config.has_webhook:
            return None
        return Recorder(self.instance, self.ledger.notifications, self.look_now)

    @cached_property
    def troubles(self) -> Troubles:
        return Troubles(self.status, self.threads.standing_still, self.minions, self.feedback)

    @cached_property
    def probe(self) -> Probe:
        relay, troubles = self.relay, self.troubles
        return Probe(self.status, self.ledger, lambda: relay.healthy, troubles.facts, self.clock)

    @cached_property
    def exposition(self) -> Exposition:
        relay = self.relay
        return Exposition(
            self.status,
            self.ledger,
            self.measures,
            bus_healthy=lambda: relay.healthy,
            minions=self.minions.__len__,
            threads=self.threads.working,
            remedies=self.catalogue.remedies,
            dry_run=self.policy.dry_run,
            clock=self.clock,
        )

    @cached_property
    def listener(self) -> Listener | None:
        if self.recorder is None:
            return None
        on_test = partial(announce_test, self.instance, self.ledger, self.look_now)
        return webhook_listener(
            self.instance, self.config, self.recorder, on_test, self.health, self.page
        )

    @cached_property
    def exporter(self) -> Listener | None:
        if not self.config.has_metrics:
            return None
        return metrics_listener(self.instance, self.config, self.health)

    @cached_property
    def health(self) -> Health:
        return Health(self.probe.health, self.exposition.text)

    @cached_property
    def page(self) -> StatusPage | None:
        if not self.config.get("webhook.page"):
            return None
        url = self.config.get("environment_url")
        facts = PageFacts(self.ledger, self.story, Recent(self.ledger), url, self.clock)
        return StatusPage(facts, self.probe, self.policy.dry_run, self.clock)

    @cached_property
    def status(self) -> Status:
        interval = float(self.config.get("poll_interval")) if self.client is not None else 0.0
        return Status(self.instance, interval, self.clock())

    @cached_property
    def story(self) -> Story:
        return Story(self.ledger, self.catalogue)

    @cached_property
    def why(self) -> Why:
        return Why(self.ledger, Explanations(self.verdicts.unasking()))

    @cached_property
    def commands(self) -> Commands:
        views = Views(self.ledger, self.policy, self.status, self.troubles.facts, self.catalogue)
        started, answer, gate = self.status.started, self.relay.say, self.relay.gate
        told = self.story, Span(self.ledger), self.why
        rest = *told, started, self.key, answer, gate, self.clock
        return Commands(self.instance, self.ledger, views, *rest)

    @cached_property
    def reconciler(self) -> Reconciler:
        problems = self.problem_reader, self.episodes
        attempts = self.scheduler, self.dispatch, self.job_tracker
        others = self.relay, self.feedback, self.status, self.commands
        parts = self.ledger, *problems, *attempts, *others
        rest = self.clock, self.steady, self.measures.cycle.observe
        return Reconciler(self.instance, self.trigger, *parts, *rest)
