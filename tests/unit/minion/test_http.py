"""
Whom the question over HTTP goes to.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.unit.minion.loading import load

ADDRESSES = [
    ("http://127.0.0.1/", "127.0.0.1", 80),
    ("http://[::1]/", "::1", 80),
    ("https://[::1]/health", "::1", 443),
    ("http://[::1]:8080/", "::1", 8080),
    ("https://localhost:8443/", "localhost", 8443),
]


@pytest.mark.parametrize(("url", "host", "port"), ADDRESSES)
def test_each_address_is_the_one_that_is_asked(url: str, host: str, port: int) -> None:
    """Also of IPv6 without a port: what serves there would be taken for dead, and restarted."""
    module: Any = load("_utils/_dynatrace_utils/remedy/url.py")
    connection = module._connection(urlsplit(url), module.port(url), 2, None)
    assert (connection.host, connection.port) == (host, port)
