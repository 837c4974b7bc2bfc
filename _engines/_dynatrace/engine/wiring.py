"""
Puts the engine's parts together, with what ``dynatrace.py`` hands in of Salt, and starts its threads.

It decides nothing but which parts there are: without a token no client, without a job cache no question to a minion,
without ``webhook`` no listener.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from threading import Event

from ..api.client import Client
from ..config.config import Config
from ..core.resolution import resolve
from ..master import job_cache
from ..master.attempt_records import AttemptRecords
from ..master.delivery import DeliveryConfirmation
from ..master.job_cache import Jobs
from ..master.minion_index import MinionIndex
from ..master.minion_queries import MinionQueries
from ..master.outbox_relay import OutboxRelay
from ..master.ping import Ping
from ..master.salt_interface import Master
from ..master.signing_key import signing_key
from ..master.subscriber import Subscriber
from ..remediation.announcements import Announcements
from ..remediation.dispatch import TAKE_S, Dispatch
from ..remediation.entities import Entities
from ..remediation.episodes import Episodes
from ..remediation.feedback import Feedback
from ..remediation.job_tracker import JobTracker
from ..remediation.outcomes import Outcomes
from ..remediation.problem_reader import ProblemReader
from ..remediation.readings import Readings
from ..remediation.recovery import Recovery
from ..remediation.reports import Reports
from ..remediation.scheduler import Scheduler
from ..remediation.verdicts import Verdicts
from ..store.ledger import Ledger
from ..webhook.endpoints import Health
from ..webhook.listener import Listener
from ..webhook.recorder import Recorder
from ..webhook.salt_api_hook import Hook
from .bus_events import BusEvents
from .clock import steady
from .commands import Commands
from .health import Probe, Status, Troubles
from .reconciler import Reconciler
from .startup import announce, announce_test, client_for, open_ledger
from .threads import Loop, Threads
from .views import Views

#: The parts that are loops; health tells of their threads by these names.
LOOPS = ["relay", "subscriber", "queries", "hook", "feedback", "recorder", "listener", "reconciler"]


class Engine:
    """
    The parts of one engine. Each is made when it is first asked for, and is handed the parts that it needs.
    """

    def __init__(
        self,
        instance: str,
        config: Config,
        master: Master,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady,
    ) -> None:
        self.instance = instance
        self.config = config
        self.policy = config.policy
        self.master = master
        self.clock = clock
        self.steady = steady
        #: Whoever has something to do for the reconciler sets it.
        self.trigger = Event()
        self.look_now = self.trigger.set
        self.delivery = DeliveryConfirmation()

    def start(self) -> None:
        """
        Start all threads; ``threads.supervise`` is the caller's to run.

        Raises DynatraceError or OSError when something cannot work.
        """
        # All parts are made before a thread runs: two threads that ask for one at first would make it twice.
        loops = self.loops
        announce(self.instance, self.config, self.ledger)
        self.threads.start({"minions": self.minions})
        self.minions.complete.wait(0.5)  # By then it is, unless there are thousands.
        self.threads.start(loops)

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
    def ledger(self) -> Ledger:
        path = self.config.get("ledger") or self.master.directory / self.instance / "ledger.db"
        return open_ledger(self.instance, path)

    @cached_property
    def client(self) -> Client | None:
        return client_for(self.config)

    @cached_property
    def minions(self) -> MinionIndex:
        master, look_now = self.master, self.look_now
        parts = master.accepted, master.is_accepted, master.grains, self.steady
        return MinionIndex(*parts, self.instance, master.stamp, look_now)

    @cached_property
    def jobs(self) -> Jobs:
        return job_cache.watched(self.master.jobs, self.instance)

    @cached_property
    def queries(self) -> MinionQueries | None:
        # Without a job cache nothing proves who answered; then nobody is asked.
        if not self.jobs.cached:
            return None
        publish, returns = self.master.publish, self.jobs.returns
        return MinionQueries(self.instance, publish, returns, self.look_now, self.clock)

    @cached_property
    def ping(self) -> Ping | None:
        return Ping(self.queries.ask) if self.queries else None

    @cached_property
    def attempt_records(self) -> AttemptRecords | None:
        return AttemptRecords(self.queries.ask, self.jobs) if self.queries else None

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
    def entities(self) -> Entities:
        return Entities(self.client, self.steady)

    @cached_property
    def readings(self) -> Readings | None:
        if self.client is None:
            return None
        return Readings(self.instance, self.client, self.entities, self.look_now, self.clock)

    @cached_property
    def problem_reader(self) -> ProblemReader:
        return ProblemReader(self.instance, self.ledger, self.client, self.readings)

    @cached_property
    def announcements(self) -> Announcements:
        config, reports = self.config, None
        if self.feedback is not None:
            wait = config.get("feedback.close_after") if config.get("feedback.close") else None
            reports = Reports(self.ledger, config.get("feedback.event"), wait)
        comments = self.feedback is not None and config.get("feedback.comment")
        return Announcements(self.instance, self.ledger, self.policy, comments, reports)

    @cached_property
    def episodes(self) -> Episodes:
        match = partial(resolve, entity=self.entities, find=self.minions.find)
        reader, lookback = self.problem_reader, self.config.get("lookback")
        # Who acts under maintenance reads again before.
        is_held = reader.is_held if self.policy.hold_in_maintenance else lambda *_: False
        parts = self.announcements, match, reader.read, is_held
        return Episodes(self.instance, self.ledger, *parts, lookback)

    @cached_property
    def verdicts(self) -> Verdicts:
        why_untaken = self.master.why_untaken
        return Verdicts(self.ledger, self.policy, self.minions, why_untaken, self.ping)

    @cached_property
    def scheduler(self) -> Scheduler:
        recovery = Recovery(self.instance, self.ledger, self.minions, self.jobs)
        parts = self.verdicts, self.episodes, self.announcements, recovery, self.steady
        return Scheduler(self.instance, self.ledger, self.policy, *parts)

    @cached_property
    def outcomes(self) -> Outcomes:
        parts = self.announcements, self.verdicts.uptake
        return Outcomes(self.instance, self.ledger, self.policy, *parts)

    @cached_property
    def dispatch(self) -> Dispatch:
        parts = self.verdicts, self.episodes, self.outcomes, self.attempt_records
        return Dispatch(self.ledger, self.policy, *parts)

    @cached_property
    def job_tracker(self) -> JobTracker:
        return JobTracker(
            self.instance, self.ledger.attempts, self.minions, self.outcomes, self.jobs
        )

    @cached_property
    def feedback(self) -> Feedback | None:
        if self.client is None or not self.config.get("feedback"):
            return None
        return Feedback(self.instance, self.ledger, self.client, self.clock)

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
        relay, minions, troubles = self.relay, self.minions, self.troubles
        facts = lambda: relay.healthy, minions.__len__, troubles.facts
        return Probe(self.status, self.ledger, *facts, self.clock)

    @cached_property
    def listener(self) -> Listener | None:
        if self.recorder is None:
            return None
        on_test = partial(announce_test, self.instance, self.ledger, self.look_now)
        health = Health(self.probe.health, self.probe.metrics)
        return Listener(self.instance, self.config, self.recorder, on_test, health)

    @cached_property
    def status(self) -> Status:
        interval = float(self.config.get("poll_interval")) if self.client is not None else 0.0
        return Status(self.instance, interval, self.clock())

    @cached_property
    def commands(self) -> Commands:
        views = Views(self.ledger, self.policy, self.status, self.troubles.facts)
        started, answer, gate = self.status.started, self.relay.say, self.relay.gate
        rest = started, self.key, answer, gate, self.clock
        return Commands(self.instance, self.ledger, views, *rest)

    @cached_property
    def reconciler(self) -> Reconciler:
        problems = self.problem_reader, self.episodes
        attempts = self.scheduler, self.dispatch, self.job_tracker
        others = self.relay, self.feedback, self.status, self.commands
        parts = self.ledger, *problems, *attempts, *others
        return Reconciler(self.instance, self.trigger, *parts, self.clock, self.steady)
