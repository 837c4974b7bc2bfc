"""
An apache2 that serves, or is not known to be down, or is another one than Dynatrace names: it is left alone.

The inputs are those of public reports of a wrong restart.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.functional.remedy.conftest import Apache, Outcome, family, wait_for
from tests.harness.masterless import Masterless

Remedy = Callable[..., Outcome]

ETC = Path("/etc/apache2")
SITE = ETC / "sites-enabled" / "000-default.conf"
MODULES = ("ssl", "socache_shmcb", "proxy", "proxy_http", "cgid", "alias")
#: Nobody listens there: a backend that is dead.
DEAD = "http://127.0.0.1:9/"


def attempt() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def configured(apache: Apache, tmp_path: Path) -> Iterator[Callable[[str, str], psutil.Process]]:
    """
    Start apache2 with this as its `Listen` lines and its one site.
    """
    files = {path: path.read_text() for path in (ETC / "ports.conf", SITE)}
    enabled = [
        ETC / "mods-enabled" / f"{name}.{kind}" for name in MODULES for kind in ("load", "conf")
    ]
    new = [link for link in enabled if not link.exists()]

    def start(ports: str, site: str) -> psutil.Process:
        for link in new:
            if (ETC / "mods-available" / link.name).exists():
                link.symlink_to(ETC / "mods-available" / link.name)
        (ETC / "ports.conf").write_text(ports)
        SITE.write_text(site)
        subprocess.run(["service", "apache2", "start"], check=True, stdout=subprocess.DEVNULL)
        wait_for(lambda: family() and apache.main())
        return apache.main()

    yield start
    for path, text in files.items():
        path.write_text(text)
    for link in new:
        link.unlink(missing_ok=True)


def certificate(tmp_path: Path) -> str:
    """
    Return the lines of a site that speaks TLS with a certificate of its own.
    """
    key, pem = tmp_path / "self.key", tmp_path / "self.pem"
    new = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(pem), "-days", "1"]
    subprocess.run(
        ["openssl", "req", "-x509", *new, "-subj", "/CN=elsewhere.example"],
        check=True,
        capture_output=True,
    )
    return f"SSLEngine on\nSSLCertificateFile {pem}\nSSLCertificateKeyFile {key}\n"


def slow(tmp_path: Path) -> str:
    """
    Return the lines of a site whose page takes six seconds.
    """
    script = tmp_path / "slow.cgi"
    script.write_text("#!/bin/sh\nsleep 6\nprintf 'Content-Type: text/plain\\n\\nok'\n")
    script.chmod(0o755)
    for directory in (tmp_path, *tmp_path.parents[:-1]):
        directory.chmod(directory.stat().st_mode | 0o055)
    return (
        f"ScriptAlias / {script}\n<Directory {tmp_path}>\nRequire all granted\n"
        "Options +ExecCGI\n</Directory>\n"
    )


def site(port: int, lines: str) -> str:
    return f"<VirtualHost *:{port}>\n{lines}\n</VirtualHost>\n"


SERVING: dict[str, tuple[str, Callable[[Path], str]]] = {
    "on 443 only": ("Listen 443\n", lambda path: site(443, certificate(path))),
    "proxied backend is dead": ("Listen 80\n", lambda path: site(80, f"ProxyPass / {DEAD}")),
    "another site's backend is dead": (
        "Listen 80\n",
        lambda path: (
            site(80, f"ServerName first.example\nProxyPass / {DEAD}")
            + site(80, "ServerName shop.example\nDocumentRoot /var/www/html")
        ),
    ),
    "slow page": ("Listen 80\n", lambda path: site(80, slow(path))),
    "another port": ("Listen 8081\n", lambda path: site(8081, "DocumentRoot /var/www/html")),
    "IPv6 alone": ("Listen [::1]:80\n", lambda path: site(80, "DocumentRoot /var/www/html")),
    "forbids everything": (
        "Listen 80\n",
        lambda path: site(80, "<Location />\nRequire all denied\n</Location>"),
    ),
}


@pytest.mark.parametrize("case", SERVING)
def test_what_serves_is_not_restarted(
    apache: Apache,
    remedy: Remedy,
    configured: Callable[[str, str], psutil.Process],
    tmp_path: Path,
    case: str,
) -> None:
    """It is an end of its own that names process, address and what Dynatrace says otherwise."""
    ports, lines = SERVING[case]
    main = configured(ports, lines(tmp_path))

    outcome = remedy(attempt(), process={"failed": "2024-01-01T00:00:00Z"})

    assert (outcome.good, outcome.word, outcome.done) == (True, "healthy", {}), outcome.comments
    assert f"(pid {main.pid}, since " in outcome.comments
    assert "serves already" in outcome.comments and "has come since" in outcome.comments
    assert apache.main() == main


def test_the_sites_own_url_counts_whatever_the_merging_strategy(
    apache: Apache,
    minion: Masterless,
    configured: Callable[[str, str], psutil.Process],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With `overwrite` the order's pillar would hide the site's, if it were below the same key."""
    main = configured("Listen 8081\n", site(8081, "DocumentRoot /var/www/html"))
    root = tmp_path_factory.mktemp("overwrite")
    other = Masterless(root / "minion", pillar_source_merging_strategy="overwrite")
    other.take(minion)
    url = "http://127.0.0.1:8081/"
    (other.root / "pillar").mkdir()
    (other.root / "pillar" / "top.sls").write_text("base: {'*': [site]}\n")
    (other.root / "pillar" / "site.sls").write_text(
        f"dynatrace: {{lookup: {{apache2: {{url: '{url}', ports: [8081]}}}}}}\n"
    )

    outcome = other.remedy(attempt())

    assert outcome.word == "healthy", outcome.comments
    assert f"{url} answered 200" in outcome.comments
    assert apache.main() == main


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "another build": (
        {
            "executable": "/opt/bitnami/apache/bin/httpd",
            "config": "/opt/bitnami/apache/conf/httpd.conf",
            "ports": [7080],
        },
        "/opt/bitnami/apache/bin/httpd",
    ),
    "one in a pod": (
        {"executable": "/usr/local/apache2/bin/httpd"},
        "/usr/local/apache2/bin/httpd",
    ),
    "another instance": (
        {"command_line": "/usr/sbin/apache2 -d /etc/apache2-foo"},
        "/etc/apache2-foo",
    ),
    "its unit": ({"unit": "apache2@foo"}, "apache2@foo"),
    "a technology only": ({"executable": None}, "a technology is no identity"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_process_does_not_start_this_one(apache: Apache, remedy: Remedy, case: str) -> None:
    """The distribution's apache2 may well be stopped on purpose."""
    process, said = OTHERS[case]
    outcome = remedy(attempt(), process=process)
    assert (outcome.good, outcome.word, outcome.done) == (False, "refused", {})
    assert said in outcome.failures
    assert not family()


def test_the_first_instance_that_serves_is_no_healing_of_the_second(
    apache: Apache, remedy: Remedy
) -> None:
    """Both run one executable; the ports are all that Dynatrace tells."""
    main = apache.start()
    outcome = remedy(attempt(), process={"ports": [8099], "command_line": None, "config": None})
    assert (outcome.word, outcome.done) == ("refused", {})
    assert "8099" in outcome.failures and "port 80" in outcome.failures
    assert apache.main() == main


def test_what_cannot_be_asked_is_left_alone_and_asks_for_a_url(
    apache: Apache, remedy: Remedy, configured: Callable[[str, str], psutil.Process]
) -> None:
    """It lives and listens, and does not speak HTTP to just anybody."""
    main = configured(
        "Listen 80\n",
        "LoadModule remoteip_module /usr/lib/apache2/modules/mod_remoteip.so\nRemoteIPProxyProtocol On\n",
    )
    outcome = remedy(attempt(), starts_within=1)
    assert (outcome.word, outcome.done) == ("refused", {}), outcome.comments
    assert "dynatrace:lookup:apache2:url" in outcome.failures
    assert "port 80" in outcome.failures
    assert apache.main() == main


def test_the_sites_own_proof_may_restart_what_lives(apache: Apache, remedy: Remedy) -> None:
    """The site has said what serving means; that it fails is asked twice."""
    main = apache.start()
    outcome = remedy(
        attempt(), url="http://127.0.0.1/", statuses=[204], starts_within=1, deadline=1
    )
    assert outcome.done == {"apache2": "restarted"}
    assert (outcome.good, outcome.word) == (False, "failed")
    assert "fails the site's own proof: http://127.0.0.1/ answered 200" in outcome.comments
    assert apache.main() != main
