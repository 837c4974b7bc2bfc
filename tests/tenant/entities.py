"""
Hosts, process group instances, process groups and services, and how they hang together.

Shapes and relationships are those of Dynatrace documentation and of captured HOST answers; the
bodies of processes and process groups are synthetic, put together from the documented lists. The
values of a process in a Docker container, and the shape of custom properties of a process, which is
that of a host's, are constructed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.tenant.core import Switches
from tests.tenant.entity_properties import DEBIAN, HOST, PROPERTIES
from tests.tenant.settings import Settings
from tests.tenant.tags import Tag, parse_tag
from tests.tenant.timeframe import milliseconds, now_ms


@dataclass
class Entity:
    """
    One monitored entity; `last_seen` None means that it is alive.
    """

    entity_id: str
    type: str
    name: str
    first_seen: int
    last_seen: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    tags: list[Tag] = field(default_factory=list)
    zones: list[dict[str, Any]] = field(default_factory=list)
    links: dict[str, list[str]] = field(default_factory=dict)
    icon: str = ""


def type_of(entity_id: str) -> str:
    """
    Give the type that an entity id carries before its last dash.
    """
    return entity_id.rpartition("-")[0]


class Topology(Settings):
    """
    The layer that knows the entities.
    """

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.entities: dict[str, Entity] = {}
        self._groups: dict[tuple[str, str, str], str] = {}
        self._incoming: dict[str, dict[str, list[str]]] = {}
        self._linked: dict[str, set[tuple[str, str]]] = {}

    def add_host(
        self,
        name: str = "web01.example.com",
        detected_name: str | None = None,
        ip: Iterable[str] = ("192.0.2.10",),
        dns_names: Iterable[str] = (),
        properties: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        host_id: str | None = None,
        *,
        group: str | None = None,
    ) -> str:
        """
        Add a HOST and give its id.

        `properties` that Dynatrace knows of a host replace the entity's; all others become
        customHostMetadata, as `oneagentctl --set-host-property` makes them. `group` is the name of
        its HOST_GROUP.
        """
        given = dict(properties or {})
        known = {key: given.pop(key) for key in list(given) if key in PROPERTIES["HOST"]}
        metadata = _pairs(given)
        body = {
            **HOST,
            "detectedName": name if detected_name is None else detected_name,
            "ipAddress": list(ip),
            **({"dnsNames": list(dns_names)} if dns_names else {}),
            **({"customHostMetadata": metadata} if metadata else {}),
            **({"hostGroupName": group} if group else {}),
            **known,
        }
        links = {"isInstanceOf": [self._group(group, "", "HOST_GROUP")]} if group else {}
        return self._add(
            "HOST", name, body, tags=tags, links=links, entity_id=host_id, icon="linux"
        )

    def add_process(
        self,
        host: str,
        name: str = "Apache Web Server apache2",
        technology: str | Sequence[str] | None = "APACHE_HTTPD",
        group: str | None = None,
        tags: Iterable[str] = (),
        properties: Mapping[str, Any] | None = None,
        process_id: str | None = None,
        *,
        build: Mapping[str, str] | None = None,
        pod: str | None = None,
        container: str | None = None,
        custom: Mapping[str, str] | None = None,
    ) -> str:
        """
        Add a PROCESS_GROUP_INSTANCE on a host and give its id.

        `technology` is one, several, or none. `group` is the id or the name of its process group;
        without it, processes of one name and technology share one, as Dynatrace groups them across
        hosts. The metadata is that of Debian's apache2; `build` replaces what another one has
        otherwise (EXE_PATH and so on). With `pod` it runs in one, under containerd; with `container`
        in one of this name, under Docker. `custom` are the custom properties of the process.
        """
        named = [technology] if isinstance(technology, str) else list(technology or ())
        apache = "APACHE_HTTPD" in named
        known = {**(DEBIAN if apache else {}), **(build or {})}
        with self.lock:
            group_id = self._group(group or name, named[0] if named else "")
            self._link(group_id, "runsOn", host)
        links = {"isProcessOf": [host], "isInstanceOf": [group_id]}
        if pod:
            named.insert(0, "CONTAINERD")
            known |= {"KUBERNETES_FULL_POD_NAME": pod, "CONTAINER_NAME": "web"}
            links["isPgiOfCgi"] = [self._add("CONTAINER_GROUP_INSTANCE", pod, {})]
        if container:
            named.insert(0, "DOCKER")
            known |= {"CONTAINER_NAME": container, "CONTAINER_IMAGE_NAME": f"{container}:latest"}
            links["isPgiOfCgi"] = [self._add("CONTAINER_GROUP_INSTANCE", container, {})]
        body = {
            "bitness": "64",
            "listenPorts": [80] if apache else [],
            "metadata": _pairs(known),
            "softwareTechnologies": [{"type": one} for one in named],
            **({"customPgMetadata": _pairs(custom)} if custom else {}),
            **({"isDockerized": True} if container else {}),
            **(properties or {}),
        }
        kind = "PROCESS_GROUP_INSTANCE"
        return self._add(kind, name, body, tags=tags, links=links, entity_id=process_id)

    def add_service(
        self,
        processes: Iterable[str],
        name: str = "Web service",
        tags: Iterable[str] = (),
        properties: Mapping[str, Any] | None = None,
        service_id: str | None = None,
    ) -> str:
        """
        Add a SERVICE that runs on these processes, their hosts and their groups; give its id.
        """
        instances = [self.entities[process] for process in processes]
        links = {
            "runsOn": _once(link for one in instances for link in one.links["isInstanceOf"]),
            "runsOnHost": _once(link for one in instances for link in one.links["isProcessOf"]),
            "runsOnProcessGroupInstance": [one.entity_id for one in instances],
        }
        body = {"serviceType": "WEB_REQUEST_SERVICE", "internalName": name, **(properties or {})}
        return self._add("SERVICE", name, body, tags=tags, links=links, entity_id=service_id)

    def relate(self, entity: str, relationship: str, end: str) -> None:
        """
        Relate an entity of a type that is not modelled, which is added if need be, to another.
        """
        if entity not in self.entities:
            self._add(type_of(entity), entity, {}, entity_id=entity)
        with self.lock:
            self._link(entity, relationship, end)

    def last_seen(self, entity: str, at: float | None) -> None:
        """
        Let an entity have been seen last at `at`; None brings it back to life.
        """
        with self.lock:
            self.entities[entity].last_seen = None if at is None else milliseconds(at)

    def forget_entity(self, entity: str) -> None:
        """
        Drop an entity: problems about it then carry its id without a name.
        """
        with self.lock:
            del self.entities[entity]

    def named(self, ids: Iterable[str] | None) -> list[Entity]:
        """
        Give the entities with these ids that are known; None gives all.
        """
        if ids is None:
            return list(self.entities.values())
        return [self.entities[one] for one in ids if one in self.entities]

    def stub(self, entity: str) -> dict[str, Any]:
        """
        Give the EntityStub; the name is absent when the entity is not known.
        """
        body: dict[str, Any] = {"entityId": {"id": entity, "type": type_of(entity)}}
        known = self.entities.get(entity)
        return {**body, "name": known.name} if known else body

    def incoming(self, entity: str) -> dict[str, list[str]]:
        """
        Give toRelationships: the other ends of what other entities keep.
        """
        found = {
            relationship: [other for other in others if other in self.entities]
            for relationship, others in self._incoming.get(entity, {}).items()
        }
        return {relationship: others for relationship, others in found.items() if others}

    def _link(self, entity: str, relationship: str, end: str) -> None:
        ends = self.entities[entity].links.setdefault(relationship, [])
        # Beside the list, which holds thousands of ends for a large process group.
        linked = self._linked.setdefault(entity, set())
        if (relationship, end) not in linked:
            linked.add((relationship, end))
            ends.append(end)
            self._incoming.setdefault(end, {}).setdefault(relationship, []).append(entity)

    def _group(self, group: str, technology: str, kind: str = "PROCESS_GROUP") -> str:
        if group in self.entities:
            return group
        known = self._groups.get((kind, group, technology))
        if known in self.entities:
            return known
        chosen = group if type_of(group) == kind else None
        body = {"softwareTechnologies": [{"type": technology}]} if technology else {}
        group_id = self._add(kind, group, body, entity_id=chosen)
        self._groups[kind, group, technology] = group_id
        return group_id

    def _add(
        self,
        kind: str,
        name: str,
        properties: dict[str, Any],
        *,
        tags: Iterable[str] = (),
        links: dict[str, list[str]] | None = None,
        entity_id: str | None = None,
        icon: str = "",
    ) -> str:
        unknown = set(properties) - PROPERTIES.get(kind, frozenset())
        if unknown:
            raise ValueError(f"{kind} has no property {', '.join(sorted(unknown))}")
        chosen = entity_id or f"{kind}-{secrets.token_hex(8).upper()}"
        with self.lock:
            self._linked.pop(chosen, None)
            self.entities[chosen] = Entity(
                entity_id=chosen,
                type=kind,
                name=name,
                first_seen=now_ms() - 86_400_000,
                properties=properties,
                tags=[parse_tag(tag) for tag in tags],
                icon=icon,
            )
            for relationship, ends in (links or {}).items():
                for end in ends:
                    self._link(chosen, relationship, end)
        self.log.add("entity added", entity=chosen, name=name)
        return chosen


def _pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _once(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))
