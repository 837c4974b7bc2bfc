"""
Accepted minions that do not exist: their keys, and what the master's minion data cache holds of them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import salt.cache
import salt.key
import salt.loader
import salt.payload
import salt.version

from tests.tenant.crowd import address, host_id

#: Since Salt 3008 grains lie by themselves; before that with the pillar.
GRAINS_ALONE = salt.version.__saltstack_version__.major >= 3008


def accept(opts: Mapping[str, Any], count: int) -> None:
    """
    Let a master have so many minions, with the grains that this machine has and a host id each.
    """
    keys, key = Path(opts["pki_dir"]) / "minions", _public_key(opts)
    keys.mkdir(parents=True, exist_ok=True)
    cache, own = Path(opts["cachedir"]), salt.loader.grains(dict(opts))
    for number in range(count):
        name = f"web{number:05}"
        (keys / name).write_text(key)
        data = {**copy.copy(own), **_differing(number, name)}
        _store(cache, name, data)
    _check(opts, count)


def _differing(number: int, name: str) -> dict[str, Any]:
    own = address(number)
    full = f"{name}.example.com"
    return {
        "id": name,
        "host": name,
        "nodename": name,
        "localhost": name,
        "fqdn": full,
        "ipv4": ["127.0.0.1", own],
        "ipv6": ["::1"],
        "fqdn_ip4": [own],
        "fqdn_ip6": [],
        "ip_interfaces": {"lo": ["127.0.0.1"], "eth0": [own]},
        "ip4_interfaces": {"lo": ["127.0.0.1"], "eth0": [own]},
        "ip6_interfaces": {"lo": ["::1"]},
        "dynatrace": {"host_id": host_id(number)},
    }


def _store(cache: Path, name: str, grains: dict[str, Any]) -> None:
    # As the driver `localfs` does, which syncs each file and so takes minutes for thousands.
    place = cache / "grains" / f"{name}.p" if GRAINS_ALONE else cache / "minions" / name / "data.p"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(salt.payload.dumps(grains if GRAINS_ALONE else {"grains": grains}))


def _public_key(opts: Mapping[str, Any]) -> str:
    return (Path(opts["pki_dir"]) / "master.pub").read_text()


def _check(opts: Mapping[str, Any], count: int) -> None:
    """
    Raise RuntimeError when Salt itself does not see these minions.
    """
    listed = salt.key.get_key(opts).list_status("accepted").get("minions", [])
    bank, key = ("grains", "web00000") if GRAINS_ALONE else ("minions/web00000", "data")
    found = salt.cache.factory(opts).fetch(bank, key)
    known = found if GRAINS_ALONE else found.get("grains", {})
    if len(listed) != count or known.get("id") != "web00000":
        raise RuntimeError(f"Salt sees {len(listed)} of {count} minions, and of the first {known}")
