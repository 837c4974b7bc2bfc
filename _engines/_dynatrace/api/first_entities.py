"""
Several sources of entities, of which a tenant and its credentials may know some: the first that answers is taken.

What is refused is remembered for a while, so that it is not asked at each turn, and said once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ..core.errors import ApiError, AuthError, BadRequest, NotAsked, Refusal
from ..core.problem import EntityDetail, entity_type
from .sources import EntitySource, Say

#: So long a source that refused is not asked again: rights come back, and tables do.
REFUSED_S = 600.0
#: Grail's words for a table, or a field of it, that a tenant does not have.
_UNKNOWN = ("UNKNOWN_DATA_OBJECT", "FIELD_DOES_NOT_EXIST")

T = TypeVar("T")


class FirstEntities:
    """
    Asks, for each type of entity, the first of several sources that does not refuse. Where all refuse no entity is known,
    and what a problem itself tells is all there is.
    """

    def __init__(
        self,
        sources: Mapping[str, EntitySource],
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._say = say
        self._clock = clock
        #: By name of a source and type of entity, until when it is not asked, and why.
        self._refused: dict[tuple[str, str], tuple[float, str]] = {}

    def entity(self, entity_id: str) -> EntityDetail:
        """
        Return one entity; raises NotFound, and NotAsked where no source may be asked.
        """
        return self._first(entity_type(entity_id), lambda one: one.entity(entity_id))

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities of one type, by id; what the tenant does not know is left out.
        """
        wanted = list(ids)
        kind = entity_type(wanted[0]) if wanted else ""
        try:
            return self._first(kind, lambda one: one.entities(wanted))
        except NotAsked:
            return {}

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type by id; raises NotAsked where no source may be asked.
        """
        return self._first(kind, lambda one: one.all_of(kind))

    def hosts_of(self, processes: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return nothing: a problem names its hosts, and else their ids come with the processes.
        """
        return {}

    def _first(self, kind: str, ask: Callable[[EntitySource], T]) -> T:
        why: list[str] = []
        for name, source in self._sources.items():
            until, text = self._refused.get((name, kind), (0.0, ""))
            if until > self._clock():
                why.append(text)
                continue
            try:
                found = ask(source)
            except (AuthError, BadRequest) as err:
                why.append(self._note(name, kind, err))
            else:
                if self._refused.pop((name, kind), None) is not None:
                    self._say(f"entities of type {kind} are read from {name} again", False)
                return found
        raise NotAsked("; ".join(why))

    def _note(self, name: str, kind: str, err: ApiError) -> str:
        if not _is_refusal(err):
            raise err
        text = f"entities of type {kind} are not read from {name}: {err}"
        if (name, kind) not in self._refused:
            self._say(text, True)
        self._refused[name, kind] = self._clock() + REFUSED_S, text
        return text


def _is_refusal(err: ApiError) -> bool:
    # Credentials that are rejected as such (401) are no answer to what is asked.
    if isinstance(err, AuthError):
        return err.refusal is Refusal.FORBIDDEN
    return isinstance(err, BadRequest) and err.reason in _UNKNOWN
