"""
The properties that are no object and no set: texts, numbers, words, times, references.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.tenant.schema import Kind, Report

# Documentation says that secrets come back masked, not how.
MASK = "*" * 16


@dataclass(frozen=True, kw_only=True)
class Opaque(Kind):
    """
    A part that is not modelled and taken as it is.
    """


@dataclass(frozen=True, kw_only=True)
class Text(Kind):
    """
    A text of limited length.
    """

    low: int = 1
    high: int = 500
    pattern: str = ""
    blank: bool = False

    def look(self, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, str):
            report.say(path, "Must be of type text")
            return
        shown = self.masked(value)
        if not self.low <= len(value) <= self.high:
            report.breaks(path, shown, f"length must be between {self.low} and {self.high}")
        elif self.low and not self.blank and not value.strip():
            report.breaks(path, shown, "must not be blank")
        elif self.pattern and not re.fullmatch(self.pattern, value, re.DOTALL):
            report.breaks(path, shown, f"must match the pattern {self.pattern}")


@dataclass(frozen=True, kw_only=True)
class Secret(Text):
    """
    A text that never comes back.
    """

    def masked(self, value: Any) -> Any:
        return None if value is None else MASK

    def restored(self, new: Any, old: Any) -> tuple[Any, bool]:
        return (old, True) if new == MASK and old is not None else (new, False)


@dataclass(frozen=True, kw_only=True)
class Flag(Kind):
    """
    A boolean.
    """

    def look(self, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, bool):
            report.say(path, "Must be of type boolean")


@dataclass(frozen=True, kw_only=True)
class Whole(Kind):
    """
    An integer within limits.
    """

    low: int
    high: int

    def look(self, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report.say(path, "Must be of type integer")
        elif not self.low <= value <= self.high:
            report.breaks(path, value, f"must be between {self.low} and {self.high}")


@dataclass(frozen=True, kw_only=True)
class Choice(Kind):
    """
    One of several words.
    """

    of: tuple[Any, ...]

    def look(self, value: Any, path: str, report: Report) -> None:
        if value not in self.of:
            name = path.rpartition("/")[2]
            text = f"Given property '{name}' with value: '{value}' is not a valid value in"
            report.say(
                path, f"{text} datasource. Value must be one of [{', '.join(map(str, self.of))}]"
            )


@dataclass(frozen=True, kw_only=True)
class Moment(Kind):
    """
    A date, a time of day or both, without a zone.
    """

    form: str
    named: str

    def look(self, value: Any, path: str, report: Report) -> None:
        try:
            if datetime.strptime(value, self.form).strftime(self.form) == value:
                return
        except (TypeError, ValueError):
            pass
        report.say(path, f"Must be of type {self.named}")


@dataclass(frozen=True, kw_only=True)
class Zone(Kind):
    """
    The name of a time zone.
    """

    def look(self, value: Any, path: str, report: Report) -> None:
        try:
            zone(value)
        except ValueError:
            report.say(path, "Must be of type time_zone")


@dataclass(frozen=True, kw_only=True)
class Reference(Kind):
    """
    The id of an object of another schema.
    """

    to: str

    def look(self, value: Any, path: str, report: Report) -> None:
        if not isinstance(value, str) or not report.exists(self.to, value):
            report.say(path, "Must be of type setting")


def zone(name: str) -> ZoneInfo:
    """
    Give a time zone; `ValueError` when there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, TypeError) as err:
        raise ValueError(f"there is no time zone {name!r}") from err
