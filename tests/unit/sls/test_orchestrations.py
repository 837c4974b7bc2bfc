"""
What the orchestrations are made of, whatever the pillar holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.utils.data

from tests.unit.sls.rendering import REPO, render
from tests.unit.sls.test_reactor import HOSTILE

REMEDIED = "dynatrace-orch-heal-dynatrace-orch-remedied"
PROBLEM = "dynatrace-orch-heal-dynatrace-orch-problem-healed"
ASKED = "dynatrace-orch-chaos-dynatrace-orch-may-be-broken"
BROKEN = "dynatrace-orch-chaos-dynatrace-orch-outage-healed"
UNITS = [{"units": ["nginx"], "remedy": "nginx", "name": "nginx"}]
#: Also what no text is: JSON on the command line may hold anything.
VALUES = [*HOSTILE, ["web01", "web02"], {"a": ["b"]}, 7, True, 1.5]


def orchestration(tmp_path: Path, name: str, pillar: dict[str, Any]) -> Any:
    def pillar_get(key: str, default: Any = None) -> Any:
        return salt.utils.data.traverse_dict_and_list(pillar, key, default)

    path = f"salt/dynatrace/orch/{name}.sls"
    asked = {"os_services": {"problem": None, "entries": UNITS}}
    functions = {"pillar.get": pillar_get, "dynatrace_tenant.asked": asked.__getitem__}
    high = render(path, tmp_path, functions, sls=f"dynatrace.orch.{name}", tmplpath=path)
    return {
        state: {function: merged(arguments) for function, arguments in body.items()}
        for state, body in high.items()
        if state != "include"
    }


def merged(arguments: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for argument in arguments for key, value in argument.items()}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_hostile_value_is_handed_to_the_check_and_changes_nothing_else(
    tmp_path: Path, value: Any
) -> None:
    """One state, with the value in its one place, exactly; the state then refuses it."""
    high = orchestration(tmp_path, "heal", {"minion": value, "service": value})
    expected = {"minion": value, "service": value}
    assert high == {REMEDIED: {"dynatrace_orch.remedied": expected}}

    high = orchestration(
        tmp_path, "heal", {"display_id": value, "timeout": value, "instance": value}
    )
    expected = {"display_id": value, "timeout": value, "instance": value}
    assert high == {PROBLEM: {"dynatrace_orch.problem_healed": expected}}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_chaos_asks_the_engine_first_whatever_it_is_told(tmp_path: Path, value: Any) -> None:
    """Breaking requires asking, and both are about the same minion and service."""
    given = {"minion": value, "service": value, "instance": value}
    more = {"how": value, "timeout": value}
    pillar = {**given, **more, "dynatrace": {"chaos": {"allow": value}}}
    high = orchestration(tmp_path, "chaos", pillar)
    assert high == {
        ASKED: {"dynatrace_orch.may_be_broken": {**given, "allow": value}},
        BROKEN: {
            "dynatrace_orch.outage_healed": {
                **given,
                **more,
                "require": [{"dynatrace_orch": ASKED}],
            }
        },
    }


def test_chaos_allows_no_minion_unless_told(tmp_path: Path) -> None:
    """Without a list everything counts as production."""
    high = orchestration(tmp_path, "chaos", {"minion": "web01", "service": "apache2"})
    assert high[ASKED]["dynatrace_orch.may_be_broken"]["allow"] == []


@pytest.mark.parametrize(
    "pillar", [{}, {"minion": "web01", "display_id": "P-1"}, {"service": "a", "display_id": "P-1"}]
)
def test_heal_wants_one_of_two_forms(tmp_path: Path, pillar: dict[str, Any]) -> None:
    """Neither form, or both at once, fails with a sentence that shows them."""
    [body] = orchestration(tmp_path, "heal", pillar).values()
    assert "P-2407114" in body["dynatrace_orch.refused"]["comment"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["setup", "teardown"])
def test_a_hostile_list_is_checked_before_any_minion_is_asked(
    tmp_path: Path, name: str, value: Any
) -> None:
    """Each step that acts requires the one that checks, directly or through another."""
    given = {"minions": value, "via": value, "timeout": value, "wait": value}
    high = orchestration(tmp_path, name, given)
    check = f"dynatrace-orch-{name}-dynatrace-setup-targets-known"
    assert next(iter(high)) == check
    assert high[check] == {"dynatrace_setup.targets_known": {"minions": value, "via": value}}
    safe = {check}
    for step, body in high.items():
        [(function, given)] = body.items()
        required = {one for pair in given.get("require", []) for one in pair.values()}
        if function == "dynatrace_setup.applied":
            assert given["minions"] in (value, [value])
        assert step in safe or required & safe or step.endswith("notification-heard")
        if function == "dynatrace_setup.groups_awaited":
            assert (given["via"], given["wait"]) == (value, value)
        safe.add(step)


@pytest.mark.parametrize("name", ["setup", "teardown"])
def test_the_minion_that_asks_the_tenant_gets_the_units_of_the_catalogue(
    tmp_path: Path, name: str
) -> None:
    """The catalogue is the master's; the OneAgents' minions get nothing of it."""
    high = orchestration(tmp_path, name, {"minions": ["web01"], "via": "salt01"})
    given = {
        step["sls"]: step.get("pillar")
        for body in high.values()
        for function, step in body.items()
        if function == "dynatrace_setup.applied"
    }
    whole = "dynatrace.tenant" if name == "setup" else "dynatrace.tenant.absent"
    assert given.pop(whole) == {"dynatrace_os_services": UNITS}
    assert set(given.values()) == {None}


@pytest.mark.parametrize("name", ["setup", "teardown"])
def test_without_a_minion_for_it_the_master_asks_the_tenant(tmp_path: Path, name: str) -> None:
    """The states of the tenant are included, and wait for the check; alerting for the groups, too."""
    high = orchestration(tmp_path, name, {"minions": ["web01"]})
    waiting = [
        one["sls"]
        for body in high.values()
        for given in body.values()
        for one in given.get("require_in", [])
    ]
    whole = "init" if name == "setup" else "absent"
    included = render(f"salt/dynatrace/tenant/{whole}.sls", tmp_path, {})["include"]
    assert set(waiting) == {f"dynatrace.tenant{one}" for one in included}
    twice = [sls for sls in set(waiting) if waiting.count(sls) > 1]
    assert twice == (["dynatrace.tenant.process_alerting"] if name == "setup" else [])
    for sls in waiting:
        assert (REPO / "salt" / (sls.replace(".", "/") + ".sls")).is_file()
