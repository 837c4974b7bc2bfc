"""
The tenant's certificate: verified always, by the CA that the configuration names and by no other.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from _dynatrace.api.client import Client
from _dynatrace.api.connection import NotSent
from _dynatrace.core.errors import Unavailable

from tests.functional.client.servers import Authority, says, serving

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
PROBLEM = "7_1700000000000V2"


def test_the_ca_that_is_configured_is_believed(authority: Authority) -> None:
    """
    An ActiveGate's certificate is often signed by the company's own CA.
    """
    with serving(says(), authority.server()) as served:
        client = Client(f"https://127.0.0.1:{served.port}/e/abc", TOKEN, str(authority.path))
        assert client.list_open().problems == ()
    assert served.target().startswith("GET /e/abc/api/v2/problems?")
    assert served.header("Authorization") == f"Api-Token {TOKEN}"


REFUSED = {
    "unknown CA": ("127.0.0.1", False, "self-signed|unable to get local issuer"),
    "wrong name": ("tenant.example.com", False, "IP address mismatch|doesn't match"),
    "expired": ("127.0.0.1", True, "certificate has expired"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_certificate_that_does_not_hold_is_refused(
    case: str, authority: Authority, tmp_path: Path
) -> None:
    """
    The token is not sent, and what was not sent may be sent later without a doubt.
    """
    name, expired, reason = REFUSED[case]
    known = Authority(tmp_path, "other") if case == "unknown CA" else authority
    with serving(says(), authority.server(name, expired)) as served:
        client = Client(f"https://127.0.0.1:{served.port}", TOKEN, str(known.path))
        message = f"certificate cannot be verified: .*({reason}).*name its CA in `ca_bundle`"
        with pytest.raises(Unavailable, match=message):
            client.list_open()
        with pytest.raises(NotSent, match=message):
            client.comment(PROBLEM, "text", "salt")
    assert served.heads == []


def test_without_a_bundle_a_ca_of_ones_own_is_refused(authority: Authority) -> None:
    """
    There is no option that turns verification off.
    """
    with (
        serving(says(), authority.server()) as served,
        pytest.raises(Unavailable, match="certificate cannot be verified"),
    ):
        Client(f"https://127.0.0.1:{served.port}", TOKEN).list_open()
    assert served.heads == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_surroundings_is_not_believed(
    name: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever sets the variable for another program changes nothing here.
    """
    monkeypatch.setenv(name, str(authority.path))
    with (
        serving(says(), authority.server()) as served,
        pytest.raises(Unavailable, match="certificate cannot be verified"),
    ):
        Client(f"https://127.0.0.1:{served.port}", TOKEN).list_open()
    assert served.heads == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["gone", "empty", "text"])
def test_a_bundle_that_is_none_is_an_error_of_the_api(
    content: bytes | None, authority: Authority, tmp_path: Path
) -> None:
    """
    The file may be replaced while the engine runs; the cycle goes on without the tenant.
    """
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    with (
        serving(says(), authority.server()) as served,
        pytest.raises(Unavailable),
    ):
        Client(f"https://127.0.0.1:{served.port}", TOKEN, str(bundle)).list_open()
    assert served.heads == []


def test_old_tls_is_refused(authority: Authority) -> None:
    """
    TLS 1.1 has been broken for years.
    """
    context = authority.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(says(), context) as served:
        client = Client(f"https://127.0.0.1:{served.port}", TOKEN, str(authority.path))
        with pytest.raises(Unavailable):
            client.list_open()
    assert served.heads == []
