"""
Any mixture of machines that look alike, instances of one service and probes that do not fit: nothing wrong is touched.

The engine's real parts order, and the minion's real state decides; only its looks at processes and sockets are the
test's, which knows what is true. `MODEL=large` goes more than 10,000 steps.
"""

from __future__ import annotations

import collections
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.functional.engine.world import World, down
from tests.harness.logins import LOGINS
from tests.tenant import Problem, Tenant
from tests.unit.minion.loading import load, private, source

LARGE = os.environ.get("MODEL") == "large"
EXAMPLES, STEPS = (400, 30) if LARGE else (25, 20)
ACT_ON = (["host_id", "property"], ["host_id", "property", "name", "address"])
#: Executable, options, configuration, ports and unit of what Dynatrace may mean by an apache2. The first is the remedy's.
INSTANCES: dict[str, dict[str, Any]] = {
    "own": {"EXE_PATH": "/usr/sbin/apache2", "ports": [80], "unit": "apache2.service"},
    "foo": {
        "EXE_PATH": "/usr/sbin/apache2",
        "COMMAND_LINE_ARGS": "/usr/sbin/apache2 -d /etc/apache2-foo -k start",
        "APACHE_CONFIG_PATH": "/etc/apache2-foo/apache2.conf",
        "ports": [8081],
        "unit": "apache2@foo.service",
    },
    "other build": {
        "EXE_PATH": "/opt/bitnami/apache/bin/httpd",
        "COMMAND_LINE_ARGS": "/opt/bitnami/apache/bin/httpd -f /opt/bitnami/apache/conf/httpd.conf",
        "APACHE_CONFIG_PATH": "/opt/bitnami/apache/conf/httpd.conf",
        "ports": [7080],
    },
    "pod": {"EXE_PATH": "/usr/local/apache2/bin/httpd", "ports": [80], "pod": "web-6c9f-xk2"},
    "nameless": {"EXE_PATH": "", "COMMAND_LINE_ARGS": "", "APACHE_CONFIG_PATH": "", "ports": []},
}
#: How a living main process answers. The last one only where the site has a proof of its own.
VERDICTS = ("serves", "silent", "unclear", "fails")
STUCK = ("silent", "fails")

machines = st.sampled_from([0, 1, 2, *range(8)])
kinds = st.sampled_from(["own", "own", "own", *INSTANCES])
states = st.sampled_from(["dead", "dead", "stopped", "alive"])
verdicts = st.sampled_from(VERDICTS)
starts = st.sampled_from(["serves", "serves", "dies", *VERDICTS])
seconds = st.sampled_from([1.0, 31.0, 130.0, 400.0, 4000.0])


@dataclass
class Machine:
    """
    A machine that is a minion, as it truly is; `host` is its id in Dynatrace.
    """

    minion: str
    host: str
    state: str = "alive"  # alive, stopped (SIGSTOP) or dead
    verdict: str = "serves"
    since: float = 0.0
    #: What the next start comes to.
    starts_as: str = "serves"
    masked: bool = False
    processes: dict[str, str] = field(default_factory=dict)

    def down(self) -> bool:
        return self.state != "alive" or self.verdict in STUCK

    def look(self) -> dict[str, Any]:
        lives = self.state != "dead"
        return {
            "unit": "apache2.service",
            "active": "active" if lives else "failed",
            "main": 4711 if lives else None,
            "since": self.since if lives else None,
            "stopped": self.state == "stopped",
            "executable": "/usr/sbin/apache2" if lives else None,
            "listens": [["0.0.0.0", 80]] if lives else [],
            "orphans": [],
            "refusal": "apache2.service is masked" if self.masked else None,
        }

    def start(self, now: float) -> dict[str, Any]:
        done = {"apache2": "started" if self.state == "dead" else "restarted"}
        if self.starts_as == "dies":
            self.state = "dead"
            told = {"ok": False, "done": {"apache2": "start tried"}, "why": "port 80 is taken"}
            return {**told, "refused": False, "by_others": False}
        self.state, self.verdict, self.since = "alive", self.starts_as, now
        return {"ok": True, "refused": False, "by_others": False, "done": done, "why": None}


class IdentityModel(RuleBasedStateMachine):
    """
    Four minions and a host that is none; the reactor and the minions act at once on what is ordered.
    """

    @initialize(act_on=st.sampled_from(ACT_ON), login=st.sampled_from(sorted(LOGINS)))
    def begin(self, act_on: list[str], login: str) -> None:
        self.tenant = Tenant().start()
        self.tenant.login = login
        self.home = tempfile.TemporaryDirectory()
        grains: dict[str, dict[str, Any]] = {
            "web01": {"nodename": "web01", "host": "web01"},
            "web02": {"nodename": "web02", "host": "web02"},
            "web03": {"nodename": "web03", "fqdn": "web03.example.com", "ipv4": ["10.1.0.3"]},
            # Reverse DNS calls it like another machine, which is no minion.
            "db01": {
                "nodename": "db01",
                "host": "web07",
                "fqdn": "web07.example.com",
                "ipv4": ["10.1.0.21"],
            },
            "debian": {"nodename": "debian", "host": "debian", "ipv4": ["10.1.0.9", "10.9.9.9"]},
        }
        hosts = {
            "web01": self.tenant.add_host("web01.example.com", ip=["10.1.0.1"]),
            "web02": self.tenant.add_host(
                "web02.example.com", ip=["10.1.0.2"], properties={"salt_minion": "web02"}
            ),
            "web03": self.tenant.add_host("web03.example.com", ip=["10.1.0.3"]),
            "db01": self.tenant.add_host("db01.example.com", ip=["10.1.0.21"]),
            "debian": self.tenant.add_host("shop-4.example.com", ip=["10.1.0.9"]),
        }
        grains["web01"]["dynatrace"] = {"host_id": hosts["web01"]}
        self.machines = {name: Machine(name, host) for name, host in hosts.items()}
        #: Hosts of Dynatrace that are no minion, and look like one: by name, by default name, by address.
        for name, address in (
            ("web07.example.com", "10.1.0.7"),
            ("debian", "10.2.0.9"),
            ("vip.example.com", "10.9.9.9"),
        ):
            self.machines[f"no minion, {name}"] = Machine(
                "", self.tenant.add_host(name, ip=[address])
            )
        for machine in self.machines.values():
            for kind, told in INSTANCES.items():
                machine.processes[kind] = self._process(machine, kind, dict(told))
        # The brakes are another model's; here they would only keep the remedy from being tried.
        policy = {"cooldown": 0, "max_attempts": 100, "max_minions": 10, "act_on": act_on}
        self.world = World(self.tenant, Path(self.home.name), grains, policy=policy)
        self.owner = {
            own: (machine, kind)
            for machine in self.machines.values()
            for kind, own in machine.processes.items()
        }
        self.problems: list[Problem] = []
        self.read = 0
        self.site: dict[str, Any] = {}
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.order: Any = load(
            "_modules/dynatrace_master.py", opts={"cachedir": self.home.name}
        ).order
        self.settings = self._settings()

    def _process(self, machine: Machine, kind: str, told: dict[str, Any]) -> str:
        ports, unit, pod = told.pop("ports"), told.pop("unit", None), told.pop("pod", None)
        own = self.tenant.add_process(
            machine.host,
            f"Apache Web Server {kind} {machine.minion or machine.host}",
            build=told,
            pod=pod,
            properties={"listenPorts": ports},
        )
        if unit:
            self.tenant.add_os_service(machine.host, unit.removesuffix(".service"), own)
        return own

    @staticmethod
    def _settings() -> dict[str, Any]:
        [states] = yaml.safe_load(source("salt/dynatrace/remedy/apache2.sls")).values()
        given: dict[str, Any] = {}
        for item in states["dynatrace.healed"]:
            given.update(item)
        given.pop("name")
        return {**given, "deadline": 0.01, "starts_within": 0.01}

    # -- what happens on the machines, and what Dynatrace makes of it ---------------------------------------------------

    @rule(
        which=machines,
        kind=kinds,
        is_true=st.booleans(),
        state=states,
        verdict=verdicts,
        starts_as=starts,
        has_url=st.booleans(),
        after=seconds,
    )
    def fail(
        self,
        which: int,
        kind: str,
        is_true: bool,
        state: str,
        verdict: str,
        starts_as: str,
        has_url: bool,
        after: float,
    ) -> None:
        """
        A process fails, or Dynatrace only thinks so; its site may have a proof of its own.
        """
        self.site = {"url": "http://127.0.0.1/health"} if has_url else {}
        machine = list(self.machines.values())[which]
        machine.starts_as = starts_as
        if is_true and kind == "own":
            machine.state, machine.verdict = state, verdict
        own = machine.processes[kind]
        # The tenant's own clock goes on by itself; what fails, fails by the engine's.
        start, evidence = time.time() - 30, [down(own, self.world.now - 30)]
        self.problems.append(self.tenant.open_problem(own, start=start, evidence=evidence))
        self.go_on(after)

    @precondition(lambda self: self.problems)
    @rule(
        which=machines,
        state=states,
        verdict=verdicts,
        starts_as=starts,
        masked=st.sampled_from([False, False, False, True]),
        after=seconds,
    )
    def become(
        self, which: int, state: str, verdict: str, starts_as: str, masked: bool, after: float
    ) -> None:
        """
        A service becomes otherwise while problems are open.
        """
        machine = list(self.machines.values())[which]
        machine.state, machine.verdict, machine.starts_as = state, verdict, starts_as
        machine.masked, machine.since = masked, self.world.now - 3600
        self.go_on(after)

    @precondition(lambda self: self.problems)
    @rule(which=st.integers(0, 1000), after=seconds)
    def close(self, which: int, after: float) -> None:
        """
        Dynatrace closes some of the problems, and time passes.
        """
        kept = which % len(self.problems)
        for problem in self.problems[kept:]:
            self.tenant.close_problem(problem)
        del self.problems[kept:]
        self.go_on(after)

    # -- the engine, the reactor and the minions -----------------------------------------------------------------------

    def go_on(self, after: float) -> None:
        self.world.poll(after)
        self._act()
        self.world.cycle(1)
        self._act()

    def _act(self) -> None:
        fired = self.world.events()
        for data in fired[self.read :]:
            order = self.order(data, "APACHE_HTTPD")
            if order is None or data["jid"] in self.world.cache.sent:
                continue  # A minion runs a job id once.
            self.world.take(data, order["minions"])
            for minion in order["minions"]:
                self.world.give(data["jid"], minion, self._apply(minion, order["pillar"]))
        self.read = len(fired)

    def _apply(self, minion: str, pillar: dict[str, Any]) -> dict[str, Any]:
        """
        Run the real state of the remedy on a minion; where it touches the service, it is looked whether that is right.
        """
        assert minion in self.machines, "ordered what is no minion"
        machine = self.machines[minion]
        process = pillar["dynatrace_attempt"]["processes"][minion]

        def bring_back(place: Any, how: str, until: float, manage: Any) -> dict[str, Any]:
            owner, kind = self.owner[process["entity"]]
            assert owner is machine, f"{process['entity']} is on another machine"
            assert kind == "own", f"the remedy's own instance was touched for {kind}"
            assert machine.down(), f"it serves, or nobody knows: {machine}"
            assert not machine.masked
            return machine.start(self.world.now)

        state = self._state(machine, pillar, bring_back).healed("apache2", **self.settings)
        self.outcomes[state["dynatrace"]["outcome"]] += 1
        self._check_told(machine, state)
        low = "dynatrace_|-dynatrace-remedy-apache2-dynatrace-healed_|-apache2_|-healed"
        return {
            "return": {low: {**state, "__run_num__": 0}},
            "retcode": 0 if state["result"] else 2,
            "success": bool(state["result"]),
        }

    def _check_told(self, machine: Machine, state: dict[str, Any]) -> None:
        outcome = state["dynatrace"]["outcome"]
        assert outcome in ("healed", "healthy", "failed", "refused", "unproved"), state
        if outcome in ("healthy", "refused"):
            assert not state["changes"], state
        if outcome in ("healed", "unproved"):
            assert state["changes"], state
        if outcome in ("healed", "healthy"):
            assert not machine.down() and machine.verdict == "serves", state
        assert len(state["comment"]) > 20

    def _state(self, machine: Machine, pillar: dict[str, Any], bring_back: Any) -> Any:
        home = Path(self.home.name) / machine.minion
        home.mkdir(exist_ok=True)
        opts = {"cachedir": str(home), "test": False, "id": machine.minion}
        site = {"dynatrace": {"lookup": {"apache2": self.site}}}
        ours = _PRIVATE[0]
        for module in (ours.remedy.attempts, ours.remedy.healing, ours.remedy.taking):
            module.__opts__, module.__pillar__ = opts, {**site, **pillar}
        ours.remedy.order.others = lambda *_: ""
        ours.remedy.order.late = lambda *_: None
        ours.remedy.proofs.ask = lambda service, look, seen: self._proof(machine, service)
        ours.bounded.call = lambda *_, **__: {"retcode": 0, "stdout": "Syntax OK"}
        ours.service.control.look = lambda _: machine.look()
        ours.service.control.bring_back = bring_back
        ours.service.control.words = lambda *_: None
        ours.service.processes.holders = lambda _: []
        return load("_states/dynatrace.py")

    def _proof(self, machine: Machine, service: dict[str, Any]) -> dict[str, Any]:
        """
        A page that fails is known only to a proof that asks for it; without one, any answer counts.
        """
        verdict = machine.verdict
        if verdict == "fails" and service["url"] is None:
            machine.verdict = verdict = "serves"
        return {"verdict": verdict, "said": f"the test says {verdict}"}

    @invariant()
    def count(self) -> None:
        _TOTAL["steps"] += 1

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        _TOTAL.update(self.outcomes)
        self.world.close()
        self.tenant.stop()
        self.home.cleanup()


def _unused(*_: Any, **__: Any) -> None:
    raise AssertionError("the test brings services back, and tests no configuration")


_PRIVATE: list[Any] = []
_TOTAL: collections.Counter[str] = collections.Counter()


@pytest.fixture(autouse=True)
def _loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Load what is private on the minion once; what waits between two questions does not wait here.
    """
    salt = dict.fromkeys(("cmd.run_all", "service.start", "service.restart"), _unused)
    _PRIVATE[:] = [private(opts={}, pillar={}, grains={"os_family": "Debian"}, salt=salt)]
    clock = SimpleNamespace(
        **{name: getattr(time, name) for name in ("time", "monotonic", "strftime", "gmtime")},
        sleep=lambda _: None,
    )
    monkeypatch.setattr(_PRIVATE[0].remedy.outage, "time", clock)


def test_no_sequence_touches_what_is_not_proved_to_be_down_and_meant() -> None:
    """
    Whatever is mixed, only the remedy's own instance is touched, on its own machine, while it is known to be down.
    """
    _TOTAL.clear()
    IdentityModel.TestCase.settings = settings(
        # By chance alone 25 sequences may miss an outcome.
        derandomize=not LARGE,
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    IdentityModel.TestCase("runTest").runTest()
    # A model that orders nothing, or heals nothing, shows nothing.
    assert {"healed", "healthy", "refused", "unproved", "failed"} <= set(_TOTAL), _TOTAL
    assert _TOTAL["steps"] > EXAMPLES * STEPS / 3, _TOTAL
