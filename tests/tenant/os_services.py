"""
OS services: what a host tells of its systemd units, the entity of each, and the policies that alert.

The records of a host follow a capture; the schema of policies, its operators and placeholders are
Dynatrace documentation's. Constructed, since no capture of one is known: the whole problem about an
OS service (severity, event type and title follow what documentation says of them), the id and
properties of its entity and its relation `runsOn` to the host. Assumed: a policy of the host goes
before one of its group, and that before one of the environment; of each scope the first that fits
decides alone; all of its detection conditions must be met; a unit that is down names no process.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from tests.tenant.conditions import parse_condition
from tests.tenant.core import Switches
from tests.tenant.problem import Problem
from tests.tenant.problems import Problems
from tests.tenant.schemas import OS_SERVICES
from tests.tenant.settings import SettingsObject

#: The keys of a captured record; those of the short form are the first three.
NAME, STATUS = "dt.osservice.name", "dt.osservice.status"
PROCESS = "dt.entity.process_group_instance"
_SHORT = (NAME, "dt.osservice.display_name", STATUS)
_PROPERTIES = {"ServiceName": NAME, "StartupType": "dt.osservice.startup_type"}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class OsServices(Problems):
    """
    The layer that knows the OS services, and raises the problems that policies ask for.
    """

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self._services: dict[tuple[str, str], str] = {}
        self._runs: dict[tuple[str, str], str | None] = {}
        self._down: dict[tuple[str, str], Problem] = {}

    def add_os_service(
        self,
        host: str,
        name: str,
        process: str | None = None,
        status: str = "active",
        *,
        display_name: str | None = None,
        startup_type: str = "enabled",
        path: str | None = None,
        form: str = "whole",
        service_id: str | None = None,
    ) -> str:
        """
        Let a host tell of an OS service, and give the id of its entity; nothing is raised by it.

        `process` is the one that it runs, told while it is active. `form` is how the host tells of
        it: "whole", "short" (name, display name and status) or "text", as older tenants do.
        """
        record = {
            NAME: name,
            "dt.osservice.display_name": display_name or name,
            "dt.osservice.startup_type": startup_type,
            STATUS: status,
            "dt.osservice.alerting": "true",
            **({"dt.osservice.path": path} if path else {}),
            **({PROCESS: process} if process and status == "active" else {}),
        }
        told = {"whole": record, "text": name}.get(form) or {key: record[key] for key in _SHORT}
        with self.lock:
            properties = self.entities[host].properties
            others = [one for one in properties.get("osServices", ()) if _name(one) != name]
            properties["osServices"] = [*others, told]
            self._runs[host, name] = process
            known = self._services.get((host, name))
            if known in self.entities and service_id in (None, known):
                self.entities[known].properties["status"] = status
                return known
            body = {
                key.removeprefix("dt.osservice."): value
                for key, value in record.items()
                if key != PROCESS
            }
            made = self._add(
                "OS:SERVICE",
                record["dt.osservice.display_name"],
                body,
                links={"runsOn": [host]},
                entity_id=service_id,
            )
            self._services[host, name] = made
        return made

    def os_service(self, host: str, name: str) -> str:
        """
        Give the id of the entity of an OS service.
        """
        return self._services[host, name]

    def set_os_service_status(self, host: str, name: str, status: str) -> Problem | None:
        """
        Let the OneAgent see an OS service in another status.

        Raises the problem that the first fitting policy asks for, and closes it once the status does
        not meet its condition any more. Gives the problem that is open then; one that waits for
        `alertActivationDuration` comes later, by `os_service_cycle` seconds a cycle.
        """
        key = (host, name)
        with self.lock:
            self.entities[self._services[key]].properties["status"] = status
            services = self.entities[host].properties["osServices"]
            services[:] = [
                self._seen(one, key, status)
                if isinstance(one, dict) and _name(one) == name
                else one
                for one in services
            ]
        self.log.add("os service seen", host=host, name=name, status=status)
        policy = self.os_policy(host, name)
        if policy is None or not _alerts(policy.value, status):
            if problem := self._down.pop(key, None):
                self.close_problem(problem)
            return None
        if key in self._down and self._down[key].status == "OPEN":
            return self._down[key]
        cycles = policy.value.get("alertActivationDuration") or 1
        if not self.switches.os_service_cycle:
            return self._raise_for(key, policy)
        pause = cycles * self.switches.os_service_cycle
        timer = threading.Timer(pause, self._still_down, [key])
        timer.daemon = True
        timer.start()
        return None

    def os_policy(self, host: str, name: str) -> SettingsObject | None:
        """
        Give the policy that decides about an OS service: of the closest scope the first that fits.
        """
        service = self.entities[self._services[host, name]].properties
        facts = {f"dt.osservice.{key}": value for key, value in service.items()}
        known = self.entities[host]
        groups = known.links.get("isInstanceOf", ())
        system = known.properties.get("osType", "LINUX")
        with self.lock:
            policies = [one for one in self.settings.values() if one.schema_id == OS_SERVICES]
        for scope in (host, *groups, "environment"):
            for one in policies:
                if one.scope == scope and _fits(one.value, system, facts):
                    return one
        return None

    def os_service_policy(
        self,
        name: str,
        condition: str,
        status: str = "$or($eq(inactive),$eq(failed))",
        metadata: Mapping[str, str] | None = None,
        scope: str = "environment",
        *,
        first: bool = False,
        **changes: Any,
    ) -> str:
        """
        Make a policy for the units whose name meets a condition; `first` puts it before all others.
        """
        value = {
            "enabled": True,
            "system": "LINUX",
            "name": name,
            "alerting": True,
            "monitoring": False,
            "notInstalledAlerting": False,
            "alertActivationDuration": 1,
            "statusConditionLinux": status,
            "detectionConditionsLinux": [{"property": "ServiceName", "condition": condition}],
            "metadata": [
                {"metadataKey": key, "metadataValue": text}
                for key, text in (metadata or {}).items()
            ],
            **changes,
        }
        return self.put_settings(OS_SERVICES, value, scope, after="" if first else None)

    def default_os_policies(self) -> None:
        """
        Make the two policies that an environment comes with; the tenant has them only by this call.

        Their names, and that they alert on `failed` alone, are documented; the rest is constructed.
        """
        enabled = {"property": "StartupType", "condition": "$eq(enabled)"}
        linux: dict[str, Any] = {"detectionConditionsLinux": [enabled]}
        self.os_service_policy("Auto-start Linux OS Services", "", "$eq(failed)", **linux)
        windows: dict[str, Any] = {"system": "WINDOWS", **dict.fromkeys(_OF_LINUX)}
        self.os_service_policy("Auto-start Windows OS Services", "", **windows)

    def raise_process_rule(
        self,
        host: str,
        rule: str = "apache",
        metadata: Mapping[str, str] | None = None,
        **details: Any,
    ) -> Problem:
        """
        Raise the problem of a process availability rule, which counts processes and names none.

        `metadata` are the rule's own event properties. The whole is constructed; `details` are
        those of `open_problem`.
        """
        message = f"Missing process matching rule {rule}"
        properties = {"Event source": "Process availability", "Message": message}
        return self.open_problem(
            host,
            f"No process found for rule {rule}",
            event_type="AVAILABILITY_EVENT",
            properties={**properties, **(metadata or {})},
            **{"root_cause": None, **details},
        )

    def _seen(self, record: Mapping[str, Any], key: tuple[str, str], status: str) -> dict[str, Any]:
        kept = {name: value for name, value in record.items() if name != PROCESS}
        process = self._runs[key]
        running = {PROCESS: process} if process and status == "active" else {}
        return {**kept, STATUS: status, **running}

    def _still_down(self, key: tuple[str, str]) -> None:
        # What ended, or another one raised meanwhile, is not raised again.
        policy = self.os_policy(*key)
        status = self.entities[self._services[key]].properties["status"]
        known = self._down.get(key)
        if policy and _alerts(policy.value, status) and not (known and known.status == "OPEN"):
            self._raise_for(key, policy)

    def _raise_for(self, key: tuple[str, str], policy: SettingsObject) -> Problem | None:
        host, name = key
        service = self._services[key]
        known = self.entities[service].properties
        facts = {f"dt.osservice.{field}": value for field, value in known.items()}
        properties = _filled(policy.value.get("metadata") or (), facts)
        title = properties.get("dt.event.title", f"OS service {name} is {known['status']}")
        about = host if self.switches.os_service_events_on == "host" else service
        problem = self.raise_problem(
            about,
            title,
            event_type="AVAILABILITY_EVENT",
            root_cause=None,
            properties=properties,
        )
        if problem is None:
            self.log.add("problem not raised", host=host, name=name, reason="maintenance window")
            return None
        self._down[key] = problem
        return problem


_OF_LINUX = ("statusConditionLinux", "detectionConditionsLinux", "notInstalledAlerting")


def _name(record: Any) -> Any:
    return record.get(NAME) if isinstance(record, dict) else record


def _alerts(policy: Mapping[str, Any], status: str) -> bool:
    condition = policy.get("statusConditionLinux")
    return bool(policy["alerting"] and condition and parse_condition(condition).fits(status))


def _fits(policy: Mapping[str, Any], system: str, facts: Mapping[str, str]) -> bool:
    if not policy["enabled"] or policy["system"] != system or system != "LINUX":
        return False
    return all(
        parse_condition(one["condition"]).fits(facts.get(_PROPERTIES[one["property"]], ""))
        for one in policy.get("detectionConditionsLinux") or ()
    )


def _filled(metadata: Iterable[Mapping[str, str]], facts: Mapping[str, str]) -> dict[str, str]:
    """
    Give the event properties; one with a placeholder that cannot be filled is left out, as documented.
    """
    found = {}
    for one in metadata:
        names = _PLACEHOLDER.findall(one["metadataValue"])
        if all(facts.get(name) for name in names):
            text = _PLACEHOLDER.sub(lambda match: facts[match[1]], one["metadataValue"])
            found[one["metadataKey"]] = text
    return found
