"""
Alerting profiles: whether one lets a problem through, and after how long.

That management zone, severity rules and event filters must all agree, that one severity rule is
enough, and how negated filters combine, is Dynatrace documentation's. Assumed: a profile without
severity rules lets nothing through, the shortest delay of the rules that fit counts, and a tag
without a context means one without a context. Not modelled: management zones, filters by event
properties (they match nothing), and the problem of several events (only the first counts).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.tenant.evidence import describe
from tests.tenant.tags import Tag, parse_tag

if TYPE_CHECKING:
    from tests.tenant.entities import Topology
    from tests.tenant.problem import Problem

_SEVERITIES = {"ERROR": "ERRORS"}


def delay_in_minutes(
    profile: Mapping[str, Any], problem: Problem, tags: Sequence[Tag], topology: Topology
) -> int | None:
    """
    Give how long a problem must last to be told by a profile; None when it never is.
    """
    severity = _SEVERITIES.get(problem.severity, problem.severity)
    delays = [
        int(rule["delayInMinutes"])
        for rule in profile["severityRules"]
        if rule["severityLevel"] == severity and _tagged(rule, tags)
    ]
    if not delays or profile.get("managementZone"):
        return None
    return min(delays) if _filtered(profile["eventFilters"], problem, topology) else None


def _tagged(rule: Mapping[str, Any], tags: Sequence[Tag]) -> bool:
    mode = rule["tagFilterIncludeMode"]
    if mode == "NONE":
        return True
    found = [any(parse_tag(text).same(own) for own in tags) for text in rule.get("tagFilter") or ()]
    return all(found) if mode == "INCLUDE_ALL" else any(found)


def _filtered(filters: Sequence[Mapping[str, Any]], problem: Problem, topology: Topology) -> bool:
    negated: list[bool] = []
    plain: list[bool] = []
    for one in filters:
        custom = one["type"] == "CUSTOM"
        for name, part in (
            _texts(one["customFilter"]) if custom else [("", one["predefinedFilter"])]
        ):
            met = _met(name, part, problem, topology)
            if part["negate"]:
                negated.append(not met)
            else:
                plain.append(met)
    return all(negated) and (any(plain) or not plain)


def _texts(custom: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    named = [(name, custom.get(name)) for name in ("titleFilter", "descriptionFilter")]
    found = [(name, one) for name, one in named if one and one["enabled"]]
    return found or [("metadataFilter", {"negate": False})]


def _met(name: str, part: Mapping[str, Any], problem: Problem, topology: Topology) -> bool:
    if not name:
        return bool(part["eventType"] == problem.event_type)
    if name == "metadataFilter":
        return False
    text = problem.title if name == "titleFilter" else describe(problem.affected[0], topology)
    value = str(part["value"])
    if not part["caseSensitive"]:
        text, value = text.lower(), value.lower()
    return _TESTS[part["operator"]](text, value)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "BEGINS_WITH": lambda text, value: text.startswith(value),
    "ENDS_WITH": lambda text, value: text.endswith(value),
    "CONTAINS": lambda text, value: value in text,
    "STRING_EQUALS": lambda text, value: text == value,
    "REGEX_MATCHES": lambda text, value: re.search(value, text) is not None,
}
