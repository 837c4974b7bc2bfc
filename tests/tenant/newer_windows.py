"""
Maintenance windows of `builtin:maintenance-windows`: when they are active, and what they cover.

That they have a filter and no suppression is the schema's. Assumed: the filter is asked of each
affected entity with the fields that its event has, all of them must meet it, a window only marks a
problem, and one that repeats does so daily. A window by a scheduling rule is never active here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tests.tenant.kinds import zone
from tests.tenant.platform.dql.matching import meets
from tests.tenant.platform.grail.around import ends, hosts_of, table_of

if TYPE_CHECKING:
    from tests.tenant.entities import Topology


def active_newer(window: Mapping[str, Any], now: datetime) -> bool:
    """
    Say whether a window is enabled and its schedule has it open at `now`, which has a zone.
    """
    schedule = window["schedule"]
    there = now.astimezone(zone(schedule.get("timezone") or "UTC")).replace(tzinfo=None)
    lasts = timedelta(minutes=schedule["duration"])
    return window["enabled"] and any(
        begin <= there < begin + lasts for begin in _begins(schedule["trigger"], there, lasts)
    )


def covers_newer(window: Mapping[str, Any], entity_id: str, topology: Topology) -> bool:
    """
    Say whether an entity meets the filter of a window.
    """
    return meets(window["filter"], _fields(entity_id, topology))


def newer_window(name: str, entity: str | None, begin: datetime, minutes: int) -> dict[str, Any]:
    """
    Give the value of a window that is open once.
    """
    table = table_of(entity.rpartition("-")[0]) if entity else ""
    return {
        "name": name,
        "enabled": True,
        "autoDelete": True,
        "filter": f'matchesValue({table}, "{entity}")' if entity else "true",
        "schedule": {
            "duration": minutes,
            "timezone": "UTC",
            "trigger": {
                "type": "once",
                "once": {"date": begin.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")},
            },
        },
    }


def _begins(trigger: Mapping[str, Any], there: datetime, lasts: timedelta) -> list[datetime]:
    if trigger["type"] == "once":
        return [datetime.fromisoformat(trigger["once"]["date"])]
    plan = trigger["recurring"]
    if plan.get("rule"):
        return []
    at = time.fromisoformat(plan["time"])
    days = [there.date() - timedelta(days=back) for back in range(lasts.days + 2)]
    return [datetime.combine(day, at) for day in days if _within(plan, day)]


def _within(plan: Mapping[str, Any], day: date) -> bool:
    first, last = plan.get("earliestStart"), plan.get("until")
    return (first or "") <= day.isoformat() and (last is None or day.isoformat() <= last)


def _fields(entity_id: str, topology: Topology) -> dict[str, Any]:
    kind = entity_id.rpartition("-")[0]
    known = topology.entities.get(entity_id)
    return {
        "dt.source_entity": entity_id,
        "dt.source_entity.type": kind.lower(),
        "dt.entity.host": hosts_of(entity_id, topology),
        "dt.entity.process_group": ends(entity_id, "isInstanceOf", topology),
        table_of(kind): entity_id,
        "entity_tags": [tag.body()["stringRepresentation"] for tag in known.tags] if known else [],
    }
