"""
A certificate authority of each test's own, and surroundings without any proxy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.client.servers import Authority

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """
    The CA that signs the tenant's certificate.
    """
    return Authority(tmp_path, "ca")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Start each test without proxies, certificates and passwords of the machine.
    """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
