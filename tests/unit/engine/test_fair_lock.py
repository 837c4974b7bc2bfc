"""
The ledger's lock: one thread at a time, again for who has it, and in turn.
"""

from __future__ import annotations

import contextlib
import threading
import time

from _dynatrace.store.fair_lock import FairLock

ROUNDS = 50


def test_who_waits_comes_before_who_has_just_had_it() -> None:
    """
    With Python's own lock the other thread has it again first, at each turn.
    """
    lock, over = FairLock(), threading.Event()
    had = 0

    def ask_all_the_time() -> None:
        nonlocal had
        while not over.is_set():
            with lock:
                had += 1
                time.sleep(0.0005)

    busy = threading.Thread(target=ask_all_the_time)
    busy.start()
    waited = 0
    for _ in range(ROUNDS):
        before = had
        with lock:
            waited += had - before
        time.sleep(0.003)
    over.set()
    busy.join()
    assert had > ROUNDS
    assert waited < ROUNDS / 2


def test_one_thread_has_it_and_may_take_it_again() -> None:
    """
    Until it has let go of it as often as it took it.
    """
    lock = FairLock()
    inside = most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(ROUNDS):
            with lock, lock:
                with lock:
                    inside += 1
                time.sleep(0)
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (inside, most) == (0, 1)


def test_an_error_inside_lets_go_of_it() -> None:
    """
    The next one gets it.
    """
    lock = FairLock()
    for _ in range(2):
        with contextlib.suppress(ValueError), lock:
            raise ValueError
    taken: list[bool] = []

    def take() -> None:
        with lock:
            taken.append(True)

    other = threading.Thread(target=take, daemon=True)
    other.start()
    other.join(10)
    assert taken == [True]
