"""
The deployment API: installers, their signature, the faults of both, and the tokens.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tenant import Authority, Tenant
from tests.tenant.tokens import PLATFORM_PATH
from tests.unit.tenant.conftest import Client

AGENT = "/api/v1/deployment/installer/agent"
LATEST = f"{AGENT}/unix/default/latest"
OLD, NEW = "1.299.50.20241015-120000", "1.303.50.20241015-120000"
# As Dynatrace's own installation scripts do it.
HEAD = (
    b'Content-Type: multipart/signed; protocol="application/x-pkcs7-signature"; micalg="sha-256";'
    b' boundary="--SIGNED-INSTALLER"\n\n\n----SIGNED-INSTALLER\n'
)


@pytest.fixture
def client(tenant: Tenant, tmp_path: Path) -> Iterator[Client]:
    one = Client(tenant, tenant.add_token(["InstallerDownload"]))
    tenant.offer_installer(OLD, tmp_path)
    tenant.offer_installer(NEW, tmp_path)
    with one.session:
        yield one


def genuine(file: bytes, authority: Authority) -> bool:
    command = ["openssl", "cms", "-verify", "-CAfile", str(authority.certificate)]
    ran = subprocess.run(command, input=HEAD + file, capture_output=True, check=False, timeout=60)
    return ran.returncode == 0


def test_the_latest_installer_is_signed_by_the_simulations_authority(
    client: Client, tenant: Tenant
) -> None:
    """Verified as Dynatrace's own scripts verify it."""
    answer = client.get(LATEST, arch="x86")
    assert answer.status_code == 200
    assert answer.content == tenant.installers[NEW]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert genuine(answer.content, tenant.authority)
    assert not genuine(answer.content.replace(b"exit 0", b"exit 1"), tenant.authority)


def test_versions_are_listed_and_had_by_name(client: Client, tenant: Tenant) -> None:
    """All, the latest, and one of them."""
    listed = client.get(f"{AGENT}/versions/unix/default")
    assert listed.json() == {"availableVersions": [OLD, NEW]}
    assert client.get(f"{LATEST}/metainfo").json() == {"latestAgentVersion": NEW}
    old = client.get(f"{AGENT}/unix/default/version/{OLD}")
    assert old.content == tenant.installers[OLD] != tenant.installers[NEW]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{AGENT}/unix/default/version/1.1.1.20000101-000000", 404),
        (f"{AGENT}/unix/default/version/latest", 400),
        (f"{AGENT}/windows/default/latest", 404),
        (f"{AGENT}/windows/default/latest/metainfo", 404),
        (f"{AGENT}/linux/default/latest", 400),
        (f"{AGENT}/unix/rpm/latest", 400),
        (f"{LATEST}?arch=x64", 400),
    ],
)
def test_what_there_is_not_is_refused(client: Client, path: str, code: int) -> None:
    """An unknown version, another system, and words that the API does not know."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (code, code)


def test_a_file_that_is_had_already_is_not_sent_again(client: Client, tmp_path: Path) -> None:
    """If-None-Match with its ETag is a 304, until there is another."""

    def ask(etag: str) -> requests.Response:
        token = {"Authorization": f"Api-Token {client.token}", "If-None-Match": etag}
        return client.session.get(client.tenant.url + LATEST, headers=token, timeout=5)

    etag = client.get(LATEST).headers["ETag"]
    again = ask(etag)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert ask('"other"').status_code == 200
    client.tenant.offer_installer("1.305.1.20250101-000000", tmp_path)
    assert ask(etag).status_code == 200


@pytest.mark.parametrize("path", [LATEST, f"{LATEST}/metainfo", f"{AGENT}/versions/unix/default"])
def test_a_download_needs_its_scope(tenant: Tenant, path: str) -> None:
    """Another scope is a 403, an unknown token a 401, and neither has a file."""
    other = Client(tenant, tenant.add_token(["settings.read"])).get(path)
    assert other.status_code == 403
    assert "InstallerDownload" in other.json()["error"]["message"]
    assert Client(tenant, "dt0c01.X.Y").get(path).status_code == 401


def test_a_platform_token_downloads_through_the_gateway(client: Client, tenant: Tenant) -> None:
    """As Bearer."""
    token = tenant.add_token(["InstallerDownload"], kind="platform")
    other = Client(tenant, token, scheme="Bearer", platform=True)
    path = LATEST.replace("/api", PLATFORM_PATH, 1)
    assert other.get(path).content == tenant.installers[NEW]


def test_a_token_may_be_named_by_the_test(client: Client, tenant: Tenant) -> None:
    """It is then that very text."""
    assert tenant.add_token(["InstallerDownload"], token="dt0c01.MADE.UP") == "dt0c01.MADE.UP"
    assert Client(tenant, "dt0c01.MADE.UP").get(LATEST).status_code == 200


def test_a_bad_signature_is_one(client: Client, tenant: Tenant) -> None:
    """The file is whole, and what would run is not what was signed."""
    tenant.fault("installer_bad_signature")
    spoiled = client.get(LATEST).content
    assert len(spoiled) == len(tenant.installers[NEW])
    assert not genuine(spoiled, tenant.authority)
    assert client.get(LATEST).content == tenant.installers[NEW]


def test_a_truncated_installer_says_nothing_of_it(client: Client, tenant: Tenant) -> None:
    """Half of it, with a length that fits; by truncated_body with the length of the whole."""
    tenant.fault("installer_truncated")
    half = client.get(LATEST)
    whole = tenant.installers[NEW]
    assert half.content == whole[: len(whole) // 2]
    tenant.fault("truncated_body", path="/installer/")
    with pytest.raises(requests.exceptions.RequestException):
        _ = client.get(LATEST).content


def test_other_things_come_instead(client: Client, tenant: Tenant) -> None:
    """A page with a 200, a slow answer, another place, and whatever a test makes of the file."""
    tenant.fault("installer_html")
    assert client.get(f"{LATEST}/metainfo").json() == {"latestAgentVersion": NEW}
    page = client.get(LATEST)
    assert page.status_code == 200
    assert page.content.startswith(b"<!DOCTYPE html>")
    tenant.fault("slow", path="/installer/", delay=0.2)
    begin = time.monotonic()
    assert client.get(LATEST).content == tenant.installers[NEW]
    assert time.monotonic() - begin >= 0.2
    tenant.fault("redirect_elsewhere", path="/installer/", status=307, url="http://127.0.0.1:9/x")
    answer = client.get(LATEST)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/x")
    tenant.fault("installer_altered", change=lambda file: file + b"more")
    assert client.get(LATEST).content == tenant.installers[NEW] + b"more"


def test_a_stranger_signs_as_well_and_is_another(tmp_path: Path, tenant: Tenant) -> None:
    """A test may have files of any authority there."""
    stranger = Authority(tmp_path / "stranger", "Stranger")
    forged = stranger.sign(tenant.offer_installer(NEW, tmp_path))
    assert genuine(forged, stranger)
    assert not genuine(forged, tenant.authority)
    certificate = stranger.certificate.read_text()
    assert "BEGIN CERTIFICATE" in certificate
    assert len(stranger.fingerprint) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize("root", ["/", "/opt", "/usr", "relative"])
def test_no_installer_is_made_for_the_machine_itself(tenant: Tenant, root: str) -> None:
    """Stubs belong into the directory of a test."""
    with pytest.raises(ValueError, match="no directory for a stub"):
        tenant.offer_installer(NEW, Path(root))


def test_an_installer_is_offered_by_a_tenant_that_runs(tmp_path: Path) -> None:
    """Its URL is baked in."""
    with pytest.raises(RuntimeError, match="start the tenant"):
        Tenant().offer_installer(NEW, tmp_path)


def report(tenant: Tenant, secret: str, **changes: Any) -> requests.Response:
    body = {
        "hostId": "HOST-5FD609AD6757BE7D", "hostName": "web01", "hostGroup": "web",
        "networkZone": "default", "version": NEW, "tags": [], "properties": [], "gone": False,
        **changes,
    }  # fmt: skip
    headers = {"Authorization": f"Tenant-Token {secret}"}
    return requests.post(tenant.url + "/communication", json=body, headers=headers, timeout=5)


def test_only_what_was_installed_may_report(tenant: Tenant) -> None:
    """A token of the API is not the secret of an installer."""
    assert report(tenant, tenant.add_token()).status_code == 401
    assert tenant.entities == {}
    assert report(tenant, tenant.agent_secret).json() == {"hostId": "HOST-5FD609AD6757BE7D"}
    assert tenant.entities["HOST-5FD609AD6757BE7D"].name == "web01"
