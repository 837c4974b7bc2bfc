"""
What the engine tells of itself: whether it works, and what does not.
"""

from __future__ import annotations

from collections.abc import Iterable

from _dynatrace.engine.health import Probe, Status, Troubles
from _dynatrace.master.minion_index import RELIST_S, MinionIndex
from _dynatrace.store.ledger import Ledger

NOW = 1721545260.0


class Keys:
    """
    A key store that may be away, and the index of its minions.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.is_away = False
        self.index = MinionIndex(self._list, lambda _: True, lambda _: None, lambda: self.now)

    def _list(self) -> Iterable[str]:
        if self.is_away:
            raise OSError("away")
        return ["web01"]

    def list(self) -> None:
        self.now += RELIST_S
        self.index.touch_keys()
        self.index.refresh()


def test_health_is_bad_while_a_thread_stands_still(ledger: Ledger) -> None:
    """
    Whatever else works; the thread is named, with the seconds since its last turn.
    """
    standing: dict[str, int] = {}
    status, keys = Status("test", 30.0, NOW, last_poll=NOW), Keys()
    troubles = Troubles(status, lambda: standing, keys.index, None)
    probe = Probe(status, ledger, lambda: True, troubles.facts, lambda: NOW)
    assert probe.health()[0]
    standing["relay"] = 300
    healthy, facts = probe.health()
    assert (healthy, facts["threads"]) == (False, {"relay": 300})


def test_health_names_what_fails_beside(ledger: Ledger) -> None:
    """
    It does not make the engine unhealthy: what can be read is healed.
    """
    status, keys = Status("test", 30.0, NOW, last_poll=NOW), Keys()
    troubles = Troubles(status, dict, keys.index, None)
    probe = Probe(status, ledger, lambda: True, troubles.facts, lambda: NOW)
    keys.list()
    assert probe.health()[1]["failing"] == {}
    keys.is_away, status.failing = True, {"details": "Unavailable"}
    keys.list()
    healthy, facts = probe.health()
    assert (healthy, facts["failing"]) == (True, {"details": "Unavailable", "minions": "OSError"})
    keys.is_away, status.failing = False, {}
    keys.list()
    assert probe.health()[1]["failing"] == {}
