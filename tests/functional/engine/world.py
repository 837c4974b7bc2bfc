"""
The engine without Salt's daemons: its real parts, the simulated tenant, and a bus that is a list.

Time is the test's: a cycle runs when it is told to, at the time it is told. What the reactor and the minion would do
is done by `World.salt_runs`, through the same job cache interface that the engine reads.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from _dynatrace.api.client import Client
from _dynatrace.api.rate_limiter import Kind, RateLimiter
from _dynatrace.config import config as configuration
from _dynatrace.core.errors import JobCacheError
from _dynatrace.core.records import Attempt, Episode, Memory
from _dynatrace.core.resolution import Target
from _dynatrace.engine.commands import ANSWER_PREFIX
from _dynatrace.engine.startup import credentials_for
from _dynatrace.engine.wiring import Engine
from _dynatrace.master.attempt_records import AttemptRecords
from _dynatrace.master.job_cache import Jobs
from _dynatrace.master.salt_interface import Master
from _dynatrace.remediation.decision import Capacity, Decision, Held
from _dynatrace.remediation.group import Group
from _dynatrace.remediation.readings import Readings
from _dynatrace.remediation.scheduler import Scheduler
from _dynatrace.store.ledger import Ledger
from _dynatrace.webhook import payload as notifications

from tests.functional.engine.replayed import Replayed
from tests.harness.logins import LOGINS
from tests.tenant import Tenant

KEY = b"0" * 64
#: The last hears of the decisions of every world; conftest.py has one for each test.
REPLAYED: list[Replayed] = []


def on_platform(tenant: Tenant) -> bool:
    """
    Tell whether the engine reaches the tenant on the platform.
    """
    return getattr(tenant, "login", "classic") == "platform"


def told(outcome: str, result: bool, comment: str, **changes: Any) -> dict[str, Any]:
    """
    Return what a minion returns of our state; made by hand in the shape that salt/_states/dynatrace.py gives.
    """
    state = {
        "name": "apache2",
        "result": result,
        "comment": comment,
        "changes": changes,
        "dynatrace": {"attempt": None, "outcome": outcome},
        "__run_num__": 0,
        "__id__": "dynatrace-remedy-apache2-dynatrace-healed",
        "__sls__": "dynatrace.remedy.apache2",
    }
    return {
        "return": {
            "dynatrace_|-dynatrace-remedy-apache2-dynatrace-healed_|-apache2_|-healed": state
        },
        "retcode": 0 if result else 2,
        "success": result,
    }


GOOD = told("healed", True, "it serves", apache2="started")
HEALTHY = told("healthy", True, "It serves already: http://127.0.0.1/ answered 200.")
BAD = told("failed", False, "Syntax error on line 1")
REFUSED = told("refused", False, "Nothing was touched: apache2.service is masked.")
UNPROVED = told("unproved", False, "It runs, and no probe fits it: set `url`.", apache2="started")
#: What Salt 3008 answers, if it does, when a state run with `queue: True` meets another one; the job runs later.
QUEUED = {
    "return": {
        "result": True,
        "comment": "Job queued for execution",
        "queued": True,
        "changes": {},
    },
    "retcode": 0,
    "success": True,
}


#: Of events: no two problems are made of the same one.
_numbers = itertools.count(1)


def down(
    apache: str, start: float, status: str = "OPEN", kind: str = "PGI_UNAVAILABLE"
) -> dict[str, Any]:
    """
    Return evidence of a process that is down since `start` (epoch seconds), in the documented shape.
    """
    begun = int(start * 1000)
    entity = {"entityId": {"id": apache, "type": "PROCESS_GROUP_INSTANCE"}, "name": "apache2"}
    return {
        "evidenceType": "EVENT",
        "displayName": "Process unavailable",
        "entity": entity,
        "groupingEntity": None,
        "rootCauseRelevant": True,
        "eventId": f"{next(_numbers)}_{begun}",
        "eventType": kind,
        "startTime": begun,
        "endTime": -1 if status == "OPEN" else begun + 1000,
        "data": {"status": status, "startTime": begun, "underMaintenance": False},
    }


class Unlimited(RateLimiter):
    """
    No limit of calls, and no wait after a 429: the engine's time is the test's, and the client's would be real.
    """

    def acquire(self, endpoint: str, kind: Kind) -> None: ...

    def hold(self, endpoint: str, seconds: float) -> None: ...


class ListBus:
    """
    An end of the bus that keeps what is fired; `refuse` makes it fail as a dead publisher does.
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.refuse = False

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool:
        if self.refuse:
            return False
        self.events.append((tag, data))
        return True

    def get_event(self, **_: Any) -> None:
        return None

    def destroy(self) -> None:
        return None


class JobCache:
    """
    A job cache in memory, in the shape that the engine asks the master's for.
    """

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}
        self.returned: dict[str, dict[str, Any]] = {}
        self.cached = True
        #: Whether it can be read, as a whole and of single jobs.
        self.readable = True
        self.unreadable: set[str] = set()

    def jobs(self) -> Jobs:
        if not self.cached:
            return Jobs(lambda _: [], lambda _: {}, cached=False)
        return Jobs(self._sent_to, self._returns)

    def _sent_to(self, jid: str) -> list[str] | None:
        self._read(jid)
        return self.sent.get(jid)

    def _returns(self, jid: str) -> Mapping[str, Any]:
        self._read(jid)
        return self.returned.get(jid, {})

    def _read(self, jid: str) -> None:
        if not self.readable or jid in self.unreadable:
            raise JobCacheError("redis.get_load of `ext_job_cache` failed, ConnectionError: gone")


class World:
    """
    One engine against one tenant; `restart` kills it as `kill -9` would and starts it on the same ledger.
    """

    def __init__(
        self,
        tenant: Tenant,
        directory: Path,
        minions: Mapping[str, Mapping[str, Any]],
        remedies: Any = None,
        **config: Any,
    ) -> None:
        #: The catalogue as the admin wrote it.
        self.remedies = remedies
        self.tenant = tenant
        self.directory = directory
        self.minions = dict(minions)
        login = LOGINS[getattr(tenant, "login", "classic")](tenant).options
        if "api_token" in config:
            # Another one, or none, which is left out: written as null it is refused.
            login = {"environment_url": tenant.url} if config["api_token"] else {}
        self.given = {**login, "lookback": 2592000, **config}
        if config.get("api_token", "") is None:
            del self.given["api_token"]
        self.bus = ListBus()
        self.cache = JobCache()
        #: Whether a reactor is mapped to a tag, and whether one takes any of these technologies.
        self.reacts: Callable[[str], bool] = lambda _: True
        self.takes: Callable[[Sequence[str]], bool] = lambda _: True
        #: Minions that answer no `test.ping`, and whom each of them asked.
        self.gone: set[str] = set()
        self.pings: list[list[str]] = []
        #: What minions remember of attempts, by attempt and minion, and what was asked; who is gone answers nothing.
        self.memories: dict[tuple[str, str], Any] = {}
        #: How far the minions' clocks are ahead.
        self.skew = 0.0
        self.recalls: list[tuple[str, list[str]]] = []
        self.now = time.time()
        self.set_by = 0.0
        self.sentences: list[str] = []
        self.build()

    def build(self) -> None:
        self.engine = TestedEngine(self)
        self.ledger = self.engine.ledger
        self.index = self.engine.minions
        self.feedback = self.engine.feedback
        self.queries = self.engine.queries
        self.ping = self.engine.ping
        self.scheduler = self.engine.scheduler
        self.job_tracker = self.engine.job_tracker
        self.relay = self.engine.relay
        self.status = self.engine.status
        self.commands = self.engine.commands
        self.reconciler = self.engine.reconciler
        self.index.refresh()
        self.engine.note_catalogue()

    def master(self) -> Master:
        """
        Return what stands in for Salt.
        """
        return Master(
            directory=self.directory,
            connect_to_fire=lambda: self.bus,
            connect_to_listen=lambda: self.bus,
            accepted=lambda: list(self.minions),
            is_accepted=lambda minion: minion in self.minions,
            grains=self.minions.get,
            why_untaken=self._untaken,
            publish=self._publish,
            jobs=self.cache.jobs(),
            remedies=self.remedies,
        )

    def _untaken(
        self, tags: Iterable[str], technologies: Sequence[str], remedy: str | None
    ) -> str | None:
        if not any(self.reacts(tag) for tag in tags):
            return "no reactor is mapped to its events"
        # As where the shipped reactor is mapped, which takes what has a remedy.
        return None if remedy or self.takes(technologies) else "no reactor takes it"

    @property
    def answers(self) -> list[tuple[str, Mapping[str, Any]]]:
        """
        What the runner was answered.
        """
        return [one for one in self.bus.events if one[0].startswith(ANSWER_PREFIX)]

    def set_clock(self, by: float) -> None:
        """
        Let somebody set the machine's clock.
        """
        self.now += by
        self.set_by += by

    def _publish(self, minions: list[str], function: str, *arguments: str) -> str:
        here = [name for name in minions if name not in self.gone]
        if function == "test.ping":
            self.pings.append(minions)
            jid = f"2026{len(self.pings):016d}"
            self.cache.returned[jid] = dict.fromkeys(here, True)
            return jid
        (attempt_id,) = arguments
        self.recalls.append((attempt_id, minions))
        jid = f"2027{len(self.recalls):016d}"
        self.cache.returned[jid] = {
            name: {"return": self._remembered(attempt_id, name), "retcode": 0} for name in here
        }
        return jid

    def _remembered(self, attempt_id: str, minion: str) -> Any:
        known = self.memories.get((attempt_id, minion))
        return known(self.now, self.skew) if callable(known) else known

    def verdicts(
        self, episode: Episode, limit: int = 10
    ) -> tuple[Sequence[Target], Sequence[Held]]:
        """
        Return on whom an attempt would act now, and why the others would be held.
        """
        decision = self.engine.verdicts.of(episode, Capacity(limit, set()), self.now)
        return decision.acting, decision.held

    def close(self) -> None:
        """
        Let go of the ledger, and of the threads that read and their connections.
        """
        self.ledger.close()
        if self.engine.readings is not None:
            self.engine.readings.close()

    def restart(self) -> None:
        """
        End the engine without any shutdown step and start another on what it left.
        """
        self.close()
        self.build()

    def cycle(self, after: float = 0.0, fire: bool = True) -> str:
        """
        Let `after` seconds pass, run one cycle, and fire what it recorded.
        """
        self.now += after
        self.index.refresh()
        sentence, _ = self.reconciler.cycle(self.now)
        if self.queries is not None:
            self.queries.step()
        self.sentences.append(sentence)
        if fire:
            self.fire()
        return sentence

    def fire(self) -> None:
        """
        Let the relay do its work.
        """
        self.relay.drain()

    def poll(self, after: float = 0.0) -> str:
        """
        Run a cycle that polls.
        """
        self.reconciler._next_poll = 0.0
        return self.cycle(after)

    def notify(self, body: bytes) -> None:
        """
        Record a notification as the listener does.
        """
        self.ledger.notifications.add([(self.now, notifications.parse(body))])

    def events(self, what: str | None = None) -> list[dict[str, Any]]:
        """
        Return the data of the problem events fired so far, of one kind or all.
        """
        found = [data for tag, data in self.bus.events if tag.startswith("dynatrace/problem/")]
        return [data for data in found if what is None or data["what"] == what]

    def whats(self) -> list[str]:
        """
        Return what was announced, in order.
        """
        return [data["what"] for data in self.events()]

    def take(self, data: Mapping[str, Any], minions: list[str] | None = None) -> None:
        """
        Let a reactor make a job of an event.
        """
        self.cache.sent[data["jid"]] = list(data["minions"] if minions is None else minions)
        self.engine.on_job(data["jid"], "new", None, {})

    def salt_runs(self, data: Mapping[str, Any], returned: Mapping[str, Any] = GOOD) -> None:
        """
        Let a reactor make a job of an event, and its minions return.
        """
        self.take(data)
        for minion in data["minions"]:
            self.give(data["jid"], minion, returned)

    def give(self, jid: str, minion: str, returned: Mapping[str, Any]) -> None:
        """
        Let a minion return: the job cache knows, and the bus tells.
        """
        self.cache.returned.setdefault(jid, {})[minion] = returned
        self.engine.on_job(jid, "ret", minion, returned)

    def orchestrates(self, data: Mapping[str, Any], success: bool, heard: bool = True) -> None:
        """
        Let an orchestration take an event and end: the master files its return under its own id, as Salt 3008 does.
        """
        told = {"fun": "runner.state.orchestrate", "jid": data["jid"], "return": {}}
        self.cache.sent[data["jid"]] = ["master.example.com_master"]
        ended = {**told, "success": success}
        self.cache.returned[data["jid"]] = {"master.example.com_master": {"return": ended}}
        if heard:
            self.engine.on_job(data["jid"], "new", None, told)
            self.engine.on_job(data["jid"], "ret", None, ended)

    def send_comments(self) -> None:
        """
        Let the feedback thread's work be done.
        """
        if self.feedback is not None:
            self.feedback.send_all(self.now)


class TestedEngine(Engine):
    """
    The engine as the product puts it together, at the world's time; its threads are not started.
    """

    __test__ = False
    key = KEY

    def __init__(self, world: World) -> None:
        super().__init__(
            "test",
            configuration.load(world.given),
            world.master(),
            clock=lambda: world.now,
            steady=lambda: world.now - world.set_by,
        )

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.master.directory / "ledger.db")

    @cached_property
    def client(self) -> Client | None:
        config = self.config
        if not config.has_login:
            return None
        return Client(
            config.get("environment_url"),
            "",
            problem_selector=config.get("problem_selector"),
            rate_limiter=Unlimited(),
            credentials=credentials_for(config),
            source=config.get("source"),
            observe=self.measures.tenant_request.observe,
        )

    @property
    def on_job(self) -> Callable[[str, str, str | None, Mapping[str, Any]], None]:
        return self.bus_events.on_job

    @property
    def on_command(self) -> Callable[[Mapping[str, Any]], None]:
        return self.bus_events.on_command

    @property
    def on_open(self) -> Callable[[], None]:
        return self.bus_events.on_open

    @cached_property
    def scheduler(self) -> Scheduler:
        made = super().scheduler
        prepared, record = made._prepared, made._record_one

        def prepare(episode: Episode, group: Group) -> Decision | None:
            decision = prepared(episode, group)
            if decision is not None and REPLAYED:
                REPLAYED[-1].made(self, decision, group)
            return decision

        def recorded(decision: Decision, group: Group) -> None:
            if REPLAYED:
                REPLAYED[-1].recorded(self, decision, group)
            record(decision, group)

        made._prepared, made._record_one = prepare, recorded  # type: ignore[method-assign]
        return made

    @cached_property
    def readings(self) -> Readings | None:
        # A cycle has read all there is to read: the test's time stands still meanwhile.
        readings = super().readings
        if readings is not None:
            readings.wait_s = 60.0
        return readings

    @cached_property
    def attempt_records(self) -> AttemptRecords | None:
        return _AnsweredAtOnce(self) if self.queries else None


class _AnsweredAtOnce(AttemptRecords):
    """
    Who answers does so at once, and who does not will never.
    """

    def __init__(self, engine: TestedEngine) -> None:
        self._queries = engine.queries
        assert self._queries is not None
        super().__init__(self._queries.ask, engine.jobs)

    def of(self, attempt: Attempt, minions: set[str]) -> Mapping[str, Memory] | None:
        found = super().of(attempt, minions)
        if found is None and self._queries is not None:
            self._queries.step()
            found = super().of(attempt, minions)
        if found is None:
            self._asked.clear()
        return found or {}
