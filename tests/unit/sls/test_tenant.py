"""
What the SLS of the tenant are made of, whatever pillar holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.utils.data
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load, private
from tests.unit.minion.tenant import modules
from tests.unit.sls.rendering import render
from tests.unit.sls.test_reactor import HOSTILE

# Each SLS, the kind that it reads, and the state that it makes.
SLS = {
    "webhook": ("webhook", "webhook_present"),
    "workflow": ("workflow", "workflow_present"),
    "process_alerting": ("process_alerting", "process_alerting_present"),
    "os_services": ("os_services", "os_services_present"),
    "maintenance_windows": ("maintenance_windows", "maintenance_window_present"),
    "webhook_absent": ("webhook", "webhook_absent"),
    "workflow_absent": ("workflow", "workflow_absent"),
    "process_alerting_absent": ("process_alerting", "process_alerting_absent"),
    "os_services_absent": ("os_services", "os_services_absent"),
    "maintenance_windows_absent": ("maintenance_windows", "maintenance_window_absent"),
}


#: What tells an engine on a classic tenant.
NOTIFIED = {"builtin:alerting.profile", "builtin:problem.notifications"}


def rendered(
    tmp_path: Path, sls: str, tenant: Any = None, remembered: Any = (), has: Any = NOTIFIED
) -> Any:
    """
    Return what an SLS is made into; the tenant has these schemas, or raises this when it is asked.
    """

    def schemas() -> Any:
        if isinstance(has, Exception):
            raise has
        return has

    given = {"dynatrace:tenant": tenant, "dynatrace:settings_token": "t0p-s3cret"}
    package = modules(given, tmp_path)
    package.tenant.api.schemas = schemas
    record = package.tenant.record
    for number, label in enumerate(remembered):
        kind = SLS[sls][0]
        kind = kind if kind == "os_services" else kind.removesuffix("s")
        record.remember(str(number), {"kind": kind, "label": label})
    public = load("_modules/dynatrace_tenant.py")
    names = ("asked", "to_take_back", "webhook")
    salt = {f"dynatrace_tenant.{name}": getattr(public, name) for name in names}
    return render(f"salt/dynatrace/tenant/{sls}.sls", tmp_path, salt)


def states(high: Any) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, state in high.items():
        if "-chosen-" in name:
            continue
        [(function, arguments)] = state.items()
        merged: dict[str, Any] = {}
        for one in arguments:
            merged.update(one)
        found.append((function, merged))
    return found


@pytest.mark.parametrize("sls", SLS)
def test_without_pillar_nothing_is_done(tmp_path: Path, sls: str) -> None:
    """A state says so, since an SLS without any is an error to Salt."""
    [(function, _)] = states(rendered(tmp_path, sls))
    assert function == "test.succeed_without_changes"


@pytest.mark.parametrize("sls", SLS)
def test_a_wrong_pillar_is_a_failed_state(tmp_path: Path, sls: str) -> None:
    """It tells more than a rendering error."""
    [(function, arguments)] = states(rendered(tmp_path, sls, {"webhok": {}}))
    assert function == "test.fail_without_changes"
    assert "`webhok` is no key of it, `webhook` is" in arguments["comment"]


@pytest.mark.parametrize("sls", SLS)
def test_without_our_modules_the_minion_says_what_to_run(tmp_path: Path, sls: str) -> None:
    """A new minion has not synced yet."""
    [(function, arguments)] = states(render(f"salt/dynatrace/tenant/{sls}.sls", tmp_path, {}))
    assert function == "test.fail_without_changes"
    assert "saltutil.sync_all" in arguments["comment"]


@pytest.mark.parametrize("sls", SLS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_pillar_changes_nothing_but_that_text(
    tmp_path: Path, sls: str, text: str
) -> None:
    """Keys, names and values are quoted, each in its one place."""
    kind, state = SLS[sls]
    # YAML takes no longer key.
    entry = {"url": text, "tags": [text, {text[:1000]: [text]}], "profile": text}
    single = kind in ("webhook", "workflow")
    given = {"name": text, **entry} if single else {text: entry}
    [(function, arguments)] = states(rendered(tmp_path, sls, {kind: given}))
    assert function == f"dynatrace_tenant.{state}"
    assert arguments["name"] == (text or "Salt" if single else text)
    if state.endswith("present"):
        assert arguments == {**entry, "name": arguments["name"]}
    assert set(arguments) <= {*entry, "name"}


@pytest.mark.parametrize("kind", ["process_alerting", "os_services"])
def test_what_pillar_names_no_more_is_taken_back_too(tmp_path: Path, kind: str) -> None:
    """Whoever removes an entry and applies the absent one gets rid of what it did."""
    given = {kind: {"apache": {"technology": "APACHE_HTTPD"}}}
    high = rendered(tmp_path, f"{kind}_absent", given, ["apache", "nginx"])
    assert [arguments["name"] for _, arguments in states(high)] == ["apache", "nginx"]


@pytest.mark.parametrize("sls", ["init", "absent"])
def test_the_whole_only_includes(tmp_path: Path, sls: str) -> None:
    """Each of the five can be applied alone, and each has its twin."""
    high = render(f"salt/dynatrace/tenant/{sls}.sls", tmp_path, {})
    assert list(high) == ["include"]
    suffix = "_absent" if sls == "absent" else ""
    assert {one.lstrip(".") for one in high["include"]} == {
        f"{kind}{suffix}"
        for kind in (
            *("webhook", "workflow", "process_alerting", "os_services"),
            "maintenance_windows",
        )
    }


# -- a notification or a workflow


def chosen(high: Any) -> str:
    [text] = [
        one["test.succeed_without_changes"][0]["comment"]
        for name, one in high.items()
        if "-chosen-" in name
    ]
    assert isinstance(text, str)
    return text


HOOK = {
    "url": "https://master.example.com/",
    "tags": ["owner:web"],
    "severities": {"ERRORS": 0, "PERFORMANCE": 30},
    "merges": False,
    "profile": "Salt",
}


def test_a_tenant_with_notifications_gets_one(tmp_path: Path) -> None:
    """With all that it was given, and the reason."""
    high = rendered(tmp_path, "webhook", {"webhook": HOOK})
    assert states(high) == [("dynatrace_tenant.webhook_present", {**HOOK, "name": "Salt"})]
    assert chosen(high).startswith("By a notification: the tenant has builtin:alerting.profile")


def test_a_tenant_without_notifications_gets_a_workflow(tmp_path: Path) -> None:
    """With what a workflow has of it, and the comment says what it has not."""
    high = rendered(tmp_path, "webhook", {"webhook": HOOK}, has={"builtin:alerting.profile"})
    kept = {key: HOOK[key] for key in ("url", "tags")}
    wanted = {**kept, "severities": ["ERRORS", "PERFORMANCE"], "name": "Salt"}
    assert states(high) == [("dynatrace_tenant.workflow_present", wanted)]
    assert chosen(high) == (
        "By a workflow: the tenant has no builtin:problem.notifications. A workflow knows no "
        "`merges`, `profile`, delays of `severities`."
    )
    [(function, arguments)] = states(
        rendered(tmp_path, "webhook_absent", {"webhook": HOOK}, has=set())
    )
    assert (function, arguments) == ("dynatrace_tenant.workflow_absent", {"name": "Salt"})


@pytest.mark.parametrize("sls", ["webhook", "webhook_absent"])
def test_a_tenant_that_does_not_answer_is_a_failed_state(tmp_path: Path, sls: str) -> None:
    """Which of both it is, is asked and not assumed; without an entry nobody is asked."""
    refused = CommandExecutionError("GET /schemas answered 500")
    high = rendered(tmp_path, sls, {"webhook": HOOK}, has=refused)
    assert states(high) == [("test.fail_without_changes", {"comment": "GET /schemas answered 500"})]
    [(function, _)] = states(rendered(tmp_path, sls, has=refused))
    assert function == "test.succeed_without_changes"


# -- the planned change


def orchestration(tmp_path: Path, given: Any, grains: Any) -> Any:
    salt: dict[str, Any] = {"saltutil.runner": lambda *_, **__: grains}
    private(salt=salt)
    pillar = {"dynatrace": {"planned_change": given}}
    public = load("_modules/dynatrace_tenant.py")
    salt["dynatrace_tenant.planned_change"] = public.planned_change
    salt["pillar.get"] = lambda key, default: salt_pillar(pillar, key, default)
    return render("salt/dynatrace/orch/planned_change.sls", tmp_path, salt)


def salt_pillar(pillar: Any, key: str, default: Any) -> Any:
    return salt.utils.data.traverse_dict_and_list(pillar, key, default)


GRAINS = {
    "web01": {"dynatrace": {"host_id": "HOST-0000000000000001"}},
    "web02": {"dynatrace": {"host_id": "HOST-0000000000000002"}},
    "new": {},
}


def test_a_change_is_announced_made_and_ended(tmp_path: Path) -> None:
    """In this order; the change requires the announcement, and the end requires nothing."""
    given = {"targets": ["web01", "web02"], "minutes": 7}
    announced, change, ended = states(orchestration(tmp_path, given, GRAINS))
    hosts = ["HOST-0000000000000001", "HOST-0000000000000002"]
    assert announced[0] == "dynatrace_tenant.planned_change_present"
    assert (announced[1]["hosts"], announced[1]["minutes"]) == (hosts, 7)
    assert (change[0], change[1]["highstate"]) == ("salt.state", True)
    assert (change[1]["tgt"], change[1]["tgt_type"]) == (["web01", "web02"], "list")
    assert change[1]["require"] == [{"id": "dynatrace-orch-planned-change-announced"}]
    assert ended == ("dynatrace_tenant.planned_change_absent", {"name": announced[1]["name"]})


def test_another_minion_may_tell_dynatrace(tmp_path: Path) -> None:
    """It gets what it needs as pillar, and no token."""
    given = {"targets": ["web01"], "via": "web02", "sls": "patches"}
    announced, change, ended = states(orchestration(tmp_path, given, GRAINS))
    assert (announced[1]["tgt"], ended[1]["tgt"]) == (["web02"], ["web02"])
    assert announced[1]["sls"] == ["dynatrace.tenant.planned_change"]
    told = announced[1]["pillar"]["dynatrace"]["change"]
    assert told["hosts"] == ["HOST-0000000000000001"]
    assert ended[1]["pillar"]["dynatrace"]["change"]["name"] == told["name"]
    assert change[1]["sls"] == ["patches"]
    assert "highstate" not in change[1]


def test_two_runs_have_two_windows(tmp_path: Path) -> None:
    """The end of one never ends the other."""
    given = {"targets": ["web01"]}
    names = {states(orchestration(tmp_path, given, GRAINS))[0][1]["name"] for _ in range(2)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "it is no mapping"),
        ({}, "`targets` is a list of minion ids"),
        ({"targets": "web01"}, "`targets` is a list of minion ids"),
        ({"targets": ["*"]}, "not patterns"),
        ({"targets": ["web01"], "minute": 7}, "`minute` is no key of it"),
        ({"targets": ["web01"], "minutes": "7"}, "`minutes` is a whole number"),
        ({"targets": ["web01"], "via": "web*"}, "`via` is the id of a minion"),
        ({"targets": ["web01"], "sls": {}}, None),
        ({"targets": ["web01"], "sls": 7}, "`sls` is the name of a state"),
        ({"targets": ["web01", "new"]}, "no grain dynatrace:host_id of new"),
        ({"targets": ["gone"]}, "no grain dynatrace:host_id of gone"),
        ({"targets": [f"web{n}" for n in range(201)]}, "`targets` are more than 200"),
    ],
)
def test_a_change_that_cannot_be_announced_is_not_made(
    tmp_path: Path, given: Any, message: str | None
) -> None:
    """No window, no restart."""
    found = states(orchestration(tmp_path, given, GRAINS))
    if message is None:
        assert len(found) == 3
        return
    [(function, arguments)] = found
    assert function == "test.fail_without_changes"
    assert message in arguments["comment"]
