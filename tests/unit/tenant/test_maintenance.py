"""
When maintenance windows are active.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from tests.tenant.maintenance import active

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
