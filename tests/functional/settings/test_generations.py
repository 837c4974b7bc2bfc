"""
What ``dynatrace.tenant`` sets in tenants of each generation: it asks which schemas there are, and says so.
"""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from _dynatrace.webhook.payload import parse

from tests.functional.settings.conftest import (
    NOTIFICATION,
    PROFILE,
    URL,
    WEBHOOK_TOKEN,
    WINDOW,
    Site,
)
from tests.functional.settings.test_life import PATCHES
from tests.functional.settings.test_workflow import everything, log_in
from tests.tenant.newer_schemas import NEWER_WINDOW
from tests.unit.tenant.conftest import Receiver

#: What a new tenant lacks, by name; that it has none of each is documented.
CLASSIC = frozenset({NOTIFICATION, PROFILE, WINDOW})
DAILY = {
    **{key: PATCHES[key] for key in ("start", "end", "first_day", "last_day")},
    "recurrence": "daily",
    "entities": ["HOST-00000000000000A1"],
}
FIRST = 'matchesValue(dt.entity.host, "HOST-00000000000000A1")'
WEB = 'matchesValue(entity_tags, "owner:web")'
SAID = r'matchesValue(entity_tags, "say \"x\"")'
HOSTS = ["HOST-00000000000000A1", "HOST-00000000000000A2"]


@pytest.fixture
def newer(site: Site) -> Site:
    """
    A minion with an OAuth client for a tenant that has no classic alerting.
    """
    site.tenant.switches.lacks_schemas = CLASSIC
    log_in(site)
    return site


def applied(site: Site, sls: str, test: bool = False) -> list[dict[str, Any]]:
    states = site.compiled(sls, test)
    assert all(state["result"] is not False for state in states), states
    return states


def test_a_new_tenant_is_set_up_by_a_workflow_and_new_windows(newer: Site) -> None:
    """By the pillar that a classic tenant has, and taken back by the same."""
    site = newer
    empty = everything(site)
    site.pillar({"webhook": {"url": URL}, "maintenance_windows": {"Patches": DAILY}})
    states = applied(site, "dynatrace.tenant", test=True)
    assert everything(site) == empty
    comments = " ".join(state["comment"] for state in states)
    assert "By a workflow: the tenant has no builtin:alerting.profile" in comments
    assert f"The tenant has {NEWER_WINDOW} and has no {WINDOW}." in comments
    applied(site, "dynatrace.tenant")
    [workflow] = site.tenant.workflows.values()
    assert workflow["title"] == "Salt"
    assert [one.schema_id for one in site.tenant.settings_objects(NEWER_WINDOW)] == [NEWER_WINDOW]
    assert [state["changes"] for state in applied(site, "dynatrace.tenant")] == [{}] * len(states)
    applied(site, "dynatrace.tenant.absent")
    assert everything(site) == empty


def test_a_tenant_that_has_both_keeps_what_it_has(site: Site) -> None:
    """Hybrid ones: nothing that works is replaced."""
    log_in(site)
    site.pillar({"webhook": {"url": URL}, "maintenance_windows": {"Patches": DAILY}})
    states = applied(site, "dynatrace.tenant")
    comments = " ".join(state["comment"] for state in states)
    assert "By a notification: the tenant has builtin:alerting.profile" in comments
    assert f"The maintenance window Patches is set. The tenant has {WINDOW}." in comments
    assert site.tenant.workflows == {}
    assert site.tenant.settings_objects(NEWER_WINDOW) == []


def test_a_tenant_that_is_upgraded_gets_what_replaces_the_old(site: Site) -> None:
    """The notification is gone with its schema, and the next run makes a workflow."""
    log_in(site)
    site.pillar({"webhook": {"url": URL}})
    applied(site, "dynatrace.tenant.webhook")
    site.tenant.switches.lacks_schemas = CLASSIC
    applied(site, "dynatrace.tenant.webhook")
    assert [one["title"] for one in site.tenant.workflows.values()] == ["Salt"]
    applied(site, "dynatrace.tenant.absent")
    assert site.tenant.workflows == {}


def test_a_workflow_may_be_wanted_where_there_are_notifications(site: Site) -> None:
    """By a key of its own."""
    log_in(site)
    site.pillar({"workflow": {"url": URL, "name": "Early"}})
    applied(site, "dynatrace.tenant.workflow")
    assert [one["title"] for one in site.tenant.workflows.values()] == ["Early"]
    site.pillar({})
    applied(site, "dynatrace.tenant.workflow_absent")
    assert site.tenant.workflows == {}


@pytest.mark.parametrize("phase", [2, 3])
def test_the_workflow_tells_the_listener_with_its_secret(site: Site, phase: int) -> None:
    """What the state has made runs: the record names host and process, and the closing comes too."""
    tenant = site.tenant
    tenant.switches.phase = phase
    log_in(site)
    receiver = Receiver()
    try:
        site.pillar({"webhook": {"url": receiver.url}})
        applied(site, "dynatrace.tenant.webhook")
        host = tenant.add_host(name="web01.example.com")
        process = tenant.add_process(host)
        problem = tenant.open_problem(process)
        tenant.wait_for("workflow succeeded")
        tenant.close_problem(problem)
        tenant.wait_for("workflow succeeded", count=2)
        tenant.reopen_problem(problem)
        tenant.wait_for("workflow succeeded", count=3)
    finally:
        receiver.stop()
    opened, closed, again = (parse(raw) for _, raw in receiver.taken)
    assert {headers["authorization"] for headers, _ in receiver.taken} == {
        f"Bearer {WEBHOOK_TOKEN}"
    }
    assert (opened.state, closed.state) == ("OPEN", "RESOLVED")
    ids = {one.problem_id for one in (opened, closed, again)}
    assert ids == {problem.problem_id}
    assert opened.problem is not None
    assert again.problem is not None
    assert opened.problem.reopened is None
    assert again.problem.reopened is not None
    assert (opened.problem.hosts, opened.problem.processes) == ((host,), (process,))
    assert opened.problem.host_names == ("web01.example.com",)


# -- new windows


def window(site: Site, name: str = "Patches", **options: Any) -> dict[str, Any]:
    return site.run("maintenance_window_present", name, **{**DAILY, **options})


def value(site: Site) -> Any:
    return site.tenant.settings_objects(NEWER_WINDOW)[-1].value


@pytest.mark.parametrize(
    ("options", "schedule", "matches"),
    [
        (
            {},
            {"time": "02:00:00", "earliestStart": "2026-11-29", "until": "2027-11-28"},
            FIRST,
        ),
        (
            {
                "recurrence": "weekly",
                "day": "SUNDAY",
                "rule": "r1",
                "entities": [],
                "tags": ["a:b"],
            },
            {
                "time": "02:00:00",
                "earliestStart": "2026-11-29",
                "until": "2027-11-28",
                "rule": "r1",
            },
            'matchesValue(entity_tags, "a:b")',
        ),
        (
            {"tags": ["owner:web", 'say "x"'], "entity_type": "HOST"},
            None,
            f'{FIRST} or (matchesValue(dt.source_entity.type, "host") and {WEB} and {SAID})',
        ),
        ({"entities": [], "whole_environment": True}, None, "true"),
    ],
)
def test_a_window_says_when_it_opens_and_what_it_covers(
    newer: Site, options: Any, schedule: Any, matches: str
) -> None:
    """Two hours from two to four, of each day or by a rule."""
    state = window(newer, **options)
    assert state["result"] is True, state["comment"]
    found = value(newer)
    assert found["filter"] == matches
    assert (found["schedule"]["duration"], found["schedule"]["timezone"]) == (120, "UTC")
    if schedule:
        assert found["schedule"]["trigger"] == {"type": "time", "recurring": schedule}
    assert window(newer, **options)["changes"] == {}


@pytest.mark.parametrize(("end", "minutes"), [("02:00", 1440), ("01:30", 1410), ("02:00:30", 1)])
def test_a_window_may_end_on_the_next_day(newer: Site, end: str, minutes: int) -> None:
    """It has a length and no end; a begun minute counts."""
    assert window(newer, end=end)["result"] is True
    assert value(newer)["schedule"]["duration"] == minutes


def test_a_window_that_opens_once_has_a_date(newer: Site) -> None:
    """In its own time zone."""
    once = {"recurrence": "once", "start": "2026-11-25T22:00", "end": "2026-11-26T01:00"}
    days = {"first_day": None, "last_day": None, "time_zone": "Europe/Vienna"}
    assert window(newer, **once, **days)["result"] is True
    assert value(newer)["schedule"] == {
        "duration": 180,
        "timezone": "Europe/Vienna",
        "trigger": {"type": "once", "once": {"date": "2026-11-25T22:00:00"}},
    }


def test_what_a_new_window_cannot_do_is_said(newer: Site) -> None:
    """A weekday needs a rule, a filter has an end, and nothing is suppressed."""
    refused = window(newer, recurrence="weekly", day="SUNDAY")
    assert refused["result"] is False
    assert "goes by a scheduling rule" in refused["comment"]
    many = [f"HOST-{number:016X}" for number in range(20)]
    refused = window(newer, entities=many)
    assert refused["result"] is False
    assert "cover fewer hosts at once, or name a tag" in refused["comment"]
    assert newer.tenant.settings_objects(NEWER_WINDOW) == []
    state = window(newer, suppression="DONT_DETECT_PROBLEMS")
    assert state["result"] is True
    assert "Such a window knows no DONT_DETECT_PROBLEMS" in state["comment"]


def test_a_tenant_without_any_windows_says_so(newer: Site) -> None:
    """Nothing is assumed."""
    newer.tenant.switches.lacks_schemas = CLASSIC | {NEWER_WINDOW}
    state = window(newer)
    assert state["result"] is False
    assert f"has neither {WINDOW} nor {NEWER_WINDOW}" in state["comment"]


def test_a_planned_change_is_announced_and_ended(newer: Site) -> None:
    """For so many minutes from now on, and no longer than it is needed."""
    site = newer
    before = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    state = site.run("planned_change_present", "patches", hosts=HOSTS, minutes=45)
    assert state["result"] is True, state["comment"]
    assert f"has no {WINDOW}" in state["comment"]
    found = value(site)
    assert found["filter"].startswith(f"{FIRST} or ")
    start = datetime.datetime.fromisoformat(found["schedule"]["trigger"]["once"]["date"])
    assert abs((start - before).total_seconds() + 60) < 60
    assert found["schedule"]["duration"] == 46
    again = site.run("planned_change_present", "patches", hosts=HOSTS[::-1], minutes=45)
    assert (again["result"], again["changes"]) == (True, {})
    ended = site.run("planned_change_absent", "patches")
    assert (ended["result"], ended["comment"]) == (True, "patches is ended.")
    assert value(site)["schedule"]["duration"] < 46
    later = site.run("planned_change_absent", "patches")
    assert later["changes"] == {}


def test_announcements_that_ended_long_ago_are_deleted(newer: Site) -> None:
    """Dynatrace keeps a hundred windows, and those of a person stay."""
    site = newer
    site.run("planned_change_present", "old", hosts=HOSTS, minutes=1)
    [old] = site.tenant.settings_objects(NEWER_WINDOW)
    past = {
        **old.value["schedule"],
        "trigger": {"type": "once", "once": {"date": "2026-01-01T00:00:00"}},
    }
    known = site.tenant.settings[old.object_id]
    site.tenant.replace(known, {**old.value, "schedule": past})
    site.tenant.put_settings(NEWER_WINDOW, {**old.value, "name": "theirs", "schedule": past})
    site.run("planned_change_present", "new", hosts=HOSTS, minutes=1)
    names = {one.value["name"] for one in site.tenant.settings_objects(NEWER_WINDOW)}
    assert names == {"theirs", "new"}
