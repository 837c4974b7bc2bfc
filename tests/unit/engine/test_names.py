"""
What a name and an address are worth: nothing that a default, a stale record, a copy or a shared address could explain.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.core.identity import Match, is_default

from tests.unit.engine.test_minion_index import OPAQUE, detail, found

WEB07 = detail(detected_name="web07.example.com", addresses=("10.1.0.7",))
AGREED = {"nodename": "web07", "host": "web07", "fqdn": "web07.example.com"}
CONTRADICT = "its names contradict each other"


def test_a_minion_that_reverse_dns_calls_like_another_host_is_not_that_host() -> None:
    """
    The grains host and fqdn come from the PTR record of its address, which another machine had before.
    """
    stale = {"host": "web07", "fqdn": "web07.example.com", "nodename": "db01"}
    match = found({"db01": {**stale, "ipv4": ["10.1.0.21", "127.0.0.1"]}}, WEB07)
    assert match.minion is None
    assert match.reason == (
        "db01 fits by name, but its names contradict each other (id db01, nodename db01, host web07, "
        "fqdn web07.example.com): reverse DNS or an image may have named it after another machine"
    )


CONTRADICTIONS = [
    ("db01", AGREED),
    ("db01.example.com", AGREED),
    # A role looks like a host's name, and is none that anything else confirms.
    ("prod-web-1", AGREED),
    ("web07", {**AGREED, "nodename": "db01"}),
    ("web07", {**AGREED, "host": "db01"}),
    ("web07.prod.example.com", {"nodename": "web07", "fqdn": "web07.example.com"}),
    (OPAQUE, {**AGREED, "nodename": "db01"}),
    ("web070", AGREED),
]


@pytest.mark.parametrize(("minion", "grains"), CONTRADICTIONS)
def test_a_minion_with_contradicting_names_is_found_by_none_of_them(
    minion: str, grains: dict[str, Any]
) -> None:
    """
    Whichever of them is true, nothing tells.
    """
    match = found({minion: grains}, WEB07)
    assert match.minion is None
    assert CONTRADICT in match.reason


AGREEING = [
    ("web07", AGREED),
    ("WEB07", {"nodename": "Web07", "host": "web07", "fqdn": "WEB07.example.com."}),
    ("web07.example.com", AGREED),
    ("web07.example", AGREED),
    (OPAQUE, AGREED),
    ("2f1c9a3e-7d34-4f5a-9b11-0c6d7e8f9a0b", AGREED),
    ("0123456789abcdef", AGREED),
    ("web@prod", AGREED),
    # What everybody is called says nothing against it.
    ("ubuntu", AGREED),
    ("web07.example.com", {"nodename": "localhost", "host": "ip-10-1-0-7"}),
    ("web07.example.com", {"nodename": "web07", "fqdn": "db01.eu-west-1.compute.internal"}),
]


@pytest.mark.parametrize(("minion", "grains"), AGREEING)
def test_names_that_agree_find_the_minion(minion: str, grains: dict[str, Any]) -> None:
    """
    A short name is how the longer one begins, case does not count, and an id need not be a name.
    """
    assert found({minion: grains}, WEB07) == Match(minion, "name")


DEFAULTS = [
    *("localhost", "localhost.localdomain", "localhost4", "LOCALHOST.example.com"),
    *(
        "ubuntu",
        "ubuntu-2204",
        "ubuntu-server",
        "debian",
        "debian12",
        "debian.example.com",
        "rocky9",
    ),
    *("ip-10-1-0-7", "ip-10-1-0-7.eu-west-1.compute.internal", "ec2-203-0-113-7.amazonaws.com"),
    *("db01.ec2.internal", "web07.c.a-project.internal", "web07.novalocal", "10.1.0.7", "::1"),
    *("raspberrypi", "vagrant", "template", "ubuntu-template", "tmpl-web", "instance-1", "vm", ""),
]


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_name_finds_nobody(name: str) -> None:
    """
    Every machine of an image is called so, and every cloud has the same domain.
    """
    grains = {"nodename": name, "host": name, "fqdn": name}
    match = found({OPAQUE: grains}, detail(detected_name=name, dns_names=(name,), name=name))
    assert match == Match(None, reason="no minion has this host id, name or address")


@pytest.mark.parametrize("minion", ["debian", OPAQUE])
def test_a_minion_with_default_names_alone_is_found_by_no_address(minion: str) -> None:
    """
    The address may be a floating one, and nothing else tells which machine has it.
    """
    grains = {"nodename": "debian", "host": "debian", "ipv4": ["10.9.9.9", "127.0.0.1"]}
    match = found(
        {minion: grains}, detail(detected_name="vip.example.com", addresses=("10.9.9.9",))
    )
    assert match.minion is None
    assert f"{minion} fits by address, but it has a name that many machines have" in match.reason


NAMES = ["web07", "db01.example.com", "host01", "server2", "vm12", "node-1", "debian-mirror", "7"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_somebody_gave_is_no_default(name: str) -> None:
    """
    However plain it is.
    """
    assert not is_default(name)


OF_THE_HOST = [
    # The alias or the old DNS name of a host that is no minion is the name of one.
    {"detected_name": "db01.example.com", "dns_names": ("web07.example.com",)},
    {"detected_name": "web07.example.org", "name": "web07"},
    {"detected_name": "db01", "name": "web07"},
]


@pytest.mark.parametrize("host", OF_THE_HOST)
def test_the_name_that_a_host_was_detected_by_must_fit(host: dict[str, Any]) -> None:
    """
    Its other names may be another machine's as well.
    """
    match = found({"web07": AGREED}, detail(**host))
    assert match.minion is None
    assert match.reason.startswith("web07 fits by name, but Dynatrace calls the host ")


def test_a_host_that_is_called_like_two_minions_is_neither() -> None:
    """
    Also when the names of one of them contradict each other: that is its very id.
    """
    grains = {"web07": {**AGREED, "fqdn": "x.example.com"}, "db01": {"nodename": "db01"}}
    match = found(grains, detail(dns_names=("db01", "web07"), detected_name="ubuntu"))
    assert match == Match(None, reason="ambiguous: 2 minions by name: db01, web07")


def test_a_stale_reverse_name_takes_nothing_from_the_minion_that_is_called_so() -> None:
    """
    The one whose names agree is found beside the one that reverse DNS calls the same.
    """
    stale = {"nodename": "db01", "host": "web07", "fqdn": "web07.example.com"}
    assert found({"db01": stale, "web07": AGREED}, WEB07) == Match("web07", "name")


def test_a_copy_of_a_host_is_not_found_by_its_name() -> None:
    """
    A restored or staged machine keeps its name and gets other addresses.
    """
    match = found({"web07": {**AGREED, "ipv4": ["10.9.0.7", "127.0.0.1"]}}, WEB07)
    assert match.minion is None
    assert match.reason == "web07 fits by name, but it has none of the host's addresses (10.1.0.7)"


def addressed(*addresses: str, **grains: Any) -> dict[str, Any]:
    """
    Return the grains of a machine with these addresses on eth0, and no name.
    """
    listed = ["127.0.0.1", *addresses]
    interfaces = {"lo": ["127.0.0.1"], "eth0": list(addresses)}
    return {"ipv4": listed, "ip_interfaces": interfaces, **grains}


def by_address(*addresses: str, **host: Any) -> Any:
    """
    Return a host without a name but what is given.
    """
    return detail(addresses=addresses, **{"detected_name": "ubuntu", **host})


def test_an_address_finds_the_one_minion_that_has_it() -> None:
    """
    Where no name says otherwise.
    """
    grains = {OPAQUE: addressed("10.1.0.7"), "i-00000000000000002": addressed("10.1.0.8")}
    assert found(grains, by_address("10.1.0.7")) == Match(OPAQUE, "address")


SHARED_ADDRESSES = [
    # The first address of an interface is the machine's, what comes later may move to another one.
    ("a floating address", addressed("10.1.0.11", "10.1.0.100"), ("10.1.0.100",)),
    (
        "a label",
        addressed("10.1.0.11", ip_interfaces={"eth0:1": ["10.1.0.100"]}, ipv4=["10.1.0.100"]),
        ("10.1.0.100",),
    ),
    (
        "on the loopback",
        addressed("10.1.0.11", ip_interfaces={"lo": ["10.1.0.100"]}),
        ("10.1.0.100",),
    ),
    ("behind VirtualBox's NAT", addressed("10.0.2.15"), ("10.0.2.15",)),
    ("in a container", addressed("172.17.0.2"), ("172.17.0.2",)),
    # The peer of a pair of load balancers.
    ("another one of the host", addressed("10.1.0.100", "10.1.0.11"), ("10.1.0.12", "10.1.0.100")),
    ("several of IPv6", addressed("2001:db8::1", "2001:db8::2"), ("2001:db8::1",)),
]


@pytest.mark.parametrize(("what", "grains", "addresses"), SHARED_ADDRESSES)
def test_an_address_that_may_be_another_machines_finds_nobody(
    what: str, grains: dict[str, Any], addresses: tuple[str, ...]
) -> None:
    """
    It moves between machines, or each of them has it.
    """
    assert found({OPAQUE: grains}, by_address(*addresses)).minion is None, what


def test_an_address_that_two_minions_have_finds_neither_and_hides_no_other() -> None:
    """
    A floating address counts for nothing; the machine's own still finds it.
    """
    both = ("10.1.0.12", "10.1.0.100")
    grains = {OPAQUE: addressed(*both), "i-00000000000000002": addressed("10.1.0.11", "10.1.0.100")}
    assert found(grains, by_address(*both)) == Match(OPAQUE, "address")
    match = found(grains, by_address("10.1.0.100"))
    assert match.reason.startswith("ambiguous: 2 minions by address: ")


CALLED_OTHERWISE = [
    ({"detected_name": "db01.example.com"}, {"nodename": "web07"}),
    ({"dns_names": ("db01.example.com",)}, {"nodename": "web07"}),
    ({"name": "db01"}, {"nodename": "web07"}),
    ({"detected_name": "web07"}, {"nodename": "web07", "fqdn": "db01.example.com"}),
]


@pytest.mark.parametrize(("host", "grains"), CALLED_OTHERWISE)
def test_an_address_finds_no_minion_that_is_called_otherwise(
    host: dict[str, Any], grains: dict[str, Any]
) -> None:
    """
    Private addresses are used in more than one network.
    """
    match = found({OPAQUE: addressed("10.1.0.7", **grains)}, by_address("10.1.0.7", **host))
    assert match.minion is None
    assert "fits by" in match.reason


def test_a_display_text_contradicts_no_address() -> None:
    """
    Admins write what they like there.
    """
    host = by_address("10.1.0.7", name="The old shop (do not touch)")
    assert found({OPAQUE: addressed("10.1.0.7", nodename="web07")}, host) == Match(
        OPAQUE, "address"
    )
