"""
Whether the process that Dynatrace names is the one that a remedy would touch.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.minion.loading import load

APACHE = {
    "service": "apache2",
    "executable": "/usr/sbin/apache2",
    "config": "/etc/apache2/apache2.conf",
    "config_options": ["-d", "-f"],
    "listens": [],
    "runs": None,
}
HTTPD = {
    **APACHE,
    "service": "httpd",
    "executable": "/usr/sbin/httpd",
    "config": "/etc/httpd/conf/httpd.conf",
}
NAMED = {
    "entity": "PROCESS_GROUP_INSTANCE-00000000000000C1",
    "failed": None,
    "executable": None,
    "command_line": None,
    "config": None,
    "ports": [],
    "unit": None,
}
ITSELF = {"executable": "/usr/sbin/apache2"}


def contradiction(own: dict[str, Any], **named: Any) -> str | None:
    module = load("_utils/_dynatrace_utils/remedy/identity.py")
    found: str | None = module.contradiction({**NAMED, **named}, own)
    return found


@pytest.mark.parametrize(
    "named",
    [
        ITSELF,
        {"executable": "/usr/sbin/apache2 (deleted)"},
        {"unit": "apache2"},
        {"unit": "apache2.service"},
        {**ITSELF, "config": "/etc/apache2/apache2.conf"},
        {**ITSELF, "config": "/etc/apache2"},
        {**ITSELF, "config": "/etc/apache2/sites-enabled/shop.conf"},
        {**ITSELF, "command_line": "/usr/sbin/apache2 -k start"},
        {**ITSELF, "command_line": "apache2 -DFOREGROUND -d /etc/apache2"},
        {**ITSELF, "command_line": "apache2 -d /etc/apache2 -f apache2.conf"},
        {**ITSELF, "command_line": "apache2 -f '/etc/apache2/apache2.conf"},
        {**ITSELF, "ports": [80, 443]},
    ],
)
def test_what_names_the_service_itself_is_let_through(named: dict[str, Any]) -> None:
    """Each thing that Dynatrace may tell of the distribution's own apache2."""
    assert contradiction(APACHE, **named) is None


@pytest.mark.parametrize(
    ("own", "named", "theirs"),
    [
        (
            APACHE,
            {"executable": "/opt/bitnami/apache/bin/httpd", "ports": [7080]},
            "/opt/bitnami/apache/bin/httpd",
        ),
        (APACHE, {"executable": "/usr/local/apache2/bin/httpd"}, "/usr/local/apache2/bin/httpd"),
        (APACHE, {**ITSELF, "unit": "apache2@foo"}, "apache2@foo"),
        (APACHE, {"unit": "apache2@foo.service"}, "apache2@foo"),
        (APACHE, {**ITSELF, "unit": "nginx"}, "nginx"),
        (APACHE, {**ITSELF, "config": "/etc/apache2-foo"}, "/etc/apache2-foo"),
        (APACHE, {**ITSELF, "config": "/etc/apache2-foo/apache2.conf"}, "/etc/apache2-foo"),
        (APACHE, {**ITSELF, "command_line": "apache2 -d /etc/apache2-foo"}, "-d /etc/apache2-foo"),
        (APACHE, {**ITSELF, "command_line": "apache2 -d/etc/apache2-foo"}, "-d /etc/apache2-foo"),
        (APACHE, {**ITSELF, "command_line": "apache2 -f /srv/x.conf"}, "-f /srv/x.conf"),
        (HTTPD, {"executable": "/usr/sbin/httpd", "command_line": "httpd -f conf/foo.conf"}, "foo"),
        (HTTPD, {"executable": "/usr/sbin/httpd", "unit": "httpd@foo"}, "httpd@foo"),
        ({**APACHE, "listens": [80]}, {**ITSELF, "ports": [7080, 7443]}, "7080, 7443"),
        ({**APACHE, "runs": "/opt/x/httpd"}, ITSELF, "/opt/x/httpd"),
    ],
)
def test_another_process_is_named_with_ours(
    own: dict[str, Any], named: dict[str, Any], theirs: str
) -> None:
    """Another build, another instance, a container's: both sides stand in the sentence."""
    told = contradiction(own, **named)
    assert told is not None and told.startswith("another process: Dynatrace names ")
    assert theirs in told
    assert (
        own["service"] in told or own["executable"] in told or own["config"] in told or "80" in told
    )


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"ports": [80], "command_line": "/usr/sbin/apache2 -k start"},
        {"executable": "apache2"},
        {"config": "/etc/apache2/apache2.conf", "executable": ""},
    ],
)
def test_a_technology_is_no_identity(named: dict[str, Any]) -> None:
    """Without the executable's path or the OS service nothing tells one apache2 from another."""
    told = contradiction(APACHE, **named)
    assert told is not None and "EXE_PATH" in told and "a technology is no identity" in told


@pytest.mark.parametrize(
    "named", [{"config": "/etc/x/x.conf"}, {"command_line": "served -f /etc/x/x.conf"}]
)
def test_a_configuration_that_nobody_can_compare_asks_for_the_setting(
    named: dict[str, Any],
) -> None:
    """Two instances of one program differ by nothing else; the OS service would tell them apart."""
    own = {**APACHE, "config": None}
    told = contradiction(own, **ITSELF, **named)
    assert told is not None and "/etc/x/x.conf" in told and "set `config`" in told
    assert contradiction(own, **ITSELF, **named, unit="apache2") is None


def test_a_link_to_the_executable_is_the_executable(tmp_path: Any) -> None:
    """Debian's /sbin and a distribution's alternatives are links."""
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    own = {**APACHE, "executable": str(tmp_path / "link")}
    assert contradiction(own, executable=str(tmp_path / "real")) is None


def test_a_text_from_outside_is_cut_in_the_sentence() -> None:
    """A command line may be as long as Linux lets it be."""
    told = contradiction(APACHE, executable="/" + "x" * 100_000)
    assert told is not None and len(told) < 1000
