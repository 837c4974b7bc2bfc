"""
What the criteria of a problemSelector and an entitySelector mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.tenant.bodies import problem_filters, problem_tags, problem_zones
from tests.tenant.entities import Entity, Topology, type_of
from tests.tenant.errors import violated
from tests.tenant.grammar import Criterion, SelectorError, parse
from tests.tenant.problem import Problem
from tests.tenant.tags import parse_tag

_LONGEST_TEXT = 30
_LONGEST_ENTITY_SELECTOR = 2000

# Each gives the values of a problem, one of which must be among those that the criterion names.
_VALUES: dict[str, Callable[[Problem, Topology], Iterable[str]]] = {
    "status": lambda problem, _: [problem.status],
    "displayId": lambda problem, _: [problem.display_id],
    "problemId": lambda problem, _: [problem.problem_id],
    "severityLevel": lambda problem, _: [problem.severity],
    "impactLevel": lambda problem, _: [problem.impact],
    "affectedEntities": lambda problem, _: problem.affected,
    "impactedEntities": lambda problem, _: problem.affected,
    "affectedEntityTypes": lambda problem, _: [type_of(one) for one in problem.affected],
    "rootCauseEntity": lambda problem, _: [problem.root_cause] if problem.root_cause else [],
    "managementZones": lambda problem, all_: [one["name"] for one in problem_zones(problem, all_)],
    "managementZoneIds": lambda problem, all_: [one["id"] for one in problem_zones(problem, all_)],
    "problemFilterIds": lambda problem, all_: [one["id"] for one in problem_filters(problem, all_)],
    "problemFilterNames.equals": lambda problem, all_: [
        one["name"] for one in problem_filters(problem, all_)
    ],
}
_ALONE = frozenset(
    {"status", "displayId", "problemId", "severityLevel", "impactLevel", "underMaintenance"}
)
_UPPER = frozenset({"status", "severityLevel", "impactLevel", "affectedEntityTypes"})
_OTHERS = frozenset({"underMaintenance", "text", "entityTags", "problemFilterNames"})


def select_problems(
    problems: Mapping[str, Problem], selector: str | None, topology: Topology
) -> list[Problem]:
    """
    Give the problems, which are kept by their id, that meet a problemSelector; a bad one is a 400.
    """
    criteria = _parse(selector, "problemSelector") if selector else []
    for criterion in criteria:
        _check(criterion)
    found: Iterable[Problem] = problems.values()
    for named in (one.values for one in criteria if one.name == "problemId"):
        # Thousands of others cost nothing.
        found = [problems[one] for one in dict.fromkeys(named) if one in problems]
        break
    tests = [_test(criterion, topology) for criterion in criteria]
    return [problem for problem in found if all(meets(problem) for meets in tests)]


def of_problem_alone(selector: str | None) -> bool:
    """
    Say whether only attributes of the problem itself decide whether it meets a problemSelector.
    """
    criteria = _parse(selector, "problemSelector") if selector else []
    return all(one.name in _ALONE for one in criteria)


def select_entities(selector: str, topology: Topology, *, path: str) -> list[Entity]:
    """
    Give the entities that meet an entitySelector, which must name one type or entity ids.
    """
    criteria = _parse(selector, path)
    selected_type(selector, path=path)
    return _chosen(criteria, topology, path)


def selected_type(selector: str, *, path: str) -> str:
    """
    Give the one entity type that an entitySelector is about.
    """
    if len(selector) > _LONGEST_ENTITY_SELECTOR:
        raise violated(path, f"must not be longer than {_LONGEST_ENTITY_SELECTOR} characters")
    criteria = _parse(selector, path)
    types = {value for one in criteria if one.name == "type" for value in one.values}
    types |= {type_of(value) for one in criteria if one.name == "entityId" for value in one.values}
    if len(types) != 1:
        raise violated(path, "exactly one entity type must be given by type or entityId")
    return types.pop()


def _parse(selector: str, path: str) -> list[Criterion]:
    try:
        return parse(selector)
    except SelectorError as err:
        raise violated(path, f"Invalid selector: {err}") from err


def _check(criterion: Criterion) -> None:
    name, values = criterion.name, criterion.values
    if name not in _VALUES and name not in _OTHERS:
        raise violated("problemSelector", f"Unknown criterion '{name}'")
    wrong = criterion.nested or (
        (criterion.bare not in (["true"], ["false"]) or values)
        if name == "underMaintenance"
        else (criterion.bare or not values)
    )
    if wrong:
        raise violated("problemSelector", f"Invalid arguments of '{name}'")
    if name == "status" and (len(values) != 1 or values[0].upper() not in ("OPEN", "CLOSED")):
        raise violated("problemSelector", "status takes one of open, closed")
    if name == "text" and len(values[0]) > _LONGEST_TEXT:
        raise violated("problemSelector", f"text must not exceed {_LONGEST_TEXT} characters")


def _test(criterion: Criterion, topology: Topology) -> Callable[[Problem], bool]:
    name, wanted = criterion.name, criterion.values
    if name == "underMaintenance":
        return lambda problem: problem.under_maintenance == (criterion.bare == ["true"])
    if name == "text":
        return lambda problem: _has_text(problem, wanted, topology)
    if name == "entityTags":
        tags = [parse_tag(text) for text in wanted]
        return lambda problem: any(
            tag.same(own) for tag in tags for own in problem_tags(problem, topology)
        )
    if name == "problemFilterNames":
        return lambda problem: any(
            text.lower() in one["name"].lower()
            for text in wanted
            for one in problem_filters(problem, topology)
        )
    chosen = {value.upper() for value in wanted} if name in _UPPER else set(wanted)
    values = _VALUES[name]
    return lambda problem: not chosen.isdisjoint(values(problem, topology))


def _has_text(problem: Problem, wanted: Iterable[str], topology: Topology) -> bool:
    names = [topology.entities[one].name for one in problem.affected if one in topology.entities]
    searched = " ".join([problem.title, problem.display_id, *names]).lower()
    return any(text.lower() in searched for text in wanted)


_NAME_TESTS: dict[str, Callable[[str, str], bool]] = {
    "entityName": lambda name, text: text in name,
    "entityName.equals": lambda name, text: text == name,
    "entityName.in": lambda name, text: text == name,
    "entityName.startsWith": lambda name, text: name.startswith(text),
}


def _narrowed(
    found: list[Entity], criterion: Criterion, topology: Topology, path: str
) -> list[Entity]:
    name, values = criterion.name, criterion.values
    side, _, relationship = name.partition(".")
    if side in ("fromRelationships", "toRelationships") and criterion.nested:
        # From the few that are named to those that are wanted, not the other way round.
        back = "toRelationships" if side == "fromRelationships" else "fromRelationships"
        ends = {
            end
            for one in _chosen(criterion.nested, topology, path)
            for end in _links(one, back, topology).get(relationship, ())
        }
        return [one for one in found if one.entity_id in ends]
    if not values or criterion.bare or criterion.nested:
        raise violated(path, f"Invalid arguments of '{name}'")
    if name == "type":
        return [one for one in found if one.type in values]
    if name == "entityId":
        ids = set(values)
        return [one for one in found if one.entity_id in ids]
    if name == "tag":
        tags = [parse_tag(value) for value in values]
        return [one for one in found if any(tag.same(own) for tag in tags for own in one.tags)]
    if name == "mzName":
        return [one for one in found if any(zone["name"] in values for zone in one.zones)]
    if name == "softwareTechnologies":
        return [one for one in found if _technologies(one) & set(values)]
    if meets := _NAME_TESTS.get(name):
        texts = [value.lower() for value in values]
        return [one for one in found if any(meets(one.name.lower(), text) for text in texts)]
    raise violated(path, f"Unknown criterion '{name}'")


def _technologies(entity: Entity) -> set[str]:
    # An attribute whose value is a list of objects; it is selected by their type.
    found = entity.properties.get("softwareTechnologies", [])
    return {str(one["type"]) for one in found if "type" in one}


def _chosen(criteria: list[Criterion], topology: Topology, path: str) -> list[Entity]:
    known = topology.entities
    ids = next((one.values for one in criteria if one.name == "entityId" and one.values), None)
    # Thousands of others cost nothing when the selector names ids.
    found = list(known.values()) if ids is None else _by_id(known, ids)
    for criterion in criteria:
        found = _narrowed(found, criterion, topology, path)
    return found


def _by_id(known: Mapping[str, Entity], ids: Iterable[str]) -> list[Entity]:
    return [known[one] for one in dict.fromkeys(ids) if one in known]


def _links(entity: Entity, side: str, topology: Topology) -> dict[str, Any]:
    return entity.links if side == "fromRelationships" else topology.incoming(entity.entity_id)
