"""
Maintenance windows: when they are active, and what they cover.

Schedules, filters (each for itself, all conditions within one) and the last day of a short month
are Dynatrace documentation's. Documentation says that a parent's immediate children and a group's
members are under maintenance too; that the host is the parent of its processes, and the process
group their group, is assumed, and that the host is the parent of its OS services, too. Assumed as well: a time of day that ends before it begins ends on
the next day, a problem is under maintenance when all its affected entities are, and of several
windows the one that suppresses most counts.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tests.tenant.kinds import zone
from tests.tenant.schemas import DAYS, SUPPRESSIONS
from tests.tenant.tags import parse_tag

if TYPE_CHECKING:
    from tests.tenant.entities import Entity, Topology

_PARENTS = ("isProcessOf", "isInstanceOf")


def strongest(levels: Iterable[str]) -> str | None:
    """
    Give the suppression that goes furthest.
    """
    return max(levels, key=SUPPRESSIONS.index, default=None)


def active(window: Mapping[str, Any], now: datetime) -> bool:
    """
    Say whether a window is enabled and its schedule has it open at `now`, which has a zone.
    """
    schedule = window["schedule"]
    kind = schedule["scheduleType"]
    if not window["enabled"]:
        return False
    plan = schedule[f"{kind.lower()}Recurrence"]
    if kind == "ONCE":
        there = now.astimezone(zone(plan["timeZone"])).replace(tzinfo=None)
        return bool(plan["startTime"] <= there.isoformat() < plan["endTime"])
    hours = plan["timeWindow"]
    there = now.astimezone(zone(hours["timeZone"])).replace(tzinfo=None)
    begin, end = (time.fromisoformat(hours[name]) for name in ("startTime", "endTime"))
    for day in (there.date(), there.date() - timedelta(days=1)):
        last = day if end > begin else day + timedelta(days=1)
        if datetime.combine(day, begin) <= there < datetime.combine(last, end):
            return _falls_on(kind, plan, day)
    return False


def covers(window: Mapping[str, Any], entity_id: str, topology: Topology) -> bool:
    """
    Say whether an entity is in the scope of a window, by itself, its parent or its group.
    """
    filters = window["filters"]
    if not filters:
        return True
    known = topology.entities.get(entity_id)
    links = known.links if known else {}
    parents = (*_PARENTS, "runsOn") if known and known.type == "OS:SERVICE" else _PARENTS
    ids = [entity_id, *(end for name in parents for end in links.get(name, ()))]
    family = [topology.entities[one] for one in ids if one in topology.entities]
    return any(_matches(one, entity) for one in filters for entity in family)


def utc_now() -> datetime:
    """
    Give the time, with its zone.
    """
    return datetime.now(timezone.utc)


def _falls_on(kind: str, plan: Mapping[str, Any], day: date) -> bool:
    limits = plan["recurrenceRange"]
    first, last = (date.fromisoformat(limits[f"schedule{end}Date"]) for end in ("Start", "End"))
    if not first <= day <= last:
        return False
    if kind == "WEEKLY":
        return bool(DAYS[day.weekday()] == plan["dayOfWeek"])
    if kind == "MONTHLY":
        length = calendar.monthrange(day.year, day.month)[1]
        return day.day == min(int(plan["dayOfMonth"]), length)
    return True


def _matches(filter_: Mapping[str, Any], entity: Entity) -> bool:
    if filter_.get("entityType") not in (None, entity.type):
        return False
    if filter_.get("entityId") not in (None, entity.entity_id):
        return False
    wanted = [parse_tag(text) for text in filter_["entityTags"]]
    if not all(any(tag.same(own) for own in entity.tags) for tag in wanted):
        return False
    return {one["id"] for one in entity.zones} >= set(filter_["managementZones"])
