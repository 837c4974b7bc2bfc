"""
Loads what is Salt's in the engine's threads, one after the other.

Where several threads import at once an import may fail, and Salt's lazy loader does not try again (``missing_modules`` in
``salt/loader/lazy.py``): a cache could not be read for as long as the engine runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_LOADING = threading.Lock()


def for_each_thread(make: Callable[[], T]) -> Callable[[], T]:
    """
    Return the function that returns what ``make`` made for the thread that asks: not all drivers may be shared.
    """
    own = threading.local()

    def get() -> T:
        if not hasattr(own, "made"):
            with _LOADING:
                own.made = make()
        made: T = own.made
        return made

    return get


def ready(cache: Any) -> Any:
    """
    Return a ``salt.cache.Cache`` once its driver is loaded.
    """
    _ = f"{cache.driver}.fetch" in cache.modules
    return cache
