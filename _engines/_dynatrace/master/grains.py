"""
Reads the grains of a minion from the master's minion data cache, and tells why that cannot be done.

Salt takes what it may not enter for what is not there, and raises whatever the cache's driver raises.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..core.errors import GrainsUnknown

_RENEW = "then `saltutil.sync_all` on the minion brings a new one"


class Cache(Protocol):
    """
    What is used of ``salt.cache.Cache``.
    """

    driver: str
    cachedir: str
    modules: Any

    def fetch(self, bank: str, key: str) -> Any: ...


def reader(cache: Cache, enabled: bool) -> Callable[[str], Mapping[str, Any]]:
    """
    Return the function that reads a minion's grains, in the layout of Salt 3008 or of before; they are empty if there are
    none. It raises GrainsUnknown when that cannot be told.
    """

    def read(minion: str) -> Mapping[str, Any]:
        if not enabled:
            raise GrainsUnknown(
                "the master keeps no grains, since `minion_data_cache` is False in its configuration: "
                "remove that and restart the master"
            )
        found = _fetch(cache, "grains", minion)
        if found:
            return found
        grains = _fetch(cache, f"minions/{minion}", "data").get("grains") or {}
        return _mapping(grains, _place(cache, f"minions/{minion}", "data"))

    return read


def stamps(cache: Cache) -> Callable[[str], tuple[object, ...] | None]:
    """
    Return the function that tells by what the files of a minion's grains are known to be the same; it returns None with a
    driver that keeps no files, and where they cannot be looked at.
    """
    if cache.driver != "localfs":
        return lambda _: None

    def stamp(minion: str) -> tuple[object, ...] | None:
        places = (("grains", minion), (f"minions/{minion}", "data"))
        try:
            return tuple(_file(_place(cache, bank, key)) for bank, key in places)
        except OSError:
            return None

    return stamp


def _file(place: str) -> tuple[int, ...]:
    # Salt's own `updated` tells whole seconds, in which an entry may be written twice.
    try:
        found = os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def _fetch(cache: Cache, bank: str, key: str) -> Mapping[str, Any]:
    place = _place(cache, bank, key)
    if f"{cache.driver}.fetch" not in cache.modules:
        raise GrainsUnknown(
            f"the cache driver `{cache.driver}` cannot be loaded: correct the master's option `cache`, or install "
            "what the driver needs, and restart the master"
        )
    try:
        found = cache.fetch(bank, key)
        if found == {} and cache.driver == "localfs":
            # A directory that the master's user may not enter looks like an entry that is not there.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.stat(place)
    except Exception as err:
        raise GrainsUnknown(
            f"{place} cannot be read by the master's user ({type(err).__name__}: {str(err)[:200]}): correct its owner "
            f"or remove it; {_RENEW}"
        ) from err
    return _mapping(found, place)


def _mapping(found: Any, place: str) -> Mapping[str, Any]:
    if isinstance(found, Mapping):
        return found
    raise GrainsUnknown(f"{place} is empty or damaged: remove it; {_RENEW}")


def _place(cache: Cache, bank: str, key: str) -> str:
    """
    Return what to look at: a file, or the entry's name with a driver that keeps none.
    """
    if cache.driver == "localfs":
        return os.path.join(cache.cachedir, bank, f"{key}.p")
    return f"the entry {bank}/{key} of the cache {cache.driver}"
