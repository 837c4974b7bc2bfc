"""
The language of Settings 2.0 schemas, as far as the modelled ones speak it, and what breaks them.

Preconditions, limits, masked secrets and their resubmission are those of the published schemas and
of Dynatrace documentation. The paths and the texts about null, types, limits and data
sources follow captured answers; the other wordings are synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """
    The violations found so far, and what validation may ask the environment.
    """

    exists: Callable[[str, str], bool] = lambda schema_id, object_id: True
    site_local_urls: bool = True
    violations: list[dict[str, Any]] = field(default_factory=list)

    def say(self, path: str, message: str) -> None:
        """
        Keep a violation.
        """
        where = {"parameterLocation": "PAYLOAD_BODY", "location": None}
        self.violations.append({"path": path, "message": message, **where})

    def breaks(self, path: str, value: Any, why: str) -> None:
        """
        Keep a violation of a limit.
        """
        name = path.rpartition("/")[2]
        text = f"Given property '{name}' with value: '{value}' violates the following constraint: "
        self.say(path, text + why)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """
    A property; `when` names a property beside it and the values with which this one may be set.

    `resubmit` says that it cannot change while a secret stays masked.
    """

    nullable: bool = False
    when: tuple[str, tuple[Any, ...]] | None = None
    resubmit: bool = False

    def look(self, value: Any, path: str, report: Report) -> None:
        """
        Report what is wrong with a value that is there.
        """

    def masked(self, value: Any) -> Any:
        """
        Give the value without its secrets.
        """
        return value

    def restored(self, new: Any, old: Any) -> tuple[Any, bool]:
        """
        Give the new value with the old secrets where it has masks, and whether it had any.
        """
        return new, False

    def moved(self, new: Any, old: Any) -> bool:
        """
        Say whether something changed that asks for the secrets again.
        """
        return self.resubmit and new != old


@dataclass(frozen=True, kw_only=True)
class Several(Kind):
    """
    A set; `key` tells which old item a new one with masked secrets stands for.
    """

    of: Kind
    low: int = 0
    high: int = 100
    key: str = ""

    def look(self, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, list):
            report.say(path, "Must be of type set")
            return
        if len(value) < self.low:
            why = f"fell below the collection's lower size limit which was set to {self.low}."
            report.breaks(path, len(value), why)
        if len(value) > self.high:
            why = f"exceeded the collection's upper size limit which was set to {self.high}."
            report.breaks(path, len(value), why)
        for number, item in enumerate(value):
            self.of.look(item, f"{path}/{number}", report)

    def masked(self, value: Any) -> Any:
        return [self.of.masked(item) for item in value] if isinstance(value, list) else value

    def restored(self, new: Any, old: Any) -> tuple[Any, bool]:
        if not isinstance(new, list) or not self.key:
            return new, False
        known = {_key(item, self.key): item for item in old or ()}
        pairs = [self.of.restored(item, known.get(_key(item, self.key))) for item in new]
        return [value for value, _ in pairs], any(kept for _, kept in pairs)


@dataclass(frozen=True, kw_only=True)
class Part(Kind):
    """
    An object with properties; `rule` is what holds between them.
    """

    fields: Mapping[str, Kind]
    rule: Callable[[Mapping[str, Any], str, Report], None] | None = None

    def look(self, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, dict):
            report.say(path, "Must be of type object")
            return
        for name in sorted(value.keys() - self.fields.keys()):
            report.say(f"{path}/{name}", f"Unknown property '{name}'")
        before = len(report.violations)
        for name, kind in self.fields.items():
            self._look_at(name, kind, value, path, report)
        if self.rule and len(report.violations) == before:
            self.rule(value, path, report)

    def _look_at(
        self, name: str, kind: Kind, value: Mapping[str, Any], path: str, report: Report
    ) -> None:
        inside, given = f"{path}/{name}", value.get(name)
        other, allowed = kind.when or ("", ())
        if other and value.get(other) not in allowed:
            if given is not None:
                report.say(inside, f"Given property '{name}' must not be set: see '{other}'")
        elif given is not None:
            kind.look(given, inside, report)
        elif not kind.nullable:
            text = f"Given property '{name}' with value: 'null'"
            report.say(inside, f"{text} does not comply with required NonNull of schema")

    def masked(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: self.fields[name].masked(item) if name in self.fields else item
            for name, item in value.items()
        }

    def restored(self, new: Any, old: Any) -> tuple[Any, bool]:
        if not isinstance(new, dict):
            return new, False
        old = old if isinstance(old, dict) else {}
        pairs = {
            name: self.fields[name].restored(item, old.get(name))
            if name in self.fields
            else (item, False)
            for name, item in new.items()
        }
        return {name: value for name, (value, _) in pairs.items()}, any(
            kept for _, kept in pairs.values()
        )

    def moved(self, new: Any, old: Any) -> bool:
        new, old = (one if isinstance(one, dict) else {} for one in (new, old))
        return any(kind.moved(new.get(name), old.get(name)) for name, kind in self.fields.items())


@dataclass(frozen=True)
class Schema:
    """
    A schema; a scope is `environment` or an entity type, `several` that a scope has many objects.

    `ordered` says that their order counts, and that a call may say where an object goes.
    """

    schema_id: str
    version: str
    root: Part
    scopes: tuple[str, ...] = ("environment",)
    several: bool = True
    ordered: bool = False
    most: int = 1000


def _key(item: Any, key: str) -> str:
    return str(item.get(key)) if isinstance(item, dict) else ""
