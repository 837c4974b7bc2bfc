"""
Reads the master's job cache through its returner, and tells a job that is not there from a cache that cannot be read.

A cache that cannot be read proves nothing: not that a job was never executed, nor how it ended. So it is an error, and
whoever asked waits; what the bus tells meanwhile is not believed instead, since any minion can fire it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..core.errors import JobCacheError
from ..core.log_once import LogOnce

log = logging.getLogger(__name__)

#: One entry may be unreadable among others that are not: then it has not recovered.
QUIET_S = 60.0
#: Salt's own cache writes the files of a new job one after the other; so long after, what was being written is there.
WRITTEN_S = 0.2
#: So often a returner that could not be loaded is loaded again.
RELOAD_S = 10.0
Found = TypeVar("Found")


@dataclass(frozen=True)
class Jobs:
    """
    What the master's job cache knows; events only say that it is worth looking.

    ``minions`` returns whom a job was sent to, or None when there is no such job; ``returns`` maps minions to
    ``{"return": …, "retcode": …, "success": …}``. ``cached`` is False where the master keeps no job cache.
    """

    minions: Callable[[str], list[str] | None]
    returns: Callable[[str], Mapping[str, Any]]
    cached: bool = True


def through(
    name: str, option: str, load: Callable[[], Mapping[str, Callable[[str], Any]]], cached: bool
) -> Jobs:
    """
    Return access through the returner of a name, which the ``option`` of the master's configuration names.

    ``load`` gives the functions of all returners that can be loaded, as Salt's lazy loader does: it is called now and then
    again while one is missing. Both functions of what is returned raise JobCacheError.
    """
    functions, loaded = load(), time.monotonic()
    for one in ("get_load", "get_jid"):
        # Loaded by the thread that starts the engine: when several load at once an import may fail.
        _ = f"{name}.{one}" in functions

    def ask(function: str, jid: str) -> Mapping[str, Any]:
        nonlocal functions, loaded
        full = f"{name}.{function}"
        if full not in functions and time.monotonic() - loaded >= RELOAD_S:
            # Salt's loader never tries again what it could not load.
            functions, loaded = load(), time.monotonic()
        if full not in functions:
            raise JobCacheError(
                f"`{option}` names the returner {name}, which cannot be loaded here or has no {function}: install what "
                "it needs, or name one that can be read"
            )
        try:
            found = functions[full](jid)
        except Exception as err:  # What a returner raises is its own.
            why = f"{type(err).__name__}: {str(err)[:200]}"
            raise JobCacheError(f"{full} of `{option}` failed, {why}") from err
        if found and not isinstance(found, Mapping):
            raise JobCacheError(f"{full} of `{option}` gave no mapping")
        return found or {}

    def sent_to(jid: str) -> list[str] | None:
        load = ask("get_load", jid)
        if not load:
            return None if cached else []
        found = load.get("Minions") or load.get("minions") or load.get("tgt") or []
        return [found] if isinstance(found, str) else list(found)

    return Jobs(sent_to, lambda jid: ask("get_jid", jid), cached)


def watched(jobs: Jobs, name: str) -> Jobs:
    """
    Return the same access, which says once that the cache cannot be read, and once that it can again.

    While nothing is known to be wrong, what cannot be read is read a second time: it may just be written.
    """
    meanwhile = (
        "the job cache cannot be read, and nothing is ordered, given again or given up until it can"
    )
    outage = LogOnce(log, name, meanwhile, "the job cache can be read again", QUIET_S)

    def watch(ask: Callable[[str], Found]) -> Callable[[str], Found]:
        def asked(jid: str) -> Found:
            try:
                found = twice(jid) if outage.failing is None else ask(jid)
            except JobCacheError as err:
                outage.fails(err)
                raise
            outage.works()
            return found

        def twice(jid: str) -> Found:
            try:
                return ask(jid)
            except JobCacheError:
                time.sleep(WRITTEN_S)
                return ask(jid)

        return asked

    return replace(jobs, minions=watch(jobs.minions), returns=watch(jobs.returns))
