"""
What settings say about raising and telling problems, and short ways to set it from a test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.tenant.entities import Topology, type_of
from tests.tenant.maintenance import active, covers, strongest, utc_now
from tests.tenant.newer_schemas import NEWER_WINDOW
from tests.tenant.newer_windows import active_newer, covers_newer, newer_window
from tests.tenant.schemas import AVAILABILITY, PROFILE, WINDOW
from tests.tenant.settings import SettingsObject

HIDES, SILENCES = "DONT_DETECT_PROBLEMS", "DETECT_PROBLEMS_DONT_ALERT"
MARKS = "DETECT_PROBLEMS_AND_ALERT"


class Alerting(Topology):
    """
    The layer that knows whether a problem is raised, and whether it may be told.
    """

    def knows_scope(self, scope: str) -> bool:
        """
        Say whether there is such a scope.
        """
        return super().knows_scope(scope) or scope in self.entities

    def alerting_on(self, process: str) -> bool:
        """
        Say whether the end of a process raises a problem: as the object of its group says.

        Without one it is off by documentation; `alerting_by_default` turns it on. A number of
        instances to be kept is not modelled and raises nothing.
        """
        with self.lock:
            known = self.entities.get(process)
            for group in known.links.get("isInstanceOf", ()) if known else ():
                for one in self.settings.values():
                    if one.schema_id == AVAILABILITY and one.scope == group:
                        mode = one.value.get("alertingMode")
                        return bool(one.value["enabled"]) and mode == "ON_PGI_UNAVAILABILITY"
            return known is not None and self.switches.alerting_by_default

    def maintenance_of(self, entities: Sequence[str]) -> tuple[str | None, SettingsObject | None]:
        """
        Give what active windows do to a problem about these entities, and the window that does it.
        """
        now = utc_now()
        with self.lock:
            windows = {
                one.value["generalProperties"]["suppression"]: one
                for one in self.settings.values()
                if one.schema_id == WINDOW
                and self.has_schema(WINDOW)
                and active(one.value, now)
                and all(covers(one.value, entity, self) for entity in entities)
            }
            marking = self._newer_windows(entities, now)
        level = strongest(windows)
        if level is None and marking:
            return MARKS, marking[0]
        return level, windows[level] if level else None

    def _newer_windows(self, entities: Sequence[str], now: datetime) -> list[SettingsObject]:
        return [
            one
            for one in self.settings.values()
            if one.schema_id == NEWER_WINDOW
            and active_newer(one.value, now)
            and all(covers_newer(one.value, entity, self) for entity in entities)
        ]

    def alerting(self, entity: str, enabled: bool = True) -> str:
        """
        Set process availability alerting for a process group, or for that of a process.
        """
        group = entity
        if type_of(entity) != "PROCESS_GROUP":
            group = self.entities[entity].links["isInstanceOf"][0]
        mode = {"alertingMode": "ON_PGI_UNAVAILABILITY"} if enabled else {}
        return self.put_settings(AVAILABILITY, {"enabled": enabled, **mode}, group)

    def alerting_profile(self, name: str, delays: Mapping[str, int] | None = None) -> str:
        """
        Make a profile that lets severities through, each after its minutes; None is availability.
        """
        rules = [
            {"severityLevel": severity, "delayInMinutes": delay, "tagFilterIncludeMode": "NONE"}
            for severity, delay in (delays or {"AVAILABILITY": 0}).items()
        ]
        return self.put_settings(
            PROFILE, {"name": name, "severityRules": rules, "eventFilters": []}
        )

    def maintenance(
        self,
        entity: str | None = None,
        suppression: str = HIDES,
        seconds: float = 3600,
        start: float = 0,
        name: str = "Maintenance",
    ) -> str:
        """
        Make a window from `start` seconds after now for `seconds`; without an entity for all.

        Where there are no classic ones it is a newer one: whole minutes, without a suppression.
        """
        # Windows have whole seconds; one that begins now must be active at once.
        at = (utc_now() + timedelta(seconds=start)).replace(microsecond=0)
        if not self.has_schema(WINDOW):
            minutes = max(1, math.ceil(seconds / 60))
            return self.put_settings(NEWER_WINDOW, newer_window(name, entity, at, minutes))
        begin = at.replace(tzinfo=None)
        end = begin + timedelta(seconds=max(seconds, 1) + (0 if start else 1))
        limited: dict[str, Any] = {"entityId": entity, "entityTags": [], "managementZones": []}
        value = {
            "enabled": True,
            "generalProperties": {
                "name": name,
                "maintenanceType": "PLANNED",
                "suppression": suppression,
                "disableSyntheticMonitorExecution": False,
            },
            "schedule": {
                "scheduleType": "ONCE",
                "onceRecurrence": {
                    "startTime": begin.isoformat(),
                    "endTime": end.replace(microsecond=0).isoformat(),
                    "timeZone": "UTC",
                },
            },
            "filters": [limited] if entity else [],
        }
        return self.put_settings(WINDOW, value)
