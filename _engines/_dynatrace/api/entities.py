"""
The entities that the API sends, parsed: names and addresses of a host with its OS services, and what is known of a process.

The parsing is total: a field that has another shape, is ambiguous or is too long counts as absent, and only an entity
without an id raises. A path or a unit is never cut: a part of it would be compared as if it were the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from ..core.errors import UnexpectedResponse
from ..core.problem import ENTITY_ID, Entity, EntityDetail, Process, entity_type, is_entity_id
from ..core.unhealable import is_os_service
from .json_values import objects_of, pairs, typed

MAX_PATH_CHARS = 500
MAX_COMMAND_CHARS = 1000
MAX_PORTS = 64
MAX_METADATA = 500
MAX_SERVICES = 5000
MAX_MARK_CHARS = 200
MAX_NAME_CHARS = 500
MAX_TAGS = 200
MAX_TAG_CHARS = 300
#: Longer than the name of any remedy: a value that is cut to it equals none.
MAX_REMEDY_CHARS = 100
MAX_REMEDIES = 5
_EXECUTABLE = ("EXE_PATH", "EXECUTABLE_PATH", "EXECUTABLE_PATHS")
_COMMAND = ("COMMAND_LINE_ARGS", "COMMAND_LINE", "COMMAND_LINE_ARG")
_CONFIG = re.compile(r"([A-Z0-9_]+)_CONFIG_PATHS?")
#: Metadata of a process that runs in a container, first those that tell a person most.
_TELLING = ("KUBERNETES_FULL_POD_NAME", "CONTAINER_NAME", "CLOUD_FOUNDRY_APP_NAME")
_CONTAINED = ("CONTAINER_", "KUBERNETES_", "DOCKER_", "CLOUD_FOUNDRY_", "AWS_ECS_")
_RUNTIMES = frozenset(
    {"CLOUD_FOUNDRY", "CONTAINERD", "CRIO", "CRI_O", "DOCKER", "GARDEN", "KUBERNETES", "PODMAN"}
)
#: As systemd names units, with or without the suffix.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
_UNIT_KEYS = ("dt.osservice.name", "os_service.name")
#: By this property or tag the tenant names an entry of the catalogue of remedies.
_REMEDY = "salt_remedy"

Metadata = Mapping[str, Sequence[str]]


def parse_entity(body: Any) -> EntityDetail:
    """
    Return what matching needs of an entity of the Entities API v2; raises UnexpectedResponse without an id.
    """
    if not isinstance(body, dict):
        raise UnexpectedResponse("a entity is not a JSON object")
    entity_id = body.get("entityId")
    if not isinstance(entity_id, str) or not is_entity_id(entity_id):
        raise UnexpectedResponse("an entity has no usable `entityId`")
    properties = typed(body.get("properties"), dict)
    tags = objects_of(body.get("tags"))
    custom = [*pairs(properties.get("customHostMetadata")), *pairs(tags)]
    minions = (typed(value, str) for key, value in custom if key == "salt_minion")
    own = [pairs(properties.get(name)) for name in ("customPgMetadata", "metadata")]
    technologies = _technologies(properties)
    relations = _relations(body)
    # The real key is `ipAddress`; one example of the documentation spells it `ipAddresses`.
    addresses = properties.get("ipAddress", properties.get("ipAddresses"))
    return EntityDetail(
        id=entity_id,
        name=typed(body.get("displayName"), str),
        technologies=technologies,
        relations=relations,
        detected_name=typed(properties.get("detectedName"), str),
        dns_names=_texts(properties.get("dnsNames")),
        addresses=_texts(addresses),
        salt_minions=tuple(dict.fromkeys(filter(None, minions))),
        process=replace(
            _process(properties, technologies, relations),
            unit=_own_unit(properties) or _service_name(entity_id, properties),
            names=_names(body.get("displayName"), properties.get("detectedName")),
            tags=tuple(one for one in parse_tags(tags) if len(one) <= MAX_TAG_CHARS)[:MAX_TAGS],
            remedies=parse_remedies(chain(custom, *own)),
        ),
        units=parse_units(properties.get("osServices")),
    )


def parse_units(value: Any) -> dict[str, str]:
    """
    Return the unit of each process by ``osServices``; a process that several units claim has none.

    The list holds records, with more or fewer keys, or on older tenants plain strings, which name no process.
    """
    found: dict[str, set[str]] = {}
    for record in objects_of(typed(value, list)[:MAX_SERVICES]):
        process = record.get("dt.entity.process_group_instance")
        unit = _own_unit(record)
        if isinstance(process, str) and is_entity_id(process) and unit:
            found.setdefault(process, set()).add(unit)
    return {process: next(iter(units)) for process, units in found.items() if len(units) == 1}


def parse_unit(value: Any) -> str | None:
    """
    Return the name of an OS service, if it can be one.
    """
    return value if isinstance(value, str) and _UNIT.fullmatch(value) else None


def parse_tags(tags: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """
    Yield tags as Dynatrace shows them: ``[AWS]owner:web``.
    """
    for tag in tags:
        text, key = tag.get("stringRepresentation"), tag.get("key")
        if isinstance(text, str):
            yield text
        elif isinstance(key, str):
            context, own = typed(tag.get("context"), str), typed(tag.get("value"), str)
            prefix = f"[{context}]" if context not in ("", "CONTEXTLESS") else ""
            yield prefix + key + (f":{own}" if own else "")


def parse_remedies(properties: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """
    Return the values of ``salt_remedy`` among properties, each once.
    """
    values = (typed(value, str).strip() for key, value in properties if key.lower() == _REMEDY)
    named = dict.fromkeys(value[:MAX_REMEDY_CHARS] for value in values if value)
    return tuple(named)[:MAX_REMEDIES]


def _own_unit(properties: Mapping[str, Any]) -> str | None:
    return parse_unit(next((properties[key] for key in _UNIT_KEYS if key in properties), None))


def _service_name(entity_id: str, properties: Mapping[str, Any]) -> str | None:
    is_service = is_os_service(Entity(entity_id, entity_type(entity_id)))
    return parse_unit(properties.get("name")) if is_service else None


def _names(*names: Any) -> tuple[str, ...]:
    known = (typed(name, str) for name in names)
    return tuple(dict.fromkeys(name for name in known if 0 < len(name) <= MAX_NAME_CHARS))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple([item for item in typed(value, list) if isinstance(item, str)])


def _technologies(properties: Mapping[str, Any]) -> tuple[str, ...]:
    found = (
        typed(item.get("type"), str) for item in objects_of(properties.get("softwareTechnologies"))
    )
    return tuple(
        dict.fromkeys(name for name in found if re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name))
    )


def _relations(entity: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for side in ("from", "to"):
        for name, items in typed(entity.get(f"{side}Relationships"), dict).items():
            ids = [item.get("id") for item in objects_of(items)]
            found[f"{side}.{name}"] = tuple(
                [item for item in ids if isinstance(item, str) and ENTITY_ID.fullmatch(item)]
            )
    return found


def _process(
    properties: Mapping[str, Any],
    technologies: Sequence[str],
    relations: Mapping[str, tuple[str, ...]],
) -> Process:
    metadata = _metadata(properties.get("metadata"))
    command = _only(metadata, _COMMAND)
    return Process(
        executable=_path(_only(metadata, _EXECUTABLE)),
        command_line=command[:MAX_COMMAND_CHARS] if command else None,
        config=_path(_config(metadata, technologies)),
        ports=_ports(properties.get("listenPorts")),
        technologies=tuple(technologies),
        container=_container(properties, metadata, technologies, relations),
    )


def _metadata(value: Any) -> Metadata:
    # By keys of one spelling: `EXE_PATH` of `exePath` and `Exe path` too.
    found: dict[str, list[str]] = {}
    for key, given in islice(pairs(value), MAX_METADATA):
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", key[:100])
        name = re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_")
        texts = given if isinstance(given, list) else [given]
        found.setdefault(name, []).extend(text for text in texts if typed(text, str))
    return found


def _only(metadata: Metadata, names: Iterable[str]) -> str | None:
    # The one value that all of these keys have.
    values = {value for name in names for value in metadata.get(name, ())}
    return values.pop() if len(values) == 1 else None


def _path(value: str | None) -> str | None:
    return value if value is not None and len(value) <= MAX_PATH_CHARS else None


def _config(metadata: Metadata, technologies: Sequence[str]) -> str | None:
    # Of a technology that it has, such as `APACHE_CONFIG_PATH`, else the only one.
    kinds = {name: match[1] for name in metadata if (match := _CONFIG.fullmatch(name))}
    own = [
        name for name, kind in kinds.items() if any(one.startswith(kind) for one in technologies)
    ]
    return _only(metadata, own or kinds)


def _ports(value: Any) -> tuple[int, ...]:
    found = [_port(item) for item in typed(value, list)[:MAX_PORTS]]
    return tuple(dict.fromkeys(port for port in found if port))


def _port(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
    return value if good else None


def _container(
    properties: Mapping[str, Any],
    metadata: Metadata,
    technologies: Sequence[str],
    relations: Mapping[str, tuple[str, ...]],
) -> str | None:
    marks = [name for name in _TELLING if name in metadata]
    marks += [name for name in metadata if name.startswith(_CONTAINED)]
    if marks:
        value = next(iter(metadata[marks[0]]), "")
        return f"{marks[0]}: {value}"[:MAX_MARK_CHARS] if value else marks[0]
    if properties.get("gardenApplicationNames"):
        return "gardenApplicationNames"
    if relations.get("from.isPgiOfCgi") or relations.get("to.isPgiOfCgi"):
        return "isPgiOfCgi"
    if properties.get("isDockerized") in (True, "true"):
        return "isDockerized"
    return next((name for name in technologies if name in _RUNTIMES), None)
