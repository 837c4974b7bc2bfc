"""
Reads what an entity tells of a process: executable, command line, configuration, ports, the mark of a container; and of
a host which OS service each of its processes belongs to.

The parsing is total: what has another shape, is ambiguous or is too long counts as not told, and nothing raises. A path
or a unit is never cut: a part of it would be compared as if it were the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core.problem import Process, is_entity_id

MAX_PATH_CHARS = 500
MAX_COMMAND_CHARS = 1000
MAX_PORTS = 64
MAX_METADATA = 500
MAX_SERVICES = 5000
MAX_MARK_CHARS = 200
_EXECUTABLE = ("EXE_PATH", "EXECUTABLE_PATH", "EXECUTABLE_PATHS")
_COMMAND = ("COMMAND_LINE_ARGS", "COMMAND_LINE", "COMMAND_LINE_ARG")
_CONFIG = re.compile(r"([A-Z0-9_]+)_CONFIG_PATHS?")
#: Metadata of a process that runs in a container, those that tell a person most first.
_TELLING = ("KUBERNETES_FULL_POD_NAME", "CONTAINER_NAME", "CLOUD_FOUNDRY_APP_NAME")
_CONTAINED = ("CONTAINER_", "KUBERNETES_", "DOCKER_", "CLOUD_FOUNDRY_", "AWS_ECS_")
_RUNTIMES = frozenset(
    {"CLOUD_FOUNDRY", "CONTAINERD", "CRIO", "CRI_O", "DOCKER", "GARDEN", "KUBERNETES", "PODMAN"}
)
#: As systemd names units, with or without the suffix.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")


def parse_process(
    properties: Mapping[str, Any],
    technologies: Sequence[str],
    relations: Mapping[str, tuple[str, ...]],
) -> Process:
    """
    Return what the properties and relations of a PROCESS_GROUP_INSTANCE tell of the process, but for its unit.
    """
    metadata = _metadata(properties.get("metadata"))
    command = _only(metadata, _COMMAND)
    return Process(
        executable=_path(_only(metadata, _EXECUTABLE)),
        command_line=command[:MAX_COMMAND_CHARS] if command else None,
        config=_path(_config(metadata, technologies)),
        ports=_ports(properties.get("listenPorts")),
        container=_container(properties, metadata, technologies, relations),
    )


def parse_units(value: Any) -> dict[str, str]:
    """
    Return the unit of each process by ``osServices``; one that several units claim has none.

    The list holds records, with more or fewer keys, or on older tenants plain strings, which name no process.
    """
    found: dict[str, set[str]] = {}
    for item in (value if isinstance(value, list) else [])[:MAX_SERVICES]:
        record = item if isinstance(item, dict) else {}
        process, unit = record.get("dt.entity.process_group_instance"), _unit(record)
        if isinstance(process, str) and is_entity_id(process) and unit:
            found.setdefault(process, set()).add(unit)
    return {process: next(iter(units)) for process, units in found.items() if len(units) == 1}


def parse_unit(value: Any) -> str | None:
    """
    Return the name of an OS service, if it can be one.
    """
    return value if isinstance(value, str) and _UNIT.fullmatch(value) else None


def _unit(record: Mapping[str, Any]) -> str | None:
    return parse_unit(record.get("dt.osservice.name", record.get("os_service.name")))


def _metadata(value: Any) -> dict[str, list[str]]:
    """
    Return the values of each key, whose spelling is made one: `EXE_PATH` of `exePath` and `Exe path` too.
    """
    if isinstance(value, dict):
        value = [{"key": key, "value": own} for key, own in value.items()]
    found: dict[str, list[str]] = {}
    for item in (value if isinstance(value, list) else [])[:MAX_METADATA]:
        key = item.get("key") if isinstance(item, dict) else None
        if isinstance(key, str):
            found.setdefault(_spelled(key), []).extend(_texts(item.get("value")))
    return found


def _spelled(key: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", key[:100])
    return re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_")


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item:
            yield item


def _only(metadata: Mapping[str, list[str]], names: Iterable[str]) -> str | None:
    """
    Return the value that all of these keys have; None where they have none, or several.
    """
    values = {value for name in names for value in metadata.get(name, ())}
    return values.pop() if len(values) == 1 else None


def _path(value: str | None) -> str | None:
    return value if value is not None and len(value) <= MAX_PATH_CHARS else None


def _config(metadata: Mapping[str, list[str]], technologies: Sequence[str]) -> str | None:
    """
    Return the path of its configuration: of a technology that it has, such as `APACHE_CONFIG_PATH`, else the only one.
    """
    kinds = {name: match[1] for name in metadata if (match := _CONFIG.fullmatch(name))}
    own = [
        name for name, kind in kinds.items() if any(one.startswith(kind) for one in technologies)
    ]
    return _only(metadata, own or kinds)


def _ports(value: Any) -> tuple[int, ...]:
    found = [_port(item) for item in (value if isinstance(value, list) else [])[:MAX_PORTS]]
    return tuple(dict.fromkeys(port for port in found if port))


def _port(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
    return value if good else None


def _container(
    properties: Mapping[str, Any],
    metadata: Mapping[str, list[str]],
    technologies: Sequence[str],
    relations: Mapping[str, tuple[str, ...]],
) -> str | None:
    """
    Return the mark by which a process runs in a container, the one that tells most, or None.
    """
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
