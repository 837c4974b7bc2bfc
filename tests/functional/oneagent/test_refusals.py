"""
An installer that is not Dynatrace's, or not whole, is never run.
"""

from __future__ import annotations

import http.server
import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.oneagent.conftest import TOKEN, Minion, asked, downloads
from tests.tenant import Authority, Tenant
from tests.tenant.authority import BOUNDARY
from tests.unit.minion.loading import private
from tests.unit.minion.oneagent import NEW

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("installer_bad_signature", "its signature is not Dynatrace's"),
        ("installer_truncated", "it is truncated or not signed"),
        ("installer_html", "it is no installer but an HTML page of 83 bytes"),
    ],
)
def test_the_state_refuses_and_runs_nothing(minion: Minion, fault: str, words: str) -> None:
    """The comment says what is wrong and what to do; no file stays."""
    minion.tenant.fault(fault)
    told = minion.apply()
    assert told["installed"]["result"] is False
    assert words in told["installed"]["comment"]
    assert "check dynatrace:environment_url" in told["installed"]["comment"]
    assert told["managed"]["result"] is False
    assert not minion.has_run
    assert not minion.oneagent.exists()
    assert minion.leftovers == []


class Place:
    """
    The modules that download, verify and run, without a minion around them.
    """

    def __init__(self, root: Path, tenant: Tenant) -> None:
        self.root, self.tenant, self.mark = root, tenant, root / "mark"
        self.configuration: dict[str, Any] = {
            "dynatrace:environment_url": tenant.url,
            "dynatrace:installer_token": TOKEN,
            "dynatrace:oneagent:ca_certificate": str(tenant.authority.certificate),
            "dynatrace:oneagent:download_pause": 0.01,
        }
        functions: dict[str, Any] = {
            "config.get": lambda key, default: self.configuration.get(key, default),
            "cmd.run_all": self._run_all,
        }
        opts = {"cachedir": str(root / "cache")}
        grains = {"cpuarch": "x86_64"}
        modules = private(opts=opts, salt=functions, grains=grains)
        self.signature = modules.oneagent.signature
        self.http, self.access = modules.tenant.http, modules.tenant.access
        self.installer, self.options = modules.oneagent.installer, modules.oneagent.options
        self.script = tenant.offer_installer(NEW, root, mark=self.mark)

    def _run_all(self, command: list[str], **how: Any) -> dict[str, Any]:
        assert how["python_shell"] is False
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return {"retcode": ran.returncode, "stdout": ran.stdout, "stderr": ran.stderr}

    def run(self, version: str = "latest") -> None:
        self.installer.run(self.want(version), ["--set-host-group=web"])

    def want(self, version: str = "latest") -> dict[str, Any]:
        """
        Return what is wanted of the OneAgent, by the configuration.
        """
        start = "dynatrace:oneagent:"
        own = {
            key.removeprefix(start): one for key, one in self.configuration.items() if start in key
        }
        return {**self.options.DEFAULTS, **own, "version": version}

    def refusal(self, version: str = "latest") -> str:
        """
        Return why the run was refused; fail when anything ran or stayed.
        """
        with pytest.raises(CommandExecutionError) as raised:
            self.run(version)
        assert not self.mark.exists()
        assert not list(self.root.glob("cache/dynatrace/oneagent/*"))
        assert TOKEN not in str(raised.value)
        return str(raised.value)


@pytest.fixture
def place(tmp_path: Path, tenant: Tenant) -> Place:
    """
    A host without a OneAgent, and a tenant with one installer.
    """
    return Place(tmp_path, tenant)


def test_a_good_installer_is_run_and_removed(place: Place) -> None:
    """What the refusals below are measured against."""
    place.run()
    assert place.mark.read_text() == "--set-host-group=web\n"
    assert not list(place.root.glob("cache/dynatrace/oneagent/*"))
    first, *others = place.tenant.requests
    assert first.path == "/api/v1/deployment/installer/agent/unix/default/latest"
    assert first.query == {"arch": "x86"}
    assert [call.path for call in others] == ["/communication"]
    place.tenant.check()


def test_an_installer_that_another_has_signed_is_refused(place: Place, stranger: Authority) -> None:
    """A good signature of somebody else is a bad one."""
    place.tenant.installers[NEW] = stranger.sign(place.script)
    assert "its signature is not Dynatrace's" in place.refusal()


def test_an_authority_of_the_system_is_not_enough(
    place: Place, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -CAfile alone openssl takes the system's authorities as well."""
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.certificate))
    monkeypatch.setenv("SSL_CERT_DIR", str(stranger.certificate.parent))
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(stranger.certificate)],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.strip()  # fmt: skip
    link = stranger.certificate.parent / f"{hashed}.0"
    link.unlink(missing_ok=True)
    link.symlink_to(stranger.certificate)
    place.tenant.installers[NEW] = stranger.sign(place.script)
    mail = place.signature.SIGNED_HEAD + place.tenant.installers[NEW]
    documented = subprocess.run(
        ["openssl", "cms", "-verify", "-CAfile", place.want()["ca_certificate"]],
        input=mail, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    # Else this test shows nothing.
    assert documented.returncode == 0
    assert "its signature is not Dynatrace's" in place.refusal()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda f: f.replace(b"#!/bin/sh\n", b"#!/bin/sh\nid\n", 1),
            "signature is not Dynatrace's",
        ),
        (lambda f: f + b"touch /tmp/x\n", "something follows its signature"),
        (lambda f: f + b"id\n" + BOUNDARY + b"--\n", "something follows its signature"),
        (lambda f: f.partition(BOUNDARY)[0], "it is truncated or not signed"),
        (lambda f: f[:-40], "it is truncated or not signed"),
        (lambda f: f.partition(BOUNDARY)[0] + b"\n" + BOUNDARY + b"--\n", "signature is not"),
        (lambda f: b"", "it is no installer but something of 0 bytes"),
        (lambda f: b'{"error": 1}', "it is no installer but something of 12 bytes"),
        (lambda f: PAGE + f, "it is no installer but an HTML page"),
    ],
)
def test_what_was_altered_on_its_way_is_refused(place: Place, change: Change, words: str) -> None:
    """Wherever in the file it was, before the signature, in it or behind it."""
    place.tenant.fault("installer_altered", change=change)
    assert words in place.refusal()
    assert len(downloads(place.tenant)) == 1


def test_a_download_that_breaks_off_is_tried_again(place: Place) -> None:
    """Up to the number of attempts, from the beginning."""
    place.tenant.fault("truncated_body", path="/installer/")
    place.tenant.fault("server_error", path="/installer/", status=503)
    place.tenant.fault("truncated_body", path="/installer/")
    place.run()
    assert len(downloads(place.tenant)) == 4
    assert place.mark.exists()


def test_a_download_that_always_breaks_off_is_given_up(place: Place) -> None:
    """After as many attempts as are set."""
    place.configuration["dynatrace:oneagent:download_attempts"] = 3
    place.tenant.fault("truncated_body", times=9, path="/installer/")
    refusal = place.refusal()
    assert "truncated" in refusal
    assert "(3 times)" in refusal
    assert len(downloads(place.tenant)) == 3


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """
    Another host, which writes down who comes.
    """

    visits: list[str] = []  # noqa: RUF012 - emptied by the fixture.

    def do_GET(self) -> None:
        self.visits.append(str(self.headers))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """
    The URL of another host.
    """
    Elsewhere.visits.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(place: Place, elsewhere: str, status: int) -> None:
    """The token goes to the tenant and to nobody else."""
    place.tenant.fault("redirect_elsewhere", path="/installer/", status=status, url=elsewhere)
    assert f"redirected ({status})" in place.refusal()
    assert Elsewhere.visits == []


def test_a_proxy_is_used_and_its_password_never_said(place: Place, elsewhere: str) -> None:
    """What fails behind a proxy is told without the proxy's URL."""
    place.configuration["dynatrace:oneagent:download_attempts"] = 1
    place.configuration["dynatrace:proxy"] = elsewhere
    assert "no installer" in place.refusal()
    assert len(Elsewhere.visits) == 1
    place.configuration["dynatrace:proxy"] = "http://me:secret-word@127.0.0.1:1"
    assert "secret-word" not in place.refusal()


def test_the_environments_proxy_and_netrc_are_not_used(
    place: Place, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would put a password of .netrc in the place of the token."""
    netrc = place.root / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", elsewhere)
    place.run()
    assert Elsewhere.visits == []
    assert place.tenant.requests[0].token_ok


def test_only_a_tenant_with_a_trusted_certificate_is_asked(
    place: Place, stranger: Authority
) -> None:
    """The token is not sent to one without; ``ca_bundle`` says who is trusted."""
    certificate, key = stranger.server()
    with Tenant(cert=certificate, key=key) as tenant:
        tenant.add_token(["InstallerDownload"], token=TOKEN)
        tenant.offer_installer(NEW, place.root, mark=place.mark)
        place.configuration["dynatrace:environment_url"] = tenant.url
        for bundle in (None, str(tenant.authority.certificate)):
            place.configuration["dynatrace:ca_bundle"] = bundle
            assert "set dynatrace:ca_bundle" in place.refusal()
        assert tenant.requests == []
        place.configuration["dynatrace:ca_bundle"] = str(stranger.certificate)
        place.run()
        assert len(tenant.entities) == 1
    assert place.mark.exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (PAGE, "the answer is no JSON"),
        (b"", "names no OneAgent version"),
        (b"[]", "names no OneAgent version"),
        (b"{}", "names no OneAgent version"),
        (b'{"latestAgentVersion": "../x"}', "names no OneAgent version"),
        (b'{"latestAgentVersion": 1}', "names no OneAgent version"),
    ],
)
def test_a_latest_version_that_is_none_is_refused(place: Place, answer: bytes, words: str) -> None:
    """It becomes a part of what is compared and shown."""
    assert place.installer.latest(place.want()) == NEW
    place.tenant.fault("wrong_type", path="/metainfo", body=answer)
    with pytest.raises(CommandExecutionError, match=words):
        place.installer.latest(place.want())


def test_a_failure_of_the_server_is_waited_out(place: Place) -> None:
    """Asking changes nothing, so it may be done again: for the version as for the installer."""
    for status in (500, 502):
        place.tenant.fault("server_error", path="/installer/", status=status)
        assert place.installer.latest(place.want()) == NEW
    place.tenant.fault("server_error", path="/installer/", status=500)
    place.run()
    assert [call.status for call in place.tenant.requests[:6]] == [500, 200, 502, 200, 500, 200]


@pytest.mark.parametrize(
    ("url", "token", "begin", "scheme"),
    [
        ("https://x.example.com/e/abc/", TOKEN, "https://x.example.com/e/abc/api/v1/", "Api-Token"),
        (
            "https://abc12345.apps.dynatrace.com",
            "dt0s16.MADEUP.MADEUP",
            "https://abc12345.apps.dynatrace.com/platform/classic/environment-api/v1/",
            "Bearer",
        ),
    ],
)
def test_the_api_is_where_the_kind_of_environment_has_it(
    place: Place, url: str, token: str, begin: str, scheme: str
) -> None:
    """Managed below /e/<id>, the platform behind its gateway and with its own kind of token."""
    place.configuration["dynatrace:environment_url"] = url
    place.configuration["dynatrace:installer_token"] = token
    asked = place.access.address(place.installer._path("latest"))
    assert asked == begin + "deployment/installer/agent/unix/default/latest"
    assert place.access.headers("installer_token") == {"Authorization": f"{scheme} {token}"}


def test_a_rejected_token_is_said_once(place: Place) -> None:
    """Trying again would not help."""
    place.tenant.expire_token(TOKEN)
    assert "rejected dynatrace:installer_token (401)" in place.refusal()
    assert len(asked(place.tenant)) == 1


def test_a_missing_scope_is_named(place: Place) -> None:
    """With the key of the token that lacks it."""
    place.configuration["dynatrace:installer_token"] = place.tenant.add_token(["settings.read"])
    assert "dynatrace:installer_token needs the scope InstallerDownload" in place.refusal()


def test_a_download_replaces_no_file(place: Place) -> None:
    """It is callable on its own, with any path; what is there stays, and nothing is asked."""
    kept = place.root / "kept"
    kept.write_text("mine")
    path = place.installer._path("latest")
    with pytest.raises(FileExistsError):
        place.http.download(path, "InstallerDownload", str(kept), 10**9, "installer_token")
    assert kept.read_text() == "mine"
    assert place.tenant.requests == []


def test_no_other_secret_of_the_minion_goes_to_the_tenant(place: Place) -> None:
    """Whoever calls the module names one of two tokens."""
    with pytest.raises(CommandExecutionError, match="webhook_token is no token for the tenant"):
        place.http.call("GET", "/api/v2/problems", "problems.read", token="webhook_token")
    assert place.tenant.requests == []


def test_a_version_that_is_not_there_is_said(place: Place) -> None:
    """With the version in the path of the request."""
    assert "is there such a version?" in place.refusal("1.1.1.20000101-000000")


def test_an_endless_answer_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not filled by whoever answers."""
    monkeypatch.setattr(place.installer, "MAX_INSTALLER_BYTES", 1000)
    assert "larger than 1000 bytes" in place.refusal()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("environment_url", "http://example.com", "no https:// URL"),
        ("environment_url", "http://127.0.0.1.example.com", "no https:// URL"),
        ("environment_url", "ftp://127.0.0.1", "no https:// URL"),
        ("environment_url", "https://me:word@example.com", "no https:// URL"),
        ("environment_url", "https://example.com:port", "no https:// URL"),
        ("installer_token", f"{TOKEN}\n", "is no token"),
        ("installer_token", 7, "is no token"),
        ("installer_token", "sdb://nowhere/token", "its sdb profile is not known"),
        ("ca_bundle", "/no/such/file.pem", "there is no file /no/such/file.pem"),
        ("oneagent:ca_certificate", "/no/such/file.pem", "There is no file /no/such/file.pem"),
        ("oneagent:ca_certificate", "https://ca.dynatrace.com/x.pem", "There is no file https://"),
        ("oneagent:ca_sha256", "abc", "is no SHA-256 fingerprint"),
        ("oneagent:ca_sha256", "ab" * 32, "names another"),
    ],
)
def test_nothing_is_asked_with_a_bad_configuration(
    place: Place, key: str, value: Any, words: str
) -> None:
    """What cannot end well does not begin."""
    place.configuration[f"dynatrace:{key}"] = value
    assert words in place.refusal()
    assert place.tenant.requests == []


def test_the_certificate_may_stand_in_pillar_with_its_pin(place: Place) -> None:
    """It is no secret; the fingerprint may have colons, as openssl prints it."""
    authority = place.tenant.authority
    pin = authority.fingerprint.upper()
    colons = ":".join(pin[i : i + 2] for i in range(0, len(pin), 2))
    place.configuration["dynatrace:oneagent:ca_certificate"] = authority.certificate.read_text()
    place.configuration["dynatrace:oneagent:ca_sha256"] = colons
    place.run()
    assert place.mark.exists()


def test_two_certificates_are_one_too_many(place: Place, stranger: Authority) -> None:
    """A pin of the first would say nothing of the second."""
    both = place.tenant.authority.certificate.read_text() + stranger.certificate.read_text()
    place.configuration["dynatrace:oneagent:ca_certificate"] = both
    assert "holds 2 certificates" in place.refusal()


def test_without_openssl_nothing_is_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verification is never skipped."""
    monkeypatch.setenv("PATH", str(place.root))
    assert "openssl is needed" in place.refusal()


def test_only_its_user_can_read_what_is_downloaded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installer carries secrets of the tenant, and what is verified must be what is run."""
    seen: list[tuple[str, int]] = []

    def look(path: str, _: str) -> None:
        for one in (Path(path), Path(path).parent, Path(path).parent.parent):
            seen.append((one.name.partition("-")[0], one.stat().st_mode & 0o777))
        raise CommandExecutionError("enough")

    monkeypatch.setattr(place.signature, "verify", look)
    assert place.refusal() == "enough"
    assert seen == [("installer.sh", 0o600), ("installer", 0o700), ("oneagent", 0o700)]


def test_a_failing_installer_is_reported_without_tokens(place: Place) -> None:
    """Its last lines help; a token in them does not."""
    loud = b"#!/bin/sh\necho no space left, " + TOKEN.encode() + b"\nexit 3\n"
    place.tenant.installers[NEW] = place.tenant.authority.sign(loud)
    refusal = place.refusal()
    assert "ended with 3" in refusal
    assert "no space left, (a token)" in refusal


def test_the_retries_are_logged_without_the_token(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """At every level, those of the libraries too."""
    caplog.set_level(logging.DEBUG)
    place.tenant.fault("truncated_body", path="/installer/")
    place.run()
    assert "trying again" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN.rpartition(".")[2] not in caplog.text
