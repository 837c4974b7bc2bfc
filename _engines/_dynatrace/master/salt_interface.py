"""
What the engine takes from Salt; ``dynatrace.py`` hands it in, and tests hand in substitutes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.identity import Grains
from .job_cache import Jobs


class EventBus(Protocol):
    """
    What is used of ``salt.utils.event.SaltEvent``: one connection, which one thread alone may use.
    """

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool: ...

    def get_event(self, **kwargs: Any) -> dict[str, Any] | None: ...

    def destroy(self) -> None: ...


@dataclass(frozen=True)
class Master:
    """
    The master that the engine runs in. ``directory`` is the engine's own.

    ``is_accepted`` looks at one minion's key alone. ``stamp`` returns what changes whenever the cached grains of a minion
    do, or None where the cache does not tell.

    ``why_untaken`` returns why no reactor takes an order under any of some tags, for a process of some technologies, with
    a remedy or none. ``secrets`` read secrets of the configuration again where they are kept, by the names of their
    options; there is none for what stands in the configuration itself. ``remedies`` is the catalogue as the admin wrote it.
    ``publish`` gives minions a function and its arguments, without waiting for a return, and returns the job's id.
    """

    directory: Path
    connect_to_fire: Callable[[], EventBus]
    connect_to_listen: Callable[[], EventBus]
    accepted: Callable[[], Iterable[str]]
    is_accepted: Callable[[str], bool]
    grains: Callable[[str], Grains | None]
    why_untaken: Callable[[Iterable[str], Sequence[str], str | None], str | None]
    publish: Callable[..., str]
    jobs: Jobs
    stamp: Callable[[str], Hashable | None] = lambda _: None
    remedies: Any = None
    secrets: Mapping[str, Callable[[], object]] = field(default_factory=dict)
