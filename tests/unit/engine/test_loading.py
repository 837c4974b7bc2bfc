"""
What is Salt's is loaded by one thread of the engine after the other.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import salt.cache
import salt.config
from _dynatrace.master import loading


def test_threads_load_one_after_the_other_and_each_for_itself() -> None:
    at_work: list[int] = []
    most: list[int] = []

    def make() -> object:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.01)
        at_work.pop()
        return object()

    get = loading.for_each_thread(make)
    made: list[object] = []
    threads = [threading.Thread(target=lambda: made.append((get(), get()))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5
    assert all(first is second for first, second in made)
    assert len({id(first) for first, _ in made}) == 5


def test_a_cache_is_ready_when_its_driver_is_loaded(tmp_path: Path) -> None:
    """
    Salt's own, which from 3008 on loads at the first reading otherwise.
    """
    cache = salt.cache.factory({**salt.config.master_config(None), "cachedir": str(tmp_path)})
    assert loading.ready(cache) is cache
    assert "localfs.fetch" in cache.modules._dict
