"""
What is left of the index when a cache does not give what is asked: all but what it concerns.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from _dynatrace.core.identity import Match
from _dynatrace.master.known_minions import NO_GRAINS
from _dynatrace.master.minion_index import PATIENCE_S, RELIST_S, RESCAN_S

from tests.unit.engine.bodies import HOST, OTHER_HOST
from tests.unit.engine.test_minion_index import Master, detail

OWN = {"dynatrace": {"host_id": HOST}, "nodename": "web01"}
OTHER = {"dynatrace": {"host_id": OTHER_HOST}, "nodename": "web02"}


class Faulty(Master):
    """
    A master whose caches fail for some minions, or for the listing.
    """

    def __init__(self, grains: dict[str, dict[str, Any] | None]) -> None:
        super().__init__(grains)
        self.broken: set[str] = set()
        self.unlisted = False
        self.slow_s = 0.0

    def accepted(self) -> list[str]:
        if self.unlisted:
            raise RuntimeError("the key store is away")
        return super().accepted()

    def grains_of(self, minion: str) -> Any:
        if minion in self.broken:
            self.now += self.slow_s
            raise RuntimeError("the cache is away")
        return super().grains_of(minion)


def test_an_entry_that_cannot_be_read_costs_that_minion_alone() -> None:
    """
    All others are found, and the reason names the one.
    """
    master = Faulty({"web01": OWN, "web02": OTHER})
    master.broken = {"web02"}
    minions = master.minions()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    match = minions.find(OTHER_HOST, detail)
    assert match.reason == (
        "no minion has this host id, name or address; of 1 of 2 accepted minions (web02) only the id is known: "
        "RuntimeError: the cache is away"
    )
    assert len(minions) == 2


@pytest.mark.parametrize("grains", [[1, 2], "text", 7])
def test_grains_that_are_no_mapping_cost_that_minion_alone(grains: Any) -> None:
    """
    A damaged entry may be read as anything.
    """
    master = Faulty({"web01": OWN, "web02": grains})
    minions = master.minions()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    assert "web02" in minions


@pytest.mark.parametrize("how", ["rescan", "touch", "acted on"])
def test_a_cache_that_is_away_for_a_moment_leaves_what_was_known(how: str) -> None:
    """
    Whoever was found before is found.
    """
    master = Faulty({"web01": OWN, "web02": OTHER})
    minions = master.minions()
    master.broken = {"web01", "web02"}
    if how == "rescan":
        minions._known._stamps.clear()
        minions.scan()
    elif how == "touch":
        minions.touch("web01")
        minions.refresh()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    assert minions.find(OTHER_HOST, detail) == Match("web02", "host_id")


def test_grains_that_were_cleared_are_known_no_more() -> None:
    """
    An entry that is gone is no fault of the cache: who the minion is must be told anew.
    """
    master = Faulty({"web01": OWN})
    minions = master.minions()
    minions.refresh()
    master.grains["web01"] = {}
    minions.touch("web01")
    minions.refresh()
    assert NO_GRAINS in minions.find(HOST, detail).reason


def test_what_cannot_be_read_is_logged_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    """
    In one line, however many there are and however often they are read; again only after it worked.
    """
    master = Faulty({f"web{number}": {} for number in range(9)})
    minions = master.minions()
    with caplog.at_level(logging.WARNING):
        for broken in (set(master.grains), set(master.grains), set(), {"web3"}):
            master.broken = broken
            minions._known._stamps.clear()
            minions.scan()
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(said) == 2
    assert "of 9 of 9 minions (web0, web1, web2, web3, web4, …)" in said[0]
    assert "of 1 of 9 minions (web3)" in said[1]


def test_a_listing_that_fails_empties_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """
    Neither when keys were touched nor when a miss has all looked at; it is logged once, and tried again.
    """
    master = Faulty({"web01": OWN})
    minions = master.minions()
    minions.refresh()
    master.unlisted = True
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            minions.touch_keys()
            master.now += RESCAN_S
            minions.find(OTHER_HOST, detail)
            minions.refresh()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "RuntimeError: the key store is away" in record.getMessage()
    master.unlisted = False
    master.grains["web02"] = OTHER
    master.now += RELIST_S
    minions.refresh()
    assert minions.find(OTHER_HOST, detail) == Match("web02", "host_id")


def test_an_engine_that_starts_while_the_keys_cannot_be_listed_finds_them_later() -> None:
    """
    Until then the reason says so.
    """
    master = Faulty({"web01": OWN})
    master.unlisted = True
    minions = master.minions()
    minions.refresh()
    match = minions.find(HOST, detail)
    assert match.reason.endswith(
        "; the accepted minions cannot be listed: RuntimeError: the key store is away"
    )
    master.unlisted = False
    master.now += RELIST_S
    minions.refresh()
    assert minions.find(HOST, detail) == Match("web01", "host_id")


def test_a_cache_that_hangs_is_not_asked_for_each_of_ten_thousand() -> None:
    """
    A scan waits for it a few times, and the loop goes on.
    """
    master = Faulty({f"web{number:05}": {} for number in range(10_000)})
    minions = master.minions()
    minions.refresh()
    master.broken, master.slow_s = set(master.grains), 5.0
    began = master.now
    minions._known._stamps.clear()
    minions.scan()
    assert master.now - began <= PATIENCE_S + 2 * master.slow_s
    assert len(minions) == 10_000


def test_a_minion_without_grains_is_not_found_by_its_id() -> None:
    """
    Nothing is known that could agree with it; the reason says what helps.
    """
    match = Faulty({"web01": None}).minions().find(HOST, lambda: detail(name="web01"))
    assert match == Match(None, reason=f"web01 fits by name, but {NO_GRAINS}")
    assert "saltutil.sync_all" in match.reason


def test_a_minion_without_grains_is_found_by_the_hosts_property() -> None:
    """
    It names an id, and an admin wrote it.
    """
    match = Faulty({"web01": None}).minions().find(HOST, lambda: detail(salt_minions=("web01",)))
    assert match == Match("web01", "property")


@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_cannot_be_looked_at_is_as_it_was(known: bool) -> None:
    """
    Neither is a minion forgotten, nor is one taken in of which nothing is known.
    """
    master = Faulty({"web01": OWN} if known else {})
    minions = master.minions()

    def away(_: str) -> bool:
        raise RuntimeError("the key store is away")

    minions.is_accepted = away
    minions.touch_key("web01")
    minions.refresh()
    assert ("web01" in minions) is known


def test_a_minion_whose_key_went_is_not_brought_back_by_a_search() -> None:
    """
    Its key is removed while a search reads it again.
    """
    master = Faulty({"web01": OWN})
    minions = master.minions()
    real = master.grains_of

    def removing(minion: str) -> Any:
        found = real(minion)
        del master.grains["web01"]
        minions.touch_key("web01")
        minions.refresh()
        return found

    minions._known.grains = removing
    minions._known._stamps.clear()
    assert minions.find(HOST, detail).minion is None
    assert (len(minions), "web01" in minions) == (0, False)
