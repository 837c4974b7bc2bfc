"""
Finding the minion that is a host: the order of the steps, ambiguity, and an index that is not rebuilt for each miss.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from _dynatrace.core.identity import Match
from _dynatrace.core.problem import EntityDetail
from _dynatrace.master.minion_index import (
    NEWS_S,
    PERIOD_S,
    RELIST_S,
    REREADS,
    RESCAN_S,
    TOUCHED,
    MinionIndex,
)

from tests.unit.engine.bodies import HOST, OTHER_HOST


class Master:
    """
    A master with accepted minions and their grains, which counts how often it is asked.
    """

    def __init__(self, grains: dict[str, dict[str, Any] | None]) -> None:
        self.grains = grains
        self.now = 1000.0
        self.listed = 0
        self.read: list[str] = []
        self.looked_at: list[str] = []
        self.told = 0

    def accepted(self) -> list[str]:
        """
        List the accepted minions.
        """
        self.listed += 1
        return list(self.grains)

    def is_accepted(self, minion: str) -> bool:
        """
        Look at one key.
        """
        self.looked_at.append(minion)
        return minion in self.grains

    def stamp(self, minion: str) -> str:
        """
        Return what is written of one, as a file's time stands for it.
        """
        return repr(self.grains[minion])

    def tell(self) -> None:
        """
        Note that the index has news.
        """
        self.told += 1

    def grains_of(self, minion: str) -> dict[str, Any] | None:
        """
        Return the cached grains of one.
        """
        self.read.append(minion)
        return self.grains[minion]

    def unbuilt(self) -> MinionIndex:
        """
        Return an index that has read nothing yet.
        """
        asks = self.accepted, self.is_accepted, self.grains_of, lambda: self.now
        return MinionIndex(*asks, stamp=self.stamp, on_news=self.tell)

    def minions(self) -> MinionIndex:
        """
        Return the index under test.
        """
        index = self.unbuilt()
        index.refresh()
        return index


def found(
    grains: dict[str, dict[str, Any] | None], host: EntityDetail | None, host_id: str = HOST
) -> Match:
    """
    Return what is found for a host among minions with these grains.
    """
    return Master(grains).minions().find(host_id, lambda: host)


def detail(**values: Any) -> EntityDetail:
    """
    Return a HOST with nothing but what is given.
    """
    return EntityDetail(id=HOST, **values)


OWN = {"dynatrace": {"host_id": HOST}}
NAMED = {"nodename": "name01"}
ADDRESSED = {"ipv4": ["192.0.2.4"]}
#: An id that is no name, as a cloud gives it.
OPAQUE = "i-0abc1234def567890"
WHOLE = detail(
    salt_minions=("property01",),
    detected_name="name01.example.com",
    addresses=("192.0.2.4",),
    name="display01",
)

STEPS = [
    (
        "host_id",
        {"id01": OWN, "property01": {}, "name01.example.com": NAMED, OPAQUE: ADDRESSED},
        "id01",
    ),
    (
        "property",
        {"property01": {}, "name01.example.com": NAMED, OPAQUE: ADDRESSED},
        "property01",
    ),
    ("name", {"name01.example.com": NAMED, OPAQUE: ADDRESSED}, "name01.example.com"),
    ("address", {OPAQUE: ADDRESSED, "y": {"ipv4": ["192.0.2.5"]}}, OPAQUE),
]


@pytest.mark.parametrize(("step", "grains", "minion"), STEPS)
def test_the_first_step_that_finds_one_wins(step: str, grains: dict[str, Any], minion: str) -> None:
    """
    The host's own id, then what an admin wrote there, then names, then addresses.
    """
    assert found(grains, WHOLE) == Match(minion, step)


NAMES = [
    ("NAME01.example.com", NAMED, {"detected_name": "name01.EXAMPLE.com"}),
    (OPAQUE, {"fqdn": "Name01.example.com"}, {"detected_name": "name01.example.com"}),
    (OPAQUE, {"host": "name01"}, {"name": "NAME01"}),
    ("name01.example.com", NAMED, {"dns_names": ("x", "name01")}),
]


@pytest.mark.parametrize(("minion", "grains", "host"), NAMES)
def test_names_match_without_case(
    minion: str, grains: dict[str, Any], host: dict[str, Any]
) -> None:
    """
    The id, fqdn, host and nodename of the minion against the three names of the host.
    """
    assert found({minion: grains, "other": {"fqdn": "other.example.com"}}, detail(**host)) == Match(
        minion, "name"
    )


def test_a_name_is_never_matched_in_part() -> None:
    """
    web1 is not web10.
    """
    named = {name: {"nodename": name} for name in ("web10", "web")}
    match = found(named, detail(detected_name="web1", name="web1.example.com"))
    assert match == Match(None, reason="no minion has this host id, name or address")


CLONE = "a clone keeps the id of its original until it gets a OneAgent of its own"
AMBIGUOUS = [
    (
        "host_id",
        {"a": OWN, "b": OWN},
        detail(salt_minions=("a",), detected_name="a"),
        f"2 minions by host_id: a, b; {CLONE}",
    ),
    (
        "property",
        {"a": {}, "b": {}},
        detail(salt_minions=("a", "b")),
        "2 minions by property: a, b",
    ),
    (
        "name",
        {"web.a": {"host": "web"}, "web.b": {"nodename": "WEB"}},
        detail(name="web", addresses=("192.0.2.4",)),
        "2 minions by name: web.a, web.b",
    ),
    (
        "address",
        {name: {"ipv4": ["192.0.2.4"]} for name in "abcdefg"},
        detail(addresses=("192.0.2.4",)),
        "7 minions by address: a, b, c, d, e, …",
    ),
]


@pytest.mark.parametrize(("step", "grains", "host", "reason"), AMBIGUOUS)
def test_two_candidates_are_an_ambiguity(
    step: str, grains: Any, host: EntityDetail, reason: str
) -> None:
    """
    It is reported and not resolved by a later step.
    """
    grains = {**grains, "sure": {"ipv4": ["192.0.2.9"]}}
    assert found(grains, host) == Match(None, reason=f"ambiguous: {reason}"), step


def test_a_property_that_names_no_accepted_minion_is_passed_over() -> None:
    """
    Only accepted minions count.
    """
    grains = {"web01": {"nodename": "web01"}}
    assert found(grains, detail(salt_minions=("gone",), name="web01")) == Match("web01", "name")


SHARED = [
    "127.0.0.1",
    "127.0.1.1",
    "::1",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "not an address",
    "172.17.0.1",
    "10.88.0.1",
    "192.168.122.1",
    "10.20.30.1",
    "10.96.0.1",
]


@pytest.mark.parametrize("address", SHARED)
def test_addresses_that_many_hosts_have_do_not_count(address: str) -> None:
    """
    Loopback, link-local and container bridges identify nobody.
    """
    grains = {
        "ipv4": [address, "192.0.2.4"],
        "ipv6": [address],
        "ip_interfaces": {
            "eth0": ["192.0.2.4"],
            "docker0": ["172.17.0.1"],
            "lxdbr0": ["10.20.30.1"],
            "kube-ipvs0": ["10.96.0.1"],
            "podman0": ["10.88.0.1"],
            "virbr0": ["192.168.122.1"],
        },
    }
    assert found({"web01": grains}, detail(addresses=(address,))).minion is None
    assert found({"web01": grains}, detail(addresses=(address, "192.0.2.4"))) == Match(
        "web01", "address"
    )


def test_ipv6_addresses_are_compared_by_value() -> None:
    """
    There are many spellings of one address.
    """
    grains = {"web01": {"ipv6": ["2001:db8:0:0::1"]}}
    assert found(grains, detail(addresses=("2001:DB8::1",))) == Match("web01", "address")


def test_localhost_is_no_name() -> None:
    """
    Every host calls itself that.
    """
    grains = {"web01": {"fqdn": "localhost.localdomain", "host": "localhost"}}
    assert (
        found(grains, detail(detected_name="localhost", name="localhost.localdomain")).minion
        is None
    )


STRANGE: list[dict[str, Any]] = [
    {"dynatrace": "x", "fqdn": 5, "ipv4": "192.0.2.4", "ip_interfaces": [1]},
    {"dynatrace": {"host_id": 5}, "ipv4": [None, 5], "ip_interfaces": {"docker0": None, 5: ["x"]}},
]


@pytest.mark.parametrize("grains", STRANGE)
def test_grains_of_any_shape_are_taken(grains: dict[str, Any]) -> None:
    """
    A minion says of itself what it likes; it is still found by its id.
    """
    assert found({"web01": grains}, detail(name="web01")) == Match("web01", "name")


def test_a_host_that_the_tenant_does_not_know_is_said() -> None:
    """
    Only the first step works without the entity.
    """
    reason = "no minion has this host id, and the tenant does not know the host"
    assert found({"web01": NAMED}, None) == Match(None, reason=reason)
    assert found({"web01": OWN}, None) == Match("web01", "host_id")


def test_the_entity_is_not_read_when_the_host_id_is_known() -> None:
    """
    The usual case costs no call.
    """

    def never() -> EntityDetail:
        raise AssertionError("the entity was read")

    assert Master({"web01": OWN}).minions().find(HOST, never) == Match("web01", "host_id")


def test_a_changed_grain_is_seen_after_a_touch() -> None:
    """
    The bus says whose grains may have changed.
    """
    master = Master({"web01": {}})
    minions = master.minions()
    assert minions.find(HOST, detail).minion is None
    master.grains["web01"] = OWN
    assert minions.find(HOST, detail).minion is None
    minions.touch("web01")
    minions.refresh()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    minions.touch("nobody")
    minions.refresh()
    assert minions.find(HOST, detail) == Match("web01", "host_id")


def test_events_of_starts_that_never_end_hold_up_no_search() -> None:
    """
    Any minion can fire them, in any name: a turn reads so many grains again and ends, and a search waits for none.
    """
    master = Master({"web01": OWN, **{f"m{number}": {} for number in range(10 * REREADS)}})
    minions = master.minions()
    master.read.clear()
    for _ in range(3):
        for number in range(10 * REREADS):
            minions.touch(f"m{number}")
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    assert master.read == []
    minions.refresh()
    assert len(master.read) == REREADS
    for _ in range(20):
        minions.refresh()
    assert len(master.read) == 10 * REREADS


def test_a_flood_of_invented_names_fills_no_memory() -> None:
    """
    Of too many it is only noted that something happened.
    """
    minions = Master({"web01": OWN}).minions()
    for number in range(2 * TOUCHED):
        minions.touch_key(f"invented{number}")
    assert len(minions._touched) == len(minions._touched_keys) == TOUCHED
    minions = Master({"web01": OWN}).minions()
    minions.touch_key("x" * 256)
    assert not minions._touched | minions._touched_keys


def test_the_one_that_is_acted_on_is_read_again_if_it_changed() -> None:
    """
    Its grains may have changed unheard; a host that was set up anew is another host.
    """
    master = Master({"web01": OWN, "web02": {}})
    minions = master.minions()
    master.read.clear()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    assert master.read == []
    master.grains["web01"] = {"dynatrace": {"host_id": OTHER_HOST}}
    assert minions.find(HOST, detail).minion is None
    assert master.read == ["web01"]


def test_where_no_stamp_is_known_the_one_that_is_acted_on_is_always_read_again() -> None:
    """
    A cache that is no directory of files does not tell when an entry changed.
    """
    master = Master({"web01": OWN})
    minions = master.minions()
    minions._known.stamp = lambda _: None
    master.read.clear()
    for _ in range(2):
        assert minions.find(HOST, detail) == Match("web01", "host_id")
    assert master.read == ["web01", "web01"]


@pytest.mark.parametrize("grain", [{"ipv4": ["192.0.2.4"]}, {"host": "name01.example.com"}, OWN])
def test_a_name_or_address_that_became_anothers_too_decides_nothing(grain: dict[str, Any]) -> None:
    """
    No event tells that a running minion's grains changed: what is matched by less than an id is looked at again.
    """
    old, new = "i-00000000000000001", "i-00000000000000002"
    master = Master({old: {**ADDRESSED, "fqdn": "name01.example.com"}, new: NAMED})
    minions = master.minions()
    host = detail(detected_name="name01.example.com", addresses=("192.0.2.4",))
    if "ipv4" in grain:
        host = detail(addresses=("192.0.2.4",))
    assert minions.find(HOST, lambda: host).minion == old
    master.grains[new] = grain
    master.now += RESCAN_S
    minions.refresh()
    match = minions.find(HOST, lambda: host)
    assert match.minion == (new if grain is OWN else None)


def test_keys_come_and_go() -> None:
    """
    A deleted key is no candidate any more, a new one is; each event has the one key looked at that it names.
    """
    master = Master({"web01": OWN, "web03": {}})
    minions = master.minions()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    del master.grains["web01"]
    master.grains["web02"] = OWN
    master.read.clear()
    for minion in ("web01", "web02"):
        minions.touch_key(minion)
    minions.refresh()
    assert minions.find(HOST, detail) == Match("web02", "host_id")
    assert ("web01" in minions, "web02" in minions, len(minions)) == (False, True, 2)
    assert (master.listed, sorted(master.looked_at)) == (1, ["web01", "web02"])
    assert set(master.read) == {"web02"}


def test_an_event_of_a_key_is_not_believed() -> None:
    """
    Any minion can fire it: a key that is accepted stays, one that is not is not added.
    """
    master = Master({"web01": OWN})
    minions = master.minions()
    minions.touch_key("web01")
    minions.touch_key("web02")
    minions.touch("web03")
    minions.refresh()
    assert minions.find(HOST, detail) == Match("web01", "host_id")
    assert ("web02" in minions, "web03" in minions) == (False, False)


def test_after_the_bus_was_away_the_keys_are_listed() -> None:
    """
    What passed meanwhile was missed.
    """
    master = Master({"web01": OWN})
    minions = master.minions()
    master.grains = {"web02": OWN}
    minions.touch_keys()
    master.now += RELIST_S
    minions.refresh()
    assert minions.find(HOST, detail) == Match("web02", "host_id")
    assert len(minions) == 1


def test_the_first_listing_comes_after_the_bus_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What came before the first listing is no reason for a second one, which would look at all minions again.
    """
    monkeypatch.setattr("_dynatrace.master.minion_index.BUS_S", 60.0)
    master = Master({"web01": {}})
    index = master.unbuilt()
    threading.Thread(target=index.run, daemon=True).start()
    time.sleep(0.05)
    assert not master.listed
    index.touch_keys()
    assert index.complete.wait(30)
    master.now += RELIST_S
    assert not index._is_due()
    assert master.listed == 1


def test_a_search_among_ten_thousand_reads_nobody_else() -> None:
    """
    Who is found is looked at once more, for a miss nobody is, and a lookup takes less than a millisecond.
    """
    master = Master(
        {f"web{n}": {"dynatrace": {"host_id": f"HOST-{n:016X}"}} for n in range(10_000)}
    )
    minions = master.minions()
    assert (master.listed, len(master.read), len(minions)) == (1, 10_000, 10_000)
    began = time.thread_time()
    for n in range(0, 10_000, 100):
        assert minions.find(f"HOST-{n:016X}", detail) == Match(f"web{n}", "host_id")
        assert minions.find(f"HOST-{20_000 + n:016X}", detail).minion is None
    assert (time.thread_time() - began) / 200 < 0.001
    master.now += 10 * PERIOD_S
    assert minions.find(f"HOST-{20_000:016X}", detail).minion is None
    assert (master.listed, len(master.read)) == (1, 10_000)


def test_misses_cause_fewer_and_fewer_scans() -> None:
    """
    The first one soon, since a minion may have come unheard of; what is missed for ever costs no more than the period.
    """
    master = Master({"web01": OWN})
    minions = master.minions()
    times = []
    began = master.now
    while master.now < began + 3 * PERIOD_S:
        listed = master.listed
        minions.find(OTHER_HOST, detail)
        master.now += 5
        minions.refresh()
        if master.listed > listed:
            times.append(master.now - began)
    assert times[:3] == [RESCAN_S, 3 * RESCAN_S, 7 * RESCAN_S]
    assert times[3:] == [15 * RESCAN_S, 15 * RESCAN_S + PERIOD_S]


def test_a_scan_reads_only_those_that_changed() -> None:
    """
    Where the cache tells when each was written.
    """
    master = Master({"web01": OWN, **{f"m{number}": {} for number in range(100)}})
    minions = master.minions()
    master.read.clear()
    master.grains["m7"] = {"dynatrace": {"host_id": OTHER_HOST}}
    master.now += PERIOD_S
    minions.refresh()
    assert master.read == ["m7"]
    assert minions.find(OTHER_HOST, detail) == Match("m7", "host_id")


def test_a_new_minion_is_found_by_the_scan_of_a_miss() -> None:
    """
    Even when the bus said nothing of it; that there are news is told, once.
    """
    master = Master({})
    minions = master.minions()
    assert minions.has_news() and master.told == 1
    assert minions.find(HOST, detail).minion is None
    minions.refresh()
    assert not minions.has_news()
    master.grains["web01"] = OWN
    master.now += RESCAN_S
    minions.refresh()
    assert (minions.has_news(), minions.has_news(), master.told) == (True, False, 2)
    assert minions.find(HOST, detail) == Match("web01", "host_id")


def test_what_did_not_change_is_no_news() -> None:
    """
    A thousand minions that start have nobody matched again.
    """
    master = Master({"web01": OWN})
    minions = master.minions()
    minions.has_news()
    master.now += NEWS_S
    minions.touch("web01")
    minions.refresh()
    assert (minions.has_news(), master.told) == (False, 1)


CALLED = {**OWN, "nodename": "web01"}


def test_while_the_index_is_built_a_miss_is_not_final() -> None:
    """
    The reason says so, and when the index is complete that is told.
    """
    master = Master({"web01": OWN})
    minions = master.unbuilt()
    match = minions.find(HOST, detail)
    assert (match.minion, "the index of the accepted minions is being built" in match.reason) == (
        None,
        True,
    )
    assert ("web01" in minions, "web02" in minions) == (True, False)
    minions.refresh()
    assert minions.has_news() and master.told == 1
    assert minions.find(HOST, detail) == Match("web01", "host_id")


@pytest.mark.parametrize("name", ["web01", "other"])
def test_while_the_index_is_built_only_who_has_the_hosts_name_too_is_found(name: str) -> None:
    """
    Somebody who was not read yet may be a clone with the same id. Who is called as the host is read first.
    """
    master = Master({"clone": {}, "web01": CALLED})
    minions = master.unbuilt()
    seen: list[Match] = []
    real = master.grains_of

    def searching(minion: str) -> dict[str, Any] | None:
        if minion == "clone":
            minions.grains = minions._known.grains = real
            seen.append(minions.find(HOST, lambda: detail(detected_name=name)))
        return real(minion)

    minions.grains = minions._known.grains = searching
    minions.refresh()
    assert [match.minion for match in seen] == ["web01" if name == "web01" else None]


def test_when_the_keys_are_listed_no_name_of_a_host_is_looked_up_among_them() -> None:
    """
    Each host has several, and thousands may be searched while the index is built.
    """
    master = Master({"other": {}, "web01": {**CALLED, "fqdn": "web01.example.com"}})
    minions = master.unbuilt()
    seen: list[Match] = []
    real = master.grains_of

    def searching(minion: str) -> dict[str, Any] | None:
        if minion == "other":
            minions._known.grains = real
            seen.append(minions.find(HOST, lambda: detail(detected_name="web01.example.com")))
            assert ("web01" in minions, "web02" in minions) == (True, False)
        return real(minion)

    minions._known.grains = searching
    minions.refresh()
    assert [match.minion for match in seen] == ["web01"]
    assert master.looked_at == []


def test_a_search_never_sees_a_minion_by_halves() -> None:
    """
    Of two with one id none is chosen, however often one of them is read again in another thread meanwhile.
    """
    master = Master({"a": OWN, "b": OWN})
    minions = master.minions()
    ends = threading.Event()

    def rewrite() -> None:
        number = 0
        while not ends.is_set():
            number += 1
            master.grains["b"] = {**OWN, "nodename": f"b{number}"}
            minions.touch("b")
            minions.refresh()

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        found = {minions.find(HOST, detail).minion for _ in range(2000)}
    finally:
        ends.set()
        thread.join()
    assert found == {None}


def test_a_minion_that_knows_itself_to_be_another_host_is_not_matched_by_name() -> None:
    """
    Two hosts may be called web01; the one whose minion says that it is the other is left alone.
    """
    match = found({"web01": {"dynatrace": {"host_id": OTHER_HOST}}}, detail(name="web01"))

    assert match.minion is None
    assert OTHER_HOST in match.reason


@pytest.mark.parametrize("name", ["web01", "web01.example.com"])
def test_who_is_called_as_the_host_is_found_before_the_keys_are_listed(name: str) -> None:
    """
    By the whole name or the first part of it, as minions are called.
    """
    master = Master({"web01": {**CALLED, "fqdn": "web01.example.com"}, "web02": {}})
    minions = master.unbuilt()
    host = detail(detected_name=name)
    assert minions.find(HOST, lambda: host) == Match("web01", "host_id")
    assert not minions.complete.is_set()
    assert minions.find(HOST, lambda: detail(detected_name="web02")).minion is None
