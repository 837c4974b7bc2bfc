"""
The steps of the setup that look whether it took.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.unit.minion.loading import load
from tests.unit.sls.test_reactor import HOSTILE

HOST = "HOST-5FD609AD6757BE7D"
OTHER = "HOST-0000000000000001"


class Master:
    """
    A master that knows three minions; `hosts` is what the tenant knows, `ran` what minions were asked.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[list[str], str]] = []
        self.grains: dict[str, Any] = {"web01": HOST, "web02": OTHER}
        self.hosts: Any = [HOST, OTHER]
        self.brought: dict[str, Any] = {}
        self.returns: dict[str, Any] = {}
        self.states_of: dict[str, list[str]] = {}
        self.heard: dict[str, Any] = {}
        self.asked: list[list[str]] = []
        self.groups: Any = {}
        self.looks: list[float] = []
        self.pillar: Any = None
        self.states: ModuleType = load(
            "_states/dynatrace_setup.py",
            opts={"test": False},
            salt={
                "saltutil.cmd": self._cmd,
                "dynatrace_tenant.known_hosts": self._known_hosts,
                "dynatrace_tenant.without_groups": self._without_groups,
            },
        )
        module = self.states

        class Keys:
            def list_status(self, _: str) -> dict[str, list[str]]:
                return {"minions": ["web01", "web02", "salt01"]}

        monkeypatch.setattr(module.steps.salt.key, "get_key", lambda _: Keys())
        monkeypatch.setattr(
            module.salt.utils.minions,
            "get_minion_data",
            lambda minion, _: (minion, {"dynatrace": {"host_id": self.grains.get(minion)}}, {}),
        )
        runners = {"dynatrace_listener.test": lambda timeout: self.heard}
        monkeypatch.setattr(module.steps.salt.loader, "runner", lambda *_, **__: runners)
        monkeypatch.setattr(module, "LOOK_S", 0.01)

    def _known_hosts(self, hosts: list[str]) -> Any:
        self.asked.append(hosts)
        return self.hosts

    def _without_groups(self) -> Any:
        self.looks.append(self.states.time.monotonic())
        return self.groups() if callable(self.groups) else self.groups

    def _cmd(self, tgt: list[str], fun: str, arg: Any, kwarg: Any, tgt_type: str) -> Any:
        assert tgt_type == "list"
        self.ran.append((tgt, fun))
        if fun == "state.apply":
            assert kwarg.pop("pillar", None) == self.pillar
            assert kwarg == {"queue": 100, "test": self.states.__opts__["test"]}
            return {name: {"ret": self.returns[name]} for name in tgt if name in self.returns}
        if fun == "saltutil.list_extmods":
            return {name: {"ret": {"states": self.states_of[name]}} for name in tgt}
        if fun == "saltutil.sync_all":
            return {name: {"ret": self.brought.get(name, {"grains": []})} for name in tgt}
        if fun == "dynatrace_tenant.known_hosts":
            return {"salt01": {"ret": self._known_hosts(*arg)}}
        if fun == "dynatrace_tenant.without_groups":
            return {"salt01": {"ret": self._without_groups()}}
        return {}

    def step(self, name: str, **given: Any) -> tuple[Any, str, dict[str, Any]]:
        told = getattr(self.states, name)("x", **given)
        return told["result"], told["comment"], told["changes"]


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> Master:
    return Master(monkeypatch)


STEPS = ("targets_known", "synced", "applied", "hosts_known")
WRONG = [*HOSTILE, None, [], {}, [None], [["web01"]], ["*"], ["web01", "nobody"], ["web01,web02"]]


@pytest.mark.parametrize("minions", WRONG, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("step", STEPS)
def test_only_a_list_of_accepted_ids_names_minions(master: Master, step: str, minions: Any) -> None:
    """Everything else is refused with a sentence, and nobody is asked for anything."""
    more = {"sls": "dynatrace.oneagent"} if step == "applied" else {}
    result, comment, changes = master.step(step, minions=minions, **more)
    assert (result, changes, master.ran) == (False, {}, [])
    assert comment


@pytest.mark.parametrize("via", [*HOSTILE, [], {}, ["salt01"], "*"], ids=lambda v: repr(v)[:20])
@pytest.mark.parametrize("step", ["targets_known", "synced", "hosts_known"])
def test_only_an_accepted_id_names_who_asks_the_tenant(master: Master, step: str, via: Any) -> None:
    """The same for it."""
    result, _, changes = master.step(step, minions=["web01"], via=via)
    assert (result, changes, master.ran) == (False, {}, [])


def test_the_minions_that_are_meant_are_named(master: Master) -> None:
    """Each once, with the one that asks the tenant."""
    told = master.step("targets_known", minions=["web01", "web01"], via="salt01")
    assert told == (True, "Accepted here: web01, salt01.", {})


def test_what_is_synced_is_a_change_only_where_something_was_missing(master: Master) -> None:
    """The second time nothing is."""
    master.brought = {"web01": {"modules": ["modules.dynatrace"], "states": []}}
    changes = master.step("synced", minions=["web01", "web02"])[2]
    assert changes == {"web01": {"modules": ["modules.dynatrace"]}}
    master.brought = {}
    result, _, changes = master.step("synced", minions=["web01", "web02"])
    assert (result, changes) == (True, {})


def test_a_minion_that_does_not_answer_is_a_failure(master: Master) -> None:
    """It is named."""
    master.brought = {"web02": None}
    assert "web02" in master.step("synced", minions=["web01", "web02"])[1]
    assert master.step("synced", minions=["web01", "web02"])[0] is False


def ran(result: Any, number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "result": result,
        "comment": f"step {number}.",
        "changes": changes,
        "__run_num__": number,
    }


def test_what_is_applied_is_told_in_short(master: Master) -> None:
    """Comments in their order, changes by minion, the worst result."""
    master.returns = {
        "web01": {"b": ran(True, 2, x=1), "a": ran(True, 1)},
        "web02": {"a": ran(True)},
    }
    told = master.step("applied", minions=["web01", "web02"], sls="dynatrace.oneagent")
    assert told == (True, "web01: step 1. step 2.\nweb02: step 0.", {"web01": {"x": 1}})
    master.returns["web02"] = {"a": ran(False)}
    assert master.step("applied", minions=["web01", "web02"], sls="dynatrace.oneagent")[0] is False


def test_what_is_applied_gets_the_pillar_that_goes_along(master: Master) -> None:
    """As inline pillar; without one none is given."""
    master.returns = {"web01": {"a": ran(True)}}
    master.pillar = {"dynatrace_os_services": {}}
    told = master.step("applied", minions=["web01"], sls="dynatrace.tenant", pillar=master.pillar)
    assert told[0] is True
    master.pillar = None
    assert master.step("applied", minions=["web01"], sls="dynatrace.tenant")[0] is True


@pytest.mark.parametrize("answer", [None, {}, "no such state", ["Rendering failed"]])
def test_states_that_did_not_run_are_a_failure(master: Master, answer: Any) -> None:
    """A minion that does not answer is one of them."""
    master.returns = {"web01": {"a": ran(True)}, **({"web02": answer} if answer else {})}
    result, comment, changes = master.step("applied", minions=["web01", "web02"], sls="a.b")
    assert (result, changes) == (False, {})
    assert "web02: " in comment


def test_a_minion_without_modules_cannot_tell_what_it_would_change(master: Master) -> None:
    """With test=True that is no failure; the others are asked."""
    master.states.__opts__["test"] = True  # type: ignore[attr-defined]
    master.states_of = {"web01": ["dynatrace_oneagent"], "web02": []}
    master.returns = {"web01": {"a": ran(True)}}
    told = master.step("applied", minions=["web01", "web02"], sls="dynatrace.oneagent")
    assert (told[0], told[2]) == (None, {})
    assert master.ran[-1] == (["web01"], "state.apply")


@pytest.mark.parametrize("via", [None, "salt01"])
def test_hosts_are_known_when_grain_and_tenant_say_so(master: Master, via: str | None) -> None:
    """The tenant is asked by the master, or by the minion that may."""
    result, comment, _ = master.step("hosts_known", minions=["web01", "web02"], via=via)
    assert result is True
    assert f"web01 is {HOST}" in comment
    assert master.asked == [[OTHER, HOST]]
    assert bool(master.ran) is (via is not None)


@pytest.mark.parametrize("host", [None, "", "HOST-1", 'HOST-5FD609AD6757BE7D"),type("X', 7])
def test_a_minion_without_a_host_id_is_named(master: Master, host: Any) -> None:
    """Its grains are asked for anew; what is no host id never gets into a question to the tenant."""
    master.grains["web02"] = host
    result, comment, _ = master.step("hosts_known", minions=["web01", "web02"], timeout=0.05)
    assert result is False
    assert "host_id of web02:" in comment
    assert (["web02"], "saltutil.refresh_grains") in master.ran
    assert master.asked == []


@pytest.mark.parametrize("test", [False, True])
def test_two_minions_that_say_they_are_one_host_are_refused(master: Master, test: bool) -> None:
    """One of them is a clone, and the engine could not tell which; one that is named twice is one."""
    master.states.__opts__["test"] = test  # type: ignore[attr-defined]
    assert master.step("hosts_known", minions=["web01", "web02", "web01"])[0] is True
    master.grains["web02"] = HOST
    result, comment, _ = master.step("hosts_known", minions=["web01", "web02"])
    assert result is False
    assert comment.startswith(f"web01 and web02 say that they are one host, {HOST}, so the")
    assert len(master.asked) == 1


def test_a_host_that_the_tenant_does_not_know_in_time_is_named(master: Master) -> None:
    """Another one is no substitute."""
    master.hosts = [HOST]
    result, comment, _ = master.step("hosts_known", minions=["web01", "web02"], timeout=0.05)
    assert (result, "hosts of web02 yet" in comment) == (False, True)
    assert len(master.asked) > 1


def test_a_tenant_that_cannot_be_asked_is_not_waited_for(master: Master) -> None:
    """What the minion said is told."""
    master.hosts = "ERROR: the token may not read entities"
    told = master.step("hosts_known", minions=["web01"], via="salt01", timeout=600)
    assert (told[0], "may not read entities" in told[1]) == (False, True)
    assert len(master.asked) == 1


def test_with_test_true_nobody_is_changed_or_waited_for(master: Master) -> None:
    """What cannot be known yet is no failure."""
    master.states.__opts__["test"] = True  # type: ignore[attr-defined]
    master.grains = {}
    assert master.step("synced", minions=["web01"])[0] is None
    assert master.step("hosts_known", minions=["web01"], timeout=600)[0] is None
    assert master.step("notification_heard")[0] is None
    assert master.ran == []


class Clock:
    """
    A clock that goes on when somebody sleeps, and by nothing else.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(master: Master, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """
    Time that costs none.
    """
    clock = Clock()
    for module in (master.states, master.states.steps):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(master.states, "LOOK_S", 1)
    return clock


MISSING = {"apache": 'type("PROCESS_GROUP"),softwareTechnologies("APACHE_HTTPD")'}


@pytest.mark.parametrize("via", [None, "salt01"])
def test_process_groups_are_waited_for_until_they_are_there(
    master: Master, clock: Clock, via: str | None
) -> None:
    """Soon at first, then gently: one question in 15 s and not one a second."""
    master.groups = lambda: MISSING if clock.now < 240 else {}
    result, comment, changes = master.step("groups_awaited", via=via)
    assert (result, changes) == (True, {})
    assert comment == "Each entry of process_alerting matches a process group."
    assert master.looks[:6] == [0, 1, 3, 7, 15, 30]
    assert {b - a for a, b in zip(master.looks[5:], master.looks[6:], strict=False)} == {15}
    assert master.looks[-1] < 240 + 15


def test_who_waits_is_told_once_a_minute(
    master: Master, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """For what, and how long at most; a level that salt-run shows."""
    master.groups = MISSING
    master.step("groups_awaited", wait=200)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [text for _, text in said] == [
        f"dynatrace: no process group matches apache yet; waiting for {left} s more at most"
        for left in (200, 140, 80, 20)
    ]
    assert {level for level, _ in said} == {"WARNING"}


@pytest.mark.parametrize(
    ("wait", "waited"), [(600, 600), (0, 0), (-5, 0), (0.5, 0.5), (10**9, 1800)]
)
def test_the_waiting_has_an_end_and_is_then_no_failure(
    master: Master, clock: Clock, wait: float, waited: float
) -> None:
    """The state that needs the groups fails with what to do; 0 looks once."""
    master.groups = MISSING
    result, comment, changes = master.step("groups_awaited", wait=wait)
    assert (result, changes) == (True, {})
    assert comment.startswith(f"These match no process group, after {waited:g} s: apache (type(")
    assert clock.now == waited
    assert waited > 0 or len(master.looks) == 1


def test_with_test_true_it_is_told_what_would_be_waited_for(master: Master, clock: Clock) -> None:
    """By a minion without modules when it has them."""
    master.states.__opts__["test"] = True  # type: ignore[attr-defined]
    master.groups = MISSING
    result, comment, _ = master.step("groups_awaited")
    assert (result, clock.now) == (None, 0)
    assert "would be waited for: apache (type(" in comment
    master.states_of = {"salt01": []}
    result, comment, _ = master.step("groups_awaited", via="salt01")
    assert (result, len(master.looks)) == (None, 1)
    assert comment == "What salt01 would wait for is told once its modules are synced."


@pytest.mark.parametrize("answer", [None, "ERROR: the token may not read entities", False])
def test_a_minion_that_cannot_ask_for_groups_is_a_failure(
    master: Master, clock: Clock, answer: Any
) -> None:
    """What it said is told, and it is not asked again."""
    master.groups = answer
    result, comment, _ = master.step("groups_awaited", via="salt01")
    assert (result, len(master.looks), clock.now) == (False, 1, 0)
    assert f"salt01 cannot ask the tenant: {answer or 'it does not answer'}" in comment


@pytest.mark.parametrize("value", [*HOSTILE, None, [], {}, True], ids=lambda v: repr(v)[:20])
def test_what_is_no_number_of_seconds_waits_for_nothing(master: Master, value: Any) -> None:
    """Nor does a name that is no minion's."""
    result, comment, _ = master.step("groups_awaited", wait=value)
    assert (result, comment, master.looks) == (False, "`wait` is a number of seconds", [])
    if value is not None:
        assert master.step("groups_awaited", via=value)[0] is False
    assert (master.ran, master.looks) == ([], [])


@pytest.mark.parametrize(
    ("heard", "result", "said"),
    [
        ({}, True, "they poll"),
        (
            {"dt": {"url": "http://x/", "seconds": 0.1}},
            True,
            "dt heard the test, sent by this master and not by the tenant",
        ),
        ({"dt": {"url": "http://x/", "error": "refused"}, "retcode": 1}, False, "refused"),
    ],
)
def test_a_notification_is_heard_by_each_listener(
    master: Master, heard: dict[str, Any], result: bool, said: str
) -> None:
    """It is said who sent it."""
    master.heard = heard
    told = master.step("notification_heard")
    assert told[0] is result
    assert said in told[1]
