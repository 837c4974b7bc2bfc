"""
What a minion, and a host of Dynatrace, can be recognised by, and what speaks against a minion being the host.

Names come from reverse DNS, images and templates, and addresses are used more than once: a default name and a shared
address count for nothing on either side, and names that contradict each other prove nothing at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .problem import EntityDetail

Grains = Mapping[str, Any]


@dataclass(frozen=True)
class Match:
    """
    The minion that is the host, by which step; or no minion, and why.
    """

    minion: str | None
    by: str = ""
    reason: str = ""


#: What machines are called before somebody names them, with a number or a release behind it perhaps.
_DEFAULT_NAME = re.compile(
    r"(?:localhost|ubuntu|debian|centos|rocky|alma(?:linux)?|rhel|redhat|fedora|ol|oracle(?:linux)?|amazon(?:linux)?"
    r"|sles|suse|opensuse|arch(?:linux)?|alpine|kali|freebsd|raspberrypi|vagrant|instance)"
    r"(?:[-_]?(?:server|cloud|vm|base|image|host))?[-_0-9]*"
    r"|linux|unix|host|hostname|server|machine|vm|image|golden|base|packer|cloud|cloudimg|localdomain"
    r"|none|null|unknown|default|changeme|(?:.*[-_])?(?:template|tmpl)(?:[-_].*)?"
    # Of an address: ip-10-1-0-7, ec2-203-0-113-7.
    r"|(?:ip|ec2|vm|host|node|static|dhcp|dynamic)?[-_]?\d{1,3}(?:[-_]\d{1,3}){3}|ip-[0-9a-f]{8}"
)
#: Domains in which a cloud names what is not named otherwise.
_DEFAULT_DOMAIN = re.compile(
    r".*\.(?:internal|localdomain|novalocal|openstacklocal|internal\.cloudapp\.net|amazonaws\.com"
    r"|googleusercontent\.com|in-addr\.arpa|ip6\.arpa)"
)
_HOST_NAME = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
)
#: Ids that are made by a machine and say nothing of a name: of a cloud's instance, a UUID, a serial number.
_OPAQUE_ID = re.compile(
    r"i-[0-9a-f]{8,17}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,64}|[0-9]+"
)
#: Interfaces whose addresses many hosts have: of containers and virtual machines, of load balancers.
_BRIDGES = (
    *("docker", "br-", "virbr", "cni", "cali", "flannel", "veth", "lxcbr", "podman"),
    *("lxdbr", "incusbr", "kube-", "cilium_", "nerdctl", "vmnet", "vboxnet", "dummy", "lo"),
)
#: What VirtualBox, QEMU, LXC, libvirt, Docker and Podman give to each machine behind their NAT.
_NAT = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.2.0/24", "10.0.3.0/24", "192.168.122.0/24", "172.17.0.0/16", "10.88.0.0/16"),
        "fd00:dead:beef::/48",
    )
)


@dataclass(frozen=True)
class Keys:
    """
    What one minion can be found by.

    ``claims`` are its names by what tells them, without those that name no machine. ``addresses`` are all that it has,
    ``own`` those that no other machine takes over from it. ``doubt`` tells why its names and addresses prove nothing.
    """

    host_id: str | None = None
    names: frozenset[str] = frozenset()
    claims: tuple[tuple[str, str], ...] = ()
    addresses: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    doubt: str = ""


def keys(minion: str, grains: Grains) -> Keys:
    """
    Return what a minion with these grains can be found by.
    """
    told = grains.get("dynatrace")
    host_id = told.get("host_id") if isinstance(told, Mapping) else None
    names = [("id", minion), *((key, grains.get(key)) for key in ("nodename", "host", "fqdn"))]
    named = [(key, _name(value)) for key, value in names if isinstance(value, str)]
    known = [(key, name) for key, name in named if not is_default(name)]
    claims = tuple((key, name) for key, name in known if key != "id" or _is_host_name(name))
    return Keys(
        host_id if isinstance(host_id, str) else None,
        frozenset(name for _, name in known),
        claims,
        frozenset(_addresses(grains)),
        frozenset(_own_addresses(grains)),
        _contradiction(claims) if claims else _default_names(named),
    )


def unknown(minion: str, why: str) -> Keys:
    """
    Return what a minion can be found by of which nothing but the id is known, and ``why``.
    """
    return Keys(names=frozenset({_name(minion)}), doubt=why)


def host_names(host: EntityDetail) -> set[str]:
    """
    Return what a host is called in Dynatrace, without what many are called.
    """
    names = {_name(name) for name in (host.detected_name, *host.dns_names, host.name)}
    return {name for name in names if not is_default(name)}


def usable(addresses: Iterable[str]) -> set[str]:
    """
    Return the addresses that a machine may have alone.
    """
    found = set()
    for text in addresses:
        try:
            address = ipaddress.ip_address(text.split("%")[0])
        except ValueError:
            continue
        shared = address.is_loopback or address.is_link_local or address.is_multicast
        if not (shared or address.is_unspecified or any(address in net for net in _NAT)):
            found.add(str(address))
    return found


def against(host: EntityDetail, found: Keys, step: str) -> str:
    """
    Return what speaks against a minion that was found by ``name`` or ``address`` being this host; empty: nothing.
    """
    if found.doubt:
        return found.doubt
    called = _name(host.detected_name)
    if is_default(called):
        others = {_name(name) for name in (*host.dns_names, host.name)}
        names = {name for name in others if not is_default(name) and _is_host_name(name)}
    else:
        names = {called}
    if names and not any(all(_agree(name, own) for _, own in found.claims) for name in names):
        return (
            f"Dynatrace calls the host {', '.join(sorted(names))}, and it is {_shown(found.claims)}"
        )
    theirs, ours = _ipv4(usable(host.addresses)), _ipv4(found.addresses)
    if step == "name" and theirs and ours and not theirs & ours:
        return f"it has none of the host's addresses ({', '.join(sorted(theirs))})"
    if step == "address" and theirs - ours:
        return f"the host has another address, {min(theirs - ours)}, which it has not"
    return ""


def is_default(name: str) -> bool:
    """
    Tell whether a name, in lower case, names no machine: none, an address, or what many are called.
    """
    first = name.partition(".")[0]
    if not first or _DEFAULT_NAME.fullmatch(first) or _DEFAULT_DOMAIN.fullmatch(name):
        return True
    if not (name[-1].isdigit() or ":" in name):
        return False  # To parse an address takes longer than all the rest.
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(text: str) -> str:
    return text.strip().rstrip(".").lower()


def _is_host_name(name: str) -> bool:
    return bool(_HOST_NAME.fullmatch(name)) and not _OPAQUE_ID.fullmatch(name)


def _agree(one: str, other: str) -> bool:
    """
    Tell whether two names may be one machine's: the shorter one is how the longer one begins, by whole parts.
    """
    return all(mine == yours for mine, yours in zip(one.split("."), other.split("."), strict=False))


def _contradiction(claims: tuple[tuple[str, str], ...]) -> str:
    names = {name for _, name in claims}
    if all(_agree(one, other) for one in names for other in names):
        return ""
    return (
        f"its names contradict each other ({_shown(claims)}): reverse DNS or an image may have named it after "
        "another machine"
    )


def _default_names(named: list[tuple[str, str]]) -> str:
    defaults = tuple((key, name) for key, name in named if is_default(name))
    told = f"it has a name that many machines have ({_shown(defaults)}), and no other"
    return told if defaults else ""


def _shown(claims: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{key} {name}" for key, name in claims)


def _texts(value: Any) -> list[str]:
    return (
        [item for item in value if isinstance(item, str)]
        if isinstance(value, (list, tuple))
        else []
    )


def _interfaces(grains: Grains) -> list[tuple[str, list[str]]]:
    found = grains.get("ip_interfaces")
    pairs = found.items() if isinstance(found, Mapping) else ()
    return [(name, _texts(addresses)) for name, addresses in pairs if isinstance(name, str)]


def _addresses(grains: Grains) -> set[str]:
    listed = [one for _, addresses in _interfaces(grains) for one in addresses]
    return usable([*_texts(grains.get("ipv4")), *_texts(grains.get("ipv6")), *listed])


def _own_addresses(grains: Grains) -> set[str]:
    """
    Return the first address of each kind on each interface: a virtual one that moves between machines comes later.

    An interface with a colon is a label, and so is its address; of several IPv6 addresses no order tells which was first.
    """
    interfaces = _interfaces(grains)
    if not interfaces:
        return _addresses(grains)
    found: set[str] = set()
    moving: set[str] = set()
    for name, addresses in interfaces:
        good = [str(ipaddress.ip_address(one.split("%")[0])) for one in addresses if usable([one])]
        if name.startswith(_BRIDGES) or ":" in name:
            moving.update(good)
            continue
        first = [one for one in good if ":" not in one][:1]
        sixth = [one for one in good if ":" in one]
        found.update(first + (sixth if len(sixth) == 1 else []))
    return found - moving


def _ipv4(addresses: Iterable[str]) -> set[str]:
    return {one for one in addresses if ":" not in one}
