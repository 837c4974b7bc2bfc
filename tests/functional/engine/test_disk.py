"""
The disk is full, the ledger is damaged under the running engine, or another engine has it.
"""

from __future__ import annotations

import logging
import os
import sqlite3

import pytest
from _dynatrace.config.config import load
from _dynatrace.core.errors import LedgerDamaged, LedgerError, LedgerInUse
from _dynatrace.engine import startup
from _dynatrace.store.ledger import Ledger

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import GOOD, World


def fill(world: World, full: bool) -> None:
    """
    Let the ledger have no further page, or as many as it likes: sqlite says of both what it says of a disk.
    """
    used = world.ledger.database.connection.execute("PRAGMA page_count").fetchone()[0]
    world.ledger.database.connection.execute(f"PRAGMA max_page_count = {used if full else 10**6}")


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """
    Return what the engine said at a level or above.
    """
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= level and record.name.startswith("_dynatrace")
    ]


def test_nothing_is_done_while_the_disk_is_full_and_all_of_it_afterwards(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What cannot be recorded is not fired; it is said once, and once that it is over.
    """
    names = [f"web{number:02d}" for number in range(40)]
    for name in names:
        scene.host(name)
    world = scene.world(policy={"max_minions": 100})
    world.poll()
    caplog.set_level(logging.DEBUG)
    fill(world, True)
    for name in names:
        scene.tenant.open_problem(scene.apaches[name], title=name + " " + "x" * 900)
    for _ in range(5):
        world.reconciler._next_poll = 0.0
        world.reconciler.step()
        world.fire()
        world.now += 31
    known = world.ledger.episodes.summaries()
    assert len(known) < len(names)
    assert {data["problem_id"] for data in world.events()} <= set(known)
    (error,) = said(caplog, logging.WARNING)
    assert "nothing is done until the ledger works" in error and "full" in error

    fill(world, False)
    for _ in range(3):
        world.reconciler._next_poll = 0.0
        world.reconciler.step()
        world.fire()
        world.now += 1
    acted = [minion for data in world.events() for minion in data["minions"]]
    assert sorted(acted) == names
    world.now += 31
    world.reconciler.step()
    assert sum("works again" in text for text in said(caplog, logging.INFO)) == 1


def test_a_full_disk_that_still_lets_itself_be_read_is_no_recovery(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A cycle between two polls has nothing to write: it neither ends the failing nor has it said anew.
    """
    apache = scene.host("web01")
    world = scene.world()
    world.poll()
    caplog.set_level(logging.DEBUG)
    fill(world, True)
    scene.tenant.open_problem(apache, title="x" * 9000)
    for _ in range(30):
        world.reconciler.step()
        world.now += 5
    (error,) = said(caplog, logging.WARNING)
    assert "nothing is done until the ledger works" in error
    assert not [text for text in said(caplog, logging.INFO) if "works again" in text]

    fill(world, False)
    for _ in range(30):
        world.reconciler.step()
        world.now += 5
    assert sum("works again" in text for text in said(caplog, logging.INFO)) == 1
    assert world.ledger.episodes.summaries()


def test_an_outcome_that_could_not_be_recorded_is_recorded_later(scene: Scene) -> None:
    """
    The return is gone from the bus; the job cache has it, and the comment is written once.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.ledger.database.connection.execute("PRAGMA query_only = ON")
    world.salt_runs(world.events("open")[0], GOOD)
    with pytest.raises(LedgerError):
        world.cycle(1)
    world.ledger.database.connection.execute("PRAGMA query_only = OFF")
    for _ in range(3):
        world.cycle(20)
    world.send_comments()
    assert world.whats() == ["open", "healed"]
    assert len(scene.tenant.comments(problem)) == 1


def test_a_ledger_damaged_while_it_is_used_is_moved_aside_by_the_next_engine(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The loop ends, so that Salt starts another engine; that one begins anew, and the job cache remembers.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    world.ledger.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = world.ledger.database.path.stat().st_size
    with open(world.ledger.database.path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    world.ledger.database.connection.execute("PRAGMA shrink_memory")
    world.reconciler._next_poll = 0.0
    world.reconciler.run()
    assert [text for text in said(caplog, logging.ERROR) if "the engine starts anew" in text]
    world.restart()
    assert world.ledger.database.moved_aside is not None
    for _ in range(5):
        world.poll(31)
    assert sum(bool(data["minions"]) for data in world.events()) == 1
    world.restart()
    assert world.ledger.database.moved_aside is None


def test_damage_that_the_check_at_the_start_does_not_see_is_remembered(scene: Scene) -> None:
    """
    Else the engine would be started, and end, for ever.
    """
    world = scene.world()
    world.ledger.settings.put("a", "1")
    with pytest.raises(LedgerDamaged), world.ledger.database._reads:
        raise sqlite3.DatabaseError("database disk image is malformed")
    world.restart()
    assert world.ledger.database.moved_aside is not None
    assert world.ledger.settings.get("a") is None


def test_whoever_finds_the_ledger_in_use_is_told_by_whom(scene: Scene) -> None:
    """
    An earlier process of the same engine will let go of it; another engine will not.
    """
    path = scene.directory / "own" / "ledger.db"
    first = Ledger(path, "tenant-a")
    for owner in ("tenant-a", "tenant-b"):
        with pytest.raises(LedgerInUse, match=rf"tenant-a, process {os.getpid()}\b") as found:
            Ledger(path, owner)
        assert found.value.owner == "tenant-a"
    first.close()
    second = Ledger(path, "tenant-b")
    with pytest.raises(LedgerInUse) as found:
        Ledger(path, "tenant-a")
    assert found.value.owner == "tenant-b"
    second.close()


def test_an_engine_waits_for_its_own_earlier_process_and_refuses_that_of_another(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Said once, however long it takes; the ledger of another engine is an error at once.
    """
    path = scene.directory / "own" / "ledger.db"
    earlier = Ledger(path, "tenant-a")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            earlier.close()

    monkeypatch.setattr(startup.time, "sleep", sleep)
    with pytest.raises(LedgerInUse):
        startup.open_ledger("tenant-b", path)
    assert waited == []
    startup.open_ledger("tenant-a", path).close()
    assert len(waited) == 5
    assert sum("it waits for the ledger" in record.getMessage() for record in caplog.records) == 1


def test_an_engine_that_starts_on_a_full_disk_runs_when_there_is_room(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It would sleep until somebody restarts the master, long after the disk has room again.
    """
    path = scene.directory / "own" / "ledger.db"
    full: list[object] = [True]
    connect = sqlite3.connect

    def opens(*args: object, **kwargs: object) -> sqlite3.Connection:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        return connect(*args, **kwargs)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", opens)
    monkeypatch.setattr(startup.time, "sleep", lambda _: full.clear())
    ledger = startup.open_ledger("tenant-a", path)
    assert sum("disk is full" in text for text in said(caplog, logging.WARNING)) == 1
    ledger.database.connection.execute("PRAGMA user_version = 99")
    ledger.close()
    with pytest.raises(LedgerError, match="newer version"):
        startup.open_ledger("tenant-a", path)


def test_a_start_that_cannot_be_announced_is_one_all_the_same(scene: Scene) -> None:
    """
    The loop waits for room, and says so.
    """
    world = scene.world()
    fill(world, True)
    world.ledger.database.connection.execute("PRAGMA query_only = 1")
    startup.announce("test", load(world.given), world.ledger)
    world.ledger.database.connection.execute("PRAGMA query_only = 0")
    fill(world, False)
