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
PROXY = {
    **APACHE,
    "service": "haproxy",
    "executable": "/usr/sbin/haproxy",
    "config": "/etc/haproxy/haproxy.cfg",
    "config_options": ["-f"],
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


def contradiction(own: dict[str, Any], by: str | None = None, **named: Any) -> str | None:
    module = load("_utils/_dynatrace_utils/remedy/identity.py")
    found: str | None = module.contradiction({**NAMED, **named}, own, by)
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


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ("-f /etc/haproxy/haproxy.cfg", None),
        # As the unit of Fedora and Red Hat has it.
        ("-f /etc/haproxy/haproxy.cfg -f /etc/haproxy/conf.d", None),
        ("-f /etc/haproxy/b.cfg", "/etc/haproxy/b.cfg"),
        ("-f /etc/haproxy/conf.d", "/etc/haproxy/conf.d"),
        ("-f /etc/haproxy/haproxy.cfg -f /srv/b.cfg", "/srv/b.cfg"),
    ],
)
def test_an_option_that_is_given_twice_leads_to_our_configuration_once(
    options: str, theirs: str | None
) -> None:
    """What else it names lies beside it; another instance names ours never, or what lies elsewhere."""
    line = f"/usr/sbin/haproxy -Ws {options} -p /run/haproxy.pid"
    told = contradiction(PROXY, executable="/usr/sbin/haproxy", command_line=line)
    assert told is None if theirs is None else told and theirs in told


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


ORDERS = {**APACHE, "service": "orders", "executable": None, "config": None}
PROCESS, HOST = "PROCESS_GROUP_INSTANCE-00000000000000C1", "HOST-00000000000000A1"


@pytest.mark.parametrize("by", ["process", "remedy", "unit"])
@pytest.mark.parametrize(
    "named",
    [
        {},
        {"executable": "/usr/bin/java"},
        {"executable": "/usr/bin/java", "ports": [8080], "command_line": "java -f /etc/x.conf"},
        {"config": "/etc/orders/orders.conf"},
        {"unit": "orders"},
    ],
)
def test_where_the_catalogue_says_which_service_it_is_nothing_has_to_be_named(
    by: str, named: dict[str, Any]
) -> None:
    """The site has named the process, the unit, or the remedy itself."""
    assert contradiction(ORDERS, by, **named) is None


@pytest.mark.parametrize("by", ["process", "remedy", "unit"])
@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({}, {"unit": "billing"}),
        ({"executable": "/usr/bin/orders"}, {"executable": "/usr/bin/billing"}),
        ({"executable": "/usr/bin/orders", "runs": "/opt/x"}, {}),
        ({"listens": [80]}, {"ports": [7080]}),
        ({"config": "/etc/orders/o.conf"}, {"config": "/etc/billing/b.conf"}),
        ({"config": "/etc/orders/o.conf"}, {"command_line": "orders -f /etc/billing/b.conf"}),
        ({}, {"container": "CONTAINER_NAME: orders-1"}),
    ],
)
def test_a_contradiction_refuses_whoever_says_it(
    by: str, own: dict[str, Any], named: dict[str, Any]
) -> None:
    """What both sides know must agree."""
    told = contradiction({**ORDERS, **own}, by, **named)
    assert told is not None and told.startswith("another process: Dynatrace names ")


@pytest.mark.parametrize("by", [None, "technology", "event", "severity", "tag", "minion"])
@pytest.mark.parametrize(
    ("own", "named", "said"),
    [
        ({}, {}, "a technology is no identity"),
        ({}, {"executable": "/usr/bin/orders"}, "set `executable`"),
        ({"executable": "/usr/bin/java"}, {"executable": "/usr/bin/java"}, "which many services"),
        ({"executable": "/usr/bin/python3.11"}, {"executable": "/usr/bin/python3.11"}, "no OS"),
        ({"executable": "/usr/bin/php8.2"}, {"executable": "/usr/bin/php8.2"}, "no identity"),
        ({"executable": "/usr/bin/dotnet"}, {"executable": "/usr/bin/dotnet"}, "in the catalogue"),
    ],
)
def test_by_a_technology_the_process_itself_must_be_named(
    by: str | None, own: dict[str, Any], named: dict[str, Any], said: str
) -> None:
    """An interpreter is run by many services, and an event may be about any process."""
    told = contradiction({**ORDERS, **own}, by, **named)
    assert told is not None and said in told


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({"executable": "/usr/bin/java"}, {"executable": "/usr/bin/java", "unit": "orders"}),
        ({}, {"executable": "/usr/bin/java", "unit": "orders.service"}),
        (
            {"executable": "/usr/bin/java", "config": "/etc/orders/o.conf"},
            {"executable": "/usr/bin/java", "config": "/etc/orders/o.conf"},
        ),
        ({"executable": "/usr/sbin/php-fpm8.2"}, {"executable": "/usr/sbin/php-fpm8.2"}),
    ],
)
def test_the_unit_or_the_configuration_makes_an_interpreter_an_identity(
    own: dict[str, Any], named: dict[str, Any]
) -> None:
    """And a program of one service is one by itself."""
    assert contradiction({**ORDERS, **own}, "technology", **named) is None


@pytest.mark.parametrize("by", ["event", "severity", "tag", "minion"])
def test_an_event_about_the_host_names_no_process(by: str) -> None:
    """The catalogue says what is to be done for it; a technology never does."""
    assert contradiction(ORDERS, by, entity=HOST) is None
    assert contradiction(ORDERS, "technology", entity=HOST) is not None
    assert contradiction(ORDERS, by, entity=HOST, executable="/usr/bin/x") is not None


@pytest.mark.parametrize(
    ("by", "named", "good"),
    [
        ("technology", {"container": "CONTAINER_NAME: cart-1"}, True),
        ("technology", {"container": "CONTAINER_ID: 0a1b"}, True),
        ("technology", {"container": "isDockerized"}, False),
        (None, {"container": "isDockerized"}, False),
        ("process", {"container": "isDockerized"}, True),
        ("process", {}, False),
        ("remedy", {}, True),
        ("event", {"entity": HOST}, True),
        ("event", {}, False),
    ],
)
def test_a_container_is_named_or_the_catalogue_says_it(
    by: str | None, named: dict[str, Any], good: bool
) -> None:
    """A process outside of containers is not one that a container's restart brings back."""
    module = load("_utils/_dynatrace_utils/remedy/identity.py")
    told = module.container_contradiction({**NAMED, **named}, by)
    assert (told is None) is good
