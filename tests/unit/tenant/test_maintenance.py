"""
Maintenance windows: when they are active, what they cover, and what they suppress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.maintenance import active
from tests.unit.tenant.conftest import Client, Receiver
from tests.unit.tenant.settings import FAST, WINDOW, notify, sent, told, window

_QUIET = {"suppression": "DETECT_PROBLEMS_DONT_ALERT"}
_YEAR = {"scheduleStartDate": "2026-01-01", "scheduleEndDate": "2026-12-31"}


def once(begin: str, end: str, zone: str = "UTC") -> dict[str, Any]:
    times = {"startTime": begin, "endTime": end, "timeZone": zone}
    return {"scheduleType": "ONCE", "onceRecurrence": times}


def each(kind: str, begin: str, end: str, zone: str = "UTC", **more: Any) -> dict[str, Any]:
    times = {"startTime": begin, "endTime": end, "timeZone": zone}
    plan = {"timeWindow": times, "recurrenceRange": _YEAR, **more}
    return {"scheduleType": kind, f"{kind.lower()}Recurrence": plan}


_ONCE = once("2026-06-01T10:00:00", "2026-06-01T11:00:00")
_VIENNA = once("2026-06-01T10:00:00", "2026-06-01T11:00:00", "Europe/Vienna")
_DAILY = each("DAILY", "22:00:00", "02:00:00")
_WEEKLY = each("WEEKLY", "10:00:00", "11:00:00", dayOfWeek="MONDAY")
_MONTHLY = each("MONTHLY", "10:00:00", "11:00:00", dayOfMonth=31)


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (_ONCE, "2026-06-01T09:59:59", False),
        (_ONCE, "2026-06-01T10:00:00", True),
        (_ONCE, "2026-06-01T10:59:59", True),
        (_ONCE, "2026-06-01T11:00:00", False),
        (_VIENNA, "2026-06-01T08:30:00", True),
        (_VIENNA, "2026-06-01T10:30:00", False),
        (_DAILY, "2026-06-01T23:00:00", True),
        (_DAILY, "2026-06-01T01:00:00", True),
        (_DAILY, "2026-06-01T03:00:00", False),
        (_DAILY, "2026-01-01T01:00:00", False),
        (_DAILY, "2027-01-01T01:00:00", True),
        (_DAILY, "2027-01-01T23:00:00", False),
        (_WEEKLY, "2026-06-01T10:30:00", True),
        (_WEEKLY, "2026-06-02T10:30:00", False),
        (_MONTHLY, "2026-05-31T10:30:00", True),
        (_MONTHLY, "2026-05-30T10:30:00", False),
        (_MONTHLY, "2026-06-30T10:30:00", True),
    ],
)
def test_a_window_is_active_when_its_schedule_says_so(
    schedule: dict[str, Any], moment: str, expected: bool
) -> None:
    """In its own zone, over midnight, within its dates, on the last day of a short month."""
    now = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
    assert active({"enabled": True, "schedule": schedule}, now) is expected
    assert active({"enabled": False, "schedule": schedule}, now) is False


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    with Tenant.empty(site_local_urls=True, minute=0.05) as one:
        yield one
    assert "tenant failed" not in [entry.what for entry in one.journal]


def test_in_a_window_that_disables_detection_nothing_is_raised(
    tenant: Tenant, process: str
) -> None:
    """Neither by the monitor nor by an event; what lasts is a problem once the window is gone."""
    tenant.alerting(process)
    made = tenant.maintenance(process)
    tenant.monitor(process, "http://127.0.0.1:9/", **FAST)
    held = tenant.wait_for("problem not raised")
    assert "maintenance" in held.detail["reason"]
    assert tenant.raise_problem(process) is None
    assert tenant.problems == []
    tenant.delete_settings(made)
    tenant.wait_for("problem opened")
    assert not tenant.problems[0].under_maintenance


def test_in_a_window_that_only_silences_a_problem_is_raised_and_not_told(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """It is under maintenance by its evidence, which names the window."""
    notify(tenant, receiver)
    made = tenant.maintenance(process, **_QUIET)
    quiet = tenant.raise_problem(process)
    assert quiet is not None
    tenant.delete_settings(made)
    loud = tenant.open_problem(process)
    sent(tenant, 1)
    assert told(receiver) == [("OPEN", loud.problem_id)]
    client = Client(tenant, tenant.add_token())
    details = client.problem(quiet, fields="evidenceDetails").json()["evidenceDetails"]["details"]
    client.session.close()
    data = next(one["data"] for one in details if one["evidenceType"] == "EVENT")
    assert (data["underMaintenance"], data["suppressAlert"]) == (True, True)
    shown = next(one for one in details if one["evidenceType"] == "MAINTENANCE_WINDOW")
    assert shown["maintenanceWindowConfigId"] == quiet.window


def test_a_window_that_alerts_marks_the_problem_only(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Under maintenance and told."""
    notify(tenant, receiver)
    tenant.maintenance(suppression="DETECT_PROBLEMS_AND_ALERT")
    problem = tenant.open_problem(process)
    sent(tenant, 1)
    assert problem.under_maintenance
    assert not problem.suppress_alert


def with_filter(**conditions: Any) -> Callable[[Tenant, str, str], Any]:
    def value(tenant: Tenant, host: str, process: str) -> Any:
        named = {"host": host, "process": process, "other": tenant.add_host("other")}
        named["group"] = tenant.entities[process].links["isInstanceOf"][0]
        given = {key: named.get(str(one), one) for key, one in conditions.items()}
        return {"entityTags": [], "managementZones": [], **given}

    return value


@pytest.mark.parametrize(
    ("condition", "covered"),
    [
        (with_filter(entityId="process"), True),
        (with_filter(entityId="host"), True),
        (with_filter(entityId="group"), True),
        (with_filter(entityId="other"), False),
        (with_filter(entityType="HOST"), True),
        (with_filter(entityType="SERVICE"), False),
        (with_filter(entityType="SERVICE", entityId="process"), False),
        (with_filter(entityTags=["[Environment]salt_minion:web01"]), True),
        (with_filter(entityTags=["[Environment]salt_minion:web02"]), False),
        (with_filter(entityTags=["[Environment]salt_minion:web01", "more"]), False),
    ],
)
def test_a_window_covers_what_its_filters_and_their_children_are(
    tenant: Tenant, condition: Callable[[Tenant, str, str], Any], covered: bool
) -> None:
    """All conditions of one filter must hold for one entity."""
    host = tenant.add_host("web01", tags=["[Environment]salt_minion:web01"])
    process = tenant.add_process(host)
    begin = {"startTime": "2020-01-01T00:00:00", "endTime": "2099-01-01T00:00:00"}
    once = {"scheduleType": "ONCE", "onceRecurrence": {**begin, "timeZone": "UTC"}}
    tenant.put_settings(WINDOW, window(once, filters=[condition(tenant, host, process)]))
    assert (tenant.raise_problem(process) is None) is covered


def test_the_strongest_of_several_windows_counts(tenant: Tenant, process: str) -> None:
    """And one that is over, to come, or disabled, does not."""
    tenant.maintenance(suppression="DETECT_PROBLEMS_AND_ALERT")
    tenant.maintenance(**_QUIET)
    tenant.maintenance(start=3600)
    tenant.maintenance(start=-7200, seconds=60)
    tenant.put_settings(WINDOW, window({**_always()}, enabled=False))
    assert tenant.maintenance_of([process])[0] == "DETECT_PROBLEMS_DONT_ALERT"


def _always() -> dict[str, Any]:
    once = {"startTime": "2020-01-01T00:00:00", "endTime": "2099-01-01T00:00:00", "timeZone": "UTC"}
    return {"scheduleType": "ONCE", "onceRecurrence": once}


def test_a_problem_with_one_entity_outside_is_not_under_maintenance(
    tenant: Tenant, process: str
) -> None:
    """All that is affected must be covered."""
    other = tenant.add_process(tenant.add_host("web02"))
    tenant.maintenance(process)
    assert not tenant.open_problem([process, other]).under_maintenance
