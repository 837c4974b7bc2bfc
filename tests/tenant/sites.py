"""
What counts as site-local: loopback, private and link-local addresses, localhost and .local.

Which addresses Dynatrace means is not documented, so this is assumed; names are not resolved.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_NETWORKS = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
    )
]  # fmt: skip


def site_local(url: str) -> bool:
    """
    Say whether a URL leads to this host or to an address that is no public one.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local"))
    return any(address in one for one in _NETWORKS if one.version == address.version)


def well_formed(url: str) -> bool:
    """
    Say whether a URL has a host, and a port that is one if it has any.
    """
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
