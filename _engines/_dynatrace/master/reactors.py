"""
Tells whether a reactor may take an order, by the reactors that the master is configured with.

Salt drops an event that no reactor is mapped to, and one whose reactors make nothing of it, without a word. A file takes
the technologies that it asks ``dynatrace.order`` for, and all that has a remedy of the catalogue where it asks for none,
if it uses nothing else of the event to act by. What cannot be read, or does otherwise, may take anything: an order too
many calls a person, one too few heals nobody.
"""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

#: How long what a file takes is believed before the file is looked at again.
CHECK_S = 5.0
MAX_FILE_BYTES = 262_144
MAX_FILES = 100
#: What a reactor may tell of an event without acting by it.
_TOLD = frozenset(
    [
        "display_id",
        "dry_run",
        "end",
        "episode",
        "impact",
        "instance",
        "problem_id",
        "reason",
        "severity",
        "source",
        "start",
        "status",
        "title",
        "url",
        "what",
    ]
)
_COMMENT = re.compile(r"\{#.*?#\}|^\s*#(?!!)[^\n]*", re.DOTALL | re.MULTILINE)
#: Without a technology it asks for whatever has a remedy.
_ORDER = re.compile(r"dynatrace\.order['\"]\]\(\s*data\s*(?:,\s*['\"]([A-Z0-9_]{1,64})['\"]\s*)?\)")
#: Among the technologies that are asked for: it takes what has a remedy.
REMEDIES = ""
_GENUINE = re.compile(r"dynatrace\.genuine['\"]\]\(\s*data\s*\)")
_DATA = re.compile(r"\bdata\b(?:\[['\"](\w+)['\"]\]|\.(\w+))?")
_ELSEWHERE = re.compile(r"\b(import|include|extends|macro)\b|^#!(?!\s*jinja\s*\|\s*yaml\s*$)", re.M)


@dataclass
class Reactors:
    """
    The reactors of this master. ``configured`` returns its ``reactor``, and ``served`` where a file of ``salt://`` lies.
    """

    configured: Callable[[], Any]
    served: Callable[[str], str | None]
    now: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, frozenset[str] | None]] = field(default_factory=dict)

    def why_untaken(
        self, tags: Iterable[str], technologies: Sequence[str], remedy: str | None = None
    ) -> str | None:
        """
        Return why no reactor takes an order with one of these tags, for such a process and with this remedy or none; None:
        one may.
        """
        paths = self._mapped(tags)
        if paths is None:
            return None
        if not paths:
            return "no reactor is mapped to its events"
        wanted = {*technologies, *([REMEDIES] if remedy is not None else [])}
        found: set[str] = set()
        for path in paths:
            asked = self._asked_for(path)
            if asked is None or asked & wanted:
                return None
            found |= asked
        return _why(technologies, remedy, by_catalogue=REMEDIES in found)

    def _mapped(self, tags: Iterable[str]) -> list[str] | None:
        """
        Return the paths that are mapped to any of the tags, as Salt reads the list; None where it is a path itself.
        """
        reactors = self.configured()
        if not isinstance(reactors, list):
            return None if reactors else []
        wanted = list(tags)
        found: dict[str, None] = {}
        for entry in reactors:
            if not isinstance(entry, dict) or len(entry) != 1:
                continue
            [(pattern, paths)] = entry.items()
            if any(fnmatch(one, str(pattern)) for one in wanted):
                listed = [paths] if isinstance(paths, str) else paths
                found.update(dict.fromkeys(map(str, listed if isinstance(listed, list) else ())))
        return list(found)

    def _asked_for(self, path: str) -> frozenset[str] | None:
        """
        Return which technologies the files of a path ask for; None: perhaps any.
        """
        checked, asked = self._known.get(path, (None, None))
        if checked is not None and self.now() - checked < CHECK_S:
            return asked
        try:
            asked = self._read(path)
        except (OSError, ValueError):
            asked = None
        self._known[path] = (self.now(), asked)
        return asked

    def _read(self, path: str) -> frozenset[str] | None:
        if path.startswith("salt://"):
            place = self.served(path.removeprefix("salt://"))
            places = [place] if place else []
        else:
            places = glob.glob(path)  # As Salt does.
        if not places or len(places) > MAX_FILES:
            return None
        found: set[str] = set()
        for place in places:
            if os.path.getsize(place) > MAX_FILE_BYTES:
                return None
            with open(place, encoding="utf-8") as stream:
                asked = asked_for(stream.read())
            if asked is None:
                return None
            found |= asked
        return frozenset(found)


def _why(technologies: Sequence[str], remedy: str | None, by_catalogue: bool) -> str:
    named = ", ".join(technologies[:5])
    if remedy is not None:
        return f"no reactor takes the remedy {remedy}: map reactor/remedy.sls"
    if by_catalogue:
        return f"no remedy of the catalogue takes it ({named or 'Dynatrace names no technology'})"
    return f"no reactor takes {named}" if named else "Dynatrace names no technology of it"


def asked_for(text: str) -> frozenset[str] | None:
    """
    Return which technologies the text of a reactor asks ``dynatrace.order`` for, with ``REMEDIES`` where it asks for none;
    None: it may act by something else.
    """
    text = _COMMENT.sub("", text)
    asked = frozenset(_ORDER.findall(text))
    rest = _GENUINE.sub("", _ORDER.sub("", text))
    if _ELSEWHERE.search(text) or "dynatrace.order" in rest:
        return None
    allowed = _TOLD | {"jid"} if asked else _TOLD
    used = (match[1] or match[2] for match in _DATA.finditer(rest))
    return asked if all(key in allowed for key in used) else None
