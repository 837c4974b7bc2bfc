"""
The parts that learn of problems, decide and follow attempts, each made when it is first asked for.

It decides nothing but which parts there are: without a token no client, without a job cache no question to a minion.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from threading import Event

from ..api.client import Client
from ..config.catalogue import validate
from ..config.config import Config
from ..core.measures import Measures
from ..core.problem import Problem
from ..core.remedies import Catalogue
from ..core.resolution import Resolution, resolve
from ..master import job_cache
from ..master.attempt_records import AttemptRecords
from ..master.delivery import DeliveryConfirmation
from ..master.job_cache import Jobs
from ..master.minion_index import MinionIndex
from ..master.minion_queries import MinionQueries
from ..master.ping import Ping
from ..master.salt_interface import Master
from ..remediation.announcements import Announcements
from ..remediation.dispatch import Dispatch
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
from .clock import steady
from .startup import client_for, heard, open_ledger


class Parts:
    """
    The parts of one engine that heal; each is handed the parts that it needs.
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

    @cached_property
    def catalogue(self) -> Catalogue:
        return validate(self.master.remedies)[0]

    @cached_property
    def measures(self) -> Measures:
        return Measures(self.catalogue.remedies)

    @cached_property
    def ledger(self) -> Ledger:
        path = self.config.get("ledger") or self.master.directory / self.instance / "ledger.db"
        return open_ledger(self.instance, path)

    @cached_property
    def client(self) -> Client | None:
        say = partial(heard, self.instance)
        observe = self.measures.tenant_request.observe
        return client_for(self.config, self.master.secrets, say, observe)

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
    def entities(self) -> Entities:
        return Entities(self.client, self.steady, bool(self.catalogue))

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
        parts = comments, reports, self.catalogue
        return Announcements(self.instance, self.ledger, self.policy, *parts)

    @cached_property
    def match(self) -> Callable[[Problem], Resolution]:
        """
        Returns whom a problem concerns.
        """
        entity, find, with_hosts = self.entities, self.minions.find, bool(self.catalogue)
        return partial(resolve, entity=entity, find=find, with_hosts=with_hosts)

    @cached_property
    def episodes(self) -> Episodes:
        reader, lookback = self.problem_reader, self.config.get("lookback")
        # Who acts under maintenance reads again before.
        is_held = reader.is_held if self.policy.hold_in_maintenance else lambda *_: False
        parts = self.announcements, self.match, reader.read, is_held
        return Episodes(self.instance, self.ledger, *parts, lookback)

    @cached_property
    def verdicts(self) -> Verdicts:
        parts = self.minions, self.master.why_untaken, self.ping, self.catalogue
        return Verdicts(self.ledger, self.policy, *parts)

    @cached_property
    def scheduler(self) -> Scheduler:
        recovery = Recovery(self.instance, self.ledger, self.minions, self.jobs)
        parts = self.verdicts, self.episodes, self.announcements, recovery, self.steady
        return Scheduler(self.instance, self.ledger, self.policy, *parts)

    @cached_property
    def outcomes(self) -> Outcomes:
        parts = self.announcements, self.verdicts.uptake, self.measures
        return Outcomes(self.instance, self.ledger, self.policy, *parts)

    @cached_property
    def dispatch(self) -> Dispatch:
        parts = self.verdicts, self.episodes, self.outcomes, self.steady, self.attempt_records
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
        return Feedback(self.instance, self.ledger, self.client, self.clock, self.catalogue)
