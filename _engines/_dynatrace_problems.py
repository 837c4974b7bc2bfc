"""
Problems, entities and evidence as frozen values, and the total parsing of what the API sends.

Unknown fields are ignored and unknown enum values pass through; a missing or misshapen field that the engine needs
raises UnexpectedAnswer naming it. Shapes are those of the Problems API v2 and Entities API v2 documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from _dynatrace_errors import UnexpectedAnswer

#: ``[-]<int64>_<start ms>V2``; ids may begin with a minus.
PROBLEM_ID = re.compile(r"-?[0-9]{1,20}_[0-9]{1,15}V2")
DISPLAY_ID = re.compile(r"P-[0-9]{1,18}|[0-9]{1,18}")
ENTITY_ID = re.compile(r"[A-Z][A-Z0-9_]{0,63}-[0-9A-F]{16}")

#: Dynatrace sends 20 bytes and more a value. What is much denser is sent to cost time and memory, which decoding takes.
MAX_VALUES = 102_400
BYTES_A_VALUE = 10
#: Of one problem. Entities beyond it are left out; evidence is not, since what is not seen may be a maintenance window.
MAX_ENTITIES = 10_000
MAX_EVIDENCE = 5_000

#: Both vocabularies: settings and Problems v2, and the v1 names that older evidence and webhooks carry.
DOWN_EVENTS = frozenset(
    {
        "PGI_UNAVAILABLE",
        "PROCESS_UNAVAILABLE",
        "PGI_OF_SERVICE_UNAVAILABLE",
        "PG_LOW_INSTANCE_COUNT",
        "PROCESS_GROUP_LOW_INSTANCE_COUNT",
        "PROCESS_CRASHED",
    }
)


@dataclass(frozen=True)
class Entity:
    """
    A reference to a monitored entity; ``name`` is text from outside and may be empty.
    """

    id: str
    type: str
    name: str = ""


@dataclass(frozen=True)
class Evidence:
    """
    One piece of evidence: ``is_open`` is None where the API does not say (2021 captures have no event data).

    ``start`` is in UTC milliseconds, None where it is not told.
    """

    entity: Entity
    kind: str
    event_type: str = ""
    root_cause: bool = False
    is_open: bool | None = None
    grouping: Entity | None = None
    start: int | None = None


@dataclass(frozen=True)
class Problem:
    """
    One Dynatrace problem; ``start`` and ``end`` are UTC milliseconds, ``end`` is None while it is open.
    """

    problem_id: str | None
    display_id: str | None
    title: str = ""
    severity: str = "UNKNOWN"
    impact: str = "UNKNOWN"
    status: str = "OPEN"
    start: int | None = None
    end: int | None = None
    root_cause: Entity | None = None
    affected: tuple[Entity, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    tags: tuple[str, ...] = ()
    management_zones: tuple[str, ...] = ()
    under_maintenance: bool = False
    merged: bool = False
    url: str | None = None
    source: str = "api"

    @property
    def is_open(self) -> bool:
        """
        Tell whether the problem may still be acted on: anything but OPEN may not.
        """
        return self.status == "OPEN" and not self.merged

    @property
    def event_types(self) -> tuple[str, ...]:
        """
        Return the event types of the evidence, each once, in their order.
        """
        return tuple(dict.fromkeys(item.event_type for item in self.evidence if item.event_type))

    def to_dict(self) -> dict[str, Any]:
        """
        Return plain data for the ledger; ``from_dict`` is its inverse.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Problem:
        """
        Return the problem that ``to_dict`` wrote.
        """
        kept = dict(data)
        kept["root_cause"] = _entity_from(kept.get("root_cause"))
        kept["affected"] = tuple(Entity(**item) for item in kept.get("affected", ()))
        kept["evidence"] = tuple(_evidence_from(item) for item in kept.get("evidence", ()))
        kept["tags"] = tuple(kept.get("tags", ()))
        kept["management_zones"] = tuple(kept.get("management_zones", ()))
        return cls(**kept)


@dataclass(frozen=True)
class EntityDetail:
    """
    What matching needs of an entity; ``relations`` maps a relationship to entity ids (from and to, one name each).
    """

    id: str
    name: str = ""
    technologies: tuple[str, ...] = ()
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    detected_name: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    salt_minions: tuple[str, ...] = ()


def _entity_from(data: Mapping[str, Any] | None) -> Entity | None:
    return None if data is None else Entity(**data)


def _evidence_from(data: Mapping[str, Any]) -> Evidence:
    kept = dict(data)
    kept["entity"] = Entity(**kept["entity"])
    kept["grouping"] = _entity_from(kept.get("grouping"))
    return Evidence(**kept)


# -- parsing -------------------------------------------------------------------------------------------------------


def is_too_dense(body: bytes) -> bool:
    """
    Tell whether JSON holds more values than anything that Dynatrace sends, before it is decoded.

    Counted are the bytes that begin values, in a quoted placeholder and escaped ones too.
    """
    if len(body) <= MAX_VALUES:
        return False
    values = sum(body.count(mark) for mark in (b",", b"{", b"[", b"\\u00"))
    return values > max(MAX_VALUES, len(body) // BYTES_A_VALUE)


def parse_problem(body: Any, source: str = "api") -> Problem:
    """
    Return the Problem that a body of the Problems API v2 (or ``{ProblemDetailsJSONv2}``) describes.

    Raises UnexpectedAnswer when it is no problem.
    """
    problem = _mapping(body, "problem")
    problem_id, display_id = problem.get("problemId"), problem.get("displayId")
    if not isinstance(problem_id, str) or not PROBLEM_ID.fullmatch(problem_id):
        raise UnexpectedAnswer("a problem has no usable `problemId`")
    details = _evidence_list(_nested(problem, "evidenceDetails", "details"))
    status = _word(problem.get("status"), "status")
    return Problem(
        problem_id=problem_id,
        display_id=display_id
        if isinstance(display_id, str) and DISPLAY_ID.fullmatch(display_id)
        else None,
        title=_string(problem.get("title")),
        severity=_word(problem.get("severityLevel"), "severityLevel"),
        impact=_word(problem.get("impactLevel"), "impactLevel"),
        status=status,
        start=_time(problem.get("startTime")),
        end=None if status == "OPEN" else _time(problem.get("endTime")),
        root_cause=_stub(problem.get("rootCauseEntity")),
        affected=_once(
            _stub(item) for item in _list(problem.get("affectedEntities"))[:MAX_ENTITIES]
        ),
        evidence=tuple(_evidence(details)),
        tags=tuple(_tags(problem.get("entityTags"))),
        management_zones=tuple(_zones(problem.get("managementZones"))),
        under_maintenance=any(_in_maintenance(item) for item in details),
        source=source,
    )


def parse_problem_v1(body: Any) -> Problem:
    """
    Return the Problem that a v1 object (``{ProblemDetailsJSON}``) describes.

    Raises UnexpectedAnswer when it is no problem. v1 entity ids are flat strings, and ``id`` may lack the suffix.
    """
    problem = _mapping(body, "problem")
    ranked = _evidence_list(_list(problem.get("rankedEvents")))
    events = [(event, _flat_entity(event)) for event in ranked]
    known_events = [(event, entity) for event, entity in events if entity is not None]
    problem_id, display_id = problem.get("id"), problem.get("displayName")
    if not isinstance(problem_id, str) and not isinstance(display_id, str):
        raise UnexpectedAnswer("a problem has neither `id` nor `displayName`")
    known = isinstance(problem_id, str) and PROBLEM_ID.fullmatch(problem_id)
    status = _word(problem.get("status", "OPEN"), "status")
    return Problem(
        problem_id=problem_id if known else None,
        display_id=display_id
        if isinstance(display_id, str) and DISPLAY_ID.fullmatch(display_id)
        else None,
        severity=_word(problem.get("severityLevel", "UNKNOWN"), "severityLevel"),
        impact=_word(problem.get("impactLevel", "UNKNOWN"), "impactLevel"),
        status=status,
        start=_time(problem.get("startTime")),
        end=None if status == "OPEN" else _time(problem.get("endTime")),
        affected=_once(entity for _, entity in known_events),
        evidence=tuple(_evidence_v1(known_events)),
        tags=tuple(_tags(problem.get("tagsOfAffectedEntities"))),
        source="notification",
    )


def parse_entity(body: Any) -> EntityDetail:
    """
    Return what matching needs of an entity of the Entities API v2; raises UnexpectedAnswer without an id.
    """
    entity = _mapping(body, "entity")
    entity_id = entity.get("entityId")
    if not isinstance(entity_id, str) or not is_entity_id(entity_id):
        raise UnexpectedAnswer("an entity has no usable `entityId`")
    properties = entity.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    tags = [tag for tag in _list(entity.get("tags")) if isinstance(tag, dict)]
    custom = _pairs(properties.get("customHostMetadata")) + _pairs(tags)
    # The real key is `ipAddress`; one example of the documentation spells it `ipAddresses`.
    addresses = properties.get("ipAddress", properties.get("ipAddresses"))
    return EntityDetail(
        id=entity_id,
        name=_string(entity.get("displayName")),
        technologies=tuple(dict.fromkeys(_technologies(properties.get("softwareTechnologies")))),
        relations=_relations(entity),
        detected_name=_string(properties.get("detectedName")),
        dns_names=tuple(
            item for item in _list(properties.get("dnsNames")) if isinstance(item, str)
        ),
        addresses=tuple(item for item in _list(addresses) if isinstance(item, str)),
        salt_minions=tuple(
            dict.fromkeys(value for key, value in custom if key == "salt_minion" and value)
        ),
    )


_IS_OPEN = {"OPEN": True, "CLOSED": False}


def is_entity_id(value: Any) -> bool:
    """
    Tell whether a value has the form of an entity id, e.g. ``HOST-5FD609AD6757BE7D``.
    """
    return isinstance(value, str) and ENTITY_ID.fullmatch(value) is not None


def entity_type(entity_id: str) -> str:
    """
    Return the type that an entity id carries: all before its last dash.
    """
    return entity_id.rpartition("-")[0]


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"a {what} is not a JSON object")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Any, name: str) -> str:
    """
    Return an enum value as it is spelled; what is no plain word never gets into a tag or a decision.
    """
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        return value
    raise UnexpectedAnswer(f"a problem has no usable `{name}`")


def _time(value: Any) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**14
    return value if good else None


def _nested(body: Mapping[str, Any], *names: str) -> list[Any]:
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return _list(value)


def _entity(entity_id: Any, name: Any) -> Entity | None:
    if not isinstance(entity_id, str) or not ENTITY_ID.fullmatch(entity_id):
        return None
    return Entity(entity_id, entity_type(entity_id), _string(name))


def _stub(value: Any) -> Entity | None:
    if not isinstance(value, dict):
        return None
    stub = value.get("entityId")
    stub_id = stub.get("id") if isinstance(stub, dict) else None
    return _entity(stub_id, value.get("name"))


def _once(entities: Iterable[Entity | None]) -> tuple[Entity, ...]:
    """
    Return each entity once; one with two names counts as two.
    """
    # The key is a tuple since hashing one is several times faster than hashing a dataclass.
    found = {(entity.id, entity.name): entity for entity in entities if entity is not None}
    return tuple(found.values())


def _flat_entity(event: Mapping[str, Any]) -> Entity | None:
    return _entity(event.get("entityId"), event.get("entityName"))


def _evidence_list(items: list[Any]) -> list[Mapping[str, Any]]:
    if len(items) > MAX_EVIDENCE:
        raise UnexpectedAnswer(f"a problem has more than {MAX_EVIDENCE} pieces of evidence")
    return [item for item in items if isinstance(item, dict)]


def _evidence(details: list[Mapping[str, Any]]) -> Iterable[Evidence]:
    for item in details:
        entity = _stub(item.get("entity"))
        if entity is None:
            continue
        data = item.get("data")
        status = data.get("status") if isinstance(data, dict) else None
        yield Evidence(
            entity=entity,
            kind=_string(item.get("evidenceType")),
            event_type=_event_type(item.get("eventType")),
            root_cause=item.get("rootCauseRelevant") is True,
            is_open=_IS_OPEN.get(_string(status)),
            grouping=_stub(item.get("groupingEntity")),
            start=_time(item.get("startTime")),
        )


def _evidence_v1(events: list[tuple[Mapping[str, Any], Entity]]) -> Iterable[Evidence]:
    for event, entity in events:
        yield Evidence(
            entity=entity,
            kind="EVENT",
            event_type=_event_type(event.get("eventType")),
            root_cause=event.get("isRootCause") is True,
            is_open=_IS_OPEN.get(_string(event.get("status"))),
            start=_time(event.get("startTime")),
        )


def _event_type(value: Any) -> str:
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", value)
    return value if good else ""


def _in_maintenance(item: Mapping[str, Any]) -> bool:
    """
    Tell whether a piece of evidence lies in a maintenance window: the flag stands on events, not on the problem.
    """
    data = item.get("data")
    flagged = isinstance(data, dict) and data.get("underMaintenance") is True
    return flagged or item.get("evidenceType") == "MAINTENANCE_WINDOW"


def _tags(value: Any) -> Iterable[str]:
    for tag in _list(value):
        text = tag.get("stringRepresentation") if isinstance(tag, dict) else None
        if isinstance(text, str):
            yield text
        elif isinstance(tag, dict) and isinstance(tag.get("key"), str):
            context, own = _string(tag.get("context")), _string(tag.get("value"))
            prefix = f"[{context}]" if context not in ("", "CONTEXTLESS") else ""
            yield prefix + tag["key"] + (f":{own}" if own else "")


def _zones(value: Any) -> Iterable[str]:
    return (_string(item.get("name")) for item in _list(value) if isinstance(item, dict))


def _technologies(value: Any) -> Iterable[str]:
    for item in _list(value):
        name = item.get("type") if isinstance(item, dict) else None
        if isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name):
            yield name


def _pairs(value: Any) -> list[tuple[str, str]]:
    """
    Return key and value pairs from the shapes seen: a list of ``{key, value}`` or a plain mapping.
    """
    if isinstance(value, dict):
        value = [{"key": key, "value": item} for key, item in value.items()]
    pairs = [item for item in _list(value) if isinstance(item, dict)]
    return [(_string(item.get("key")), _string(item.get("value"))) for item in pairs]


def _relations(entity: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for side in ("from", "to"):
        relations = entity.get(f"{side}Relationships")
        for name, items in relations.items() if isinstance(relations, dict) else ():
            ids = [item.get("id") for item in _list(items) if isinstance(item, dict)]
            found[f"{side}.{name}"] = tuple(
                [item for item in ids if isinstance(item, str) and ENTITY_ID.fullmatch(item)]
            )
    return found
