"""
What an entity tells of a process and of a host's OS services, in all shapes that are known, and in none.

Keys and shapes are documented or were captured; every value is synthetic.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.api.entities import (
    MAX_NAME_CHARS,
    MAX_PATH_CHARS,
    MAX_REMEDIES,
    MAX_REMEDY_CHARS,
    MAX_TAG_CHARS,
    MAX_TAGS,
    parse_entity,
    parse_units,
)
from _dynatrace.api.problems import parse_problem
from _dynatrace.core.problem import Process
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.bodies import HOST, OTHER_PROCESS, PROCESS, event_v2, problem_v2

METADATA = {
    "EXE_NAME": "apache2",
    "EXE_PATH": "/usr/sbin/apache2",
    "COMMAND_LINE_ARGS": "/usr/sbin/apache2 -k start",
    "APACHE_CONFIG_PATH": "/etc/apache2/apache2.conf",
}


def pairs(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in metadata.items()]


def process(
    metadata: Any = None, technologies: tuple[str, ...] = ("APACHE_HTTPD",), **changes: Any
) -> Process:
    """
    Return what is read of a process with these properties.
    """
    body = {
        "entityId": PROCESS,
        "properties": {
            "metadata": pairs(METADATA) if metadata is None else metadata,
            "listenPorts": [80, 443],
            "softwareTechnologies": [{"type": name} for name in technologies],
            **changes,
        },
        "fromRelationships": {"isProcessOf": [{"id": HOST, "type": "HOST"}]},
    }
    return parse_entity(body).process


def test_a_process_is_described_by_what_tells_it_from_another() -> None:
    """Executable, command line, configuration and ports of Debian's apache2."""
    assert process() == Process(
        executable="/usr/sbin/apache2",
        command_line="/usr/sbin/apache2 -k start",
        config="/etc/apache2/apache2.conf",
        ports=(80, 443),
        technologies=("APACHE_HTTPD",),
    )


SPELLINGS: list[Any] = [
    METADATA,
    pairs({"exePath": "/usr/sbin/apache2", "commandLineArgs": ["/usr/sbin/apache2 -k start"]}),
    pairs({"executablePaths": ["/usr/sbin/apache2"], "apacheConfigPaths": ["/etc/x"]}),
    pairs({"Executable path": "/usr/sbin/apache2", "Command line args": "x"}),
]


@pytest.mark.parametrize("metadata", SPELLINGS)
def test_keys_of_metadata_are_known_in_each_spelling(metadata: Any) -> None:
    """A list of pairs or a mapping, in the words of the API, of v1 and of the user interface."""
    assert process(metadata).executable == "/usr/sbin/apache2"


def test_what_is_told_twice_and_differently_is_not_told() -> None:
    """Which of two executables is meant nobody knows."""
    twice = pairs(METADATA) + pairs({"EXE_PATH": "/opt/bitnami/apache/bin/httpd"})
    assert process(twice).executable is None
    assert process(pairs(METADATA) * 2).executable == "/usr/sbin/apache2"


def test_the_configuration_is_that_of_a_technology_of_the_process() -> None:
    """A module of it may have one of its own; two that fit are none."""
    both = {"PHP_CONFIG_PATH": "/etc/php.ini", "APACHE_CONFIG_PATH": "/etc/apache2/apache2.conf"}
    assert process(pairs(both)).config == "/etc/apache2/apache2.conf"
    assert process(pairs(both), ("APACHE_HTTPD", "PHP")).config is None
    assert process(pairs({"NGINX_CONFIG_PATH": "/etc/nginx.conf"})).config == "/etc/nginx.conf"


def test_a_path_that_is_too_long_is_not_told_and_a_command_line_is_cut() -> None:
    """A part of a path would be compared as if it were the whole."""
    long = process(pairs({"EXE_PATH": "/" + "x" * MAX_PATH_CHARS, "COMMAND_LINE_ARGS": "x" * 5000}))
    assert long.executable is None
    assert long.command_line == "x" * 1000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([80, "443", 80], (80, 443)),
        ([True, 0, -1, 65536, "8x", None, [80]], ()),
        ("80", ()),
        (None, ()),
        (list(range(1, 900)), tuple(range(1, 65))),
    ],
)
def test_ports_are_numbers_that_a_port_can_have(value: Any, expected: tuple[int, ...]) -> None:
    """Each once, and not endlessly many."""
    assert process(listenPorts=value).ports == expected


MARKS: list[tuple[dict[str, Any], str]] = [
    (
        {"metadata": pairs({"CONTAINER_NAME": "web", "KUBERNETES_FULL_POD_NAME": "web-6c9f-xk2"})},
        "KUBERNETES_FULL_POD_NAME: web-6c9f-xk2",
    ),
    ({"metadata": pairs({"KUBERNETES_NAMESPACE": None})}, "KUBERNETES_NAMESPACE"),
    ({"metadata": pairs({"containerImageName": "httpd"})}, "CONTAINER_IMAGE_NAME: httpd"),
    ({"metadata": pairs({"CLOUD_FOUNDRY_APP_NAME": "shop"})}, "CLOUD_FOUNDRY_APP_NAME: shop"),
    ({"gardenApplicationNames": ["shop"]}, "gardenApplicationNames"),
    ({"isDockerized": True}, "isDockerized"),
    ({"technologies": ("CONTAINERD", "APACHE_HTTPD")}, "CONTAINERD"),
    ({"technologies": ("APACHE_HTTPD", "PODMAN")}, "PODMAN"),
]


@pytest.mark.parametrize(("what", "mark"), MARKS, ids=[mark for _, mark in MARKS])
def test_the_mark_of_a_container_is_named(what: dict[str, Any], mark: str) -> None:
    """Any one of them will do, and what tells a person most is named."""
    assert process(**what).container == mark


def test_a_relation_to_a_container_is_a_mark() -> None:
    """A process may have no other."""
    related = {"isPgiOfCgi": [{"id": "CONTAINER_GROUP_INSTANCE-00000000000000F1"}]}
    detail = parse_entity({"entityId": PROCESS, "fromRelationships": related})
    assert detail.process.container == "isPgiOfCgi"


def test_a_process_on_the_host_itself_has_no_mark() -> None:
    """Nor has one that says so expressly; its technologies are read either way."""
    assert process(isDockerized=False).container is None
    body = {
        "entityId": PROCESS,
        "properties": {
            "isDockerized": True,
            "softwareTechnologies": [{"type": "APACHE_HTTPD", "version": "2.4"}],
        },
    }
    assert parse_entity(body).technologies == ("APACHE_HTTPD",)


def service(name: Any = "apache2", owner: Any = PROCESS) -> dict[str, Any]:
    return {
        "dt.osservice.name": name,
        "dt.osservice.status": "active",
        "dt.osservice.alerting": True,
        "dt.entity.process_group_instance": owner,
    }


UNITS: list[tuple[Any, dict[str, str]]] = [
    ([service()], {PROCESS: "apache2"}),
    ([service("apache2@foo.service")], {PROCESS: "apache2@foo.service"}),
    ([{"os_service.name": "apache2", "dt.entity.process_group_instance": PROCESS}], {PROCESS: "apache2"}),
    ([{"dt.osservice.name": "cron", "dt.osservice.display_name": "cron"}], {}),
    ([{"dt.osservice.display_name": "cron", "dt.entity.process_group_instance": PROCESS}], {}),
    (["apache2", "cron"], {}),
    ([service(), service("apache2"), service("cron", OTHER_PROCESS)], {PROCESS: "apache2", OTHER_PROCESS: "cron"}),
    ([service(), service("other")], {}),
    ([service("a b"), service("../../etc"), service(7), service("")], {}),
    ([service(owner="HOST"), service(owner=None)], {}),
    ("apache2", {}),
    (None, {}),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), UNITS)
def test_a_host_tells_the_unit_of_a_process_in_three_shapes(
    value: Any, expected: dict[str, str]
) -> None:
    """Whole records, short ones, and the plain texts of older tenants; two units for one process are none."""
    assert parse_units(value) == expected
    assert parse_entity({"entityId": HOST, "properties": {"osServices": value}}).units == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["key", "value", "type", "dt.osservice.name", "EXE_PATH", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_no_shape_breaks_the_parsing(
    metadata: Any, ports: Any, services: Any, relations: Any
) -> None:
    """What is not what it should be counts as not told."""
    properties = {
        "metadata": metadata,
        "listenPorts": ports,
        "osServices": services,
        "isDockerized": ports,
        "softwareTechnologies": services,
        "gardenApplicationNames": metadata,
    }
    body = {"entityId": PROCESS, "properties": properties, "fromRelationships": relations}
    found = parse_entity(body)
    assert all(isinstance(port, int) for port in found.process.ports)


def test_evidence_tells_what_raised_its_event_and_the_os_service() -> None:
    """By the event's properties, which a policy may add to."""
    told = [
        {"key": "Event source", "value": "Process availability"},
        {"key": "dt.osservice.name", "value": "apache2.service"},
    ]
    for properties, source, unit in (
        (told, "Process availability", "apache2.service"),
        ([{"key": "dt.osservice.name", "value": "rm -rf /"}], "", None),
        ("x", "", None),
        (None, "", None),
    ):
        event = event_v2(data={"status": "OPEN", "properties": properties})
        [item] = parse_problem(problem_v2(evidenceDetails={"details": [event]})).evidence
        assert (item.source, item.unit, item.is_open) == (source, unit, True)


REMEDIES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"tags": [{"context": "CONTEXTLESS", "key": "salt_remedy", "value": "orders"}]}, ("orders",)),
    ({"properties": {"customHostMetadata": pairs({"salt_remedy": " orders "})}}, ("orders",)),
    ({"properties": {"customHostMetadata": {"salt_remedy": "orders"}}}, ("orders",)),
    ({"properties": {"customPgMetadata": pairs({"SALT_REMEDY": "orders"})}}, ("orders",)),
    ({"properties": {"metadata": pairs({"salt_remedy": "a"} | METADATA)}}, ("a",)),
    (
        {
            "tags": [{"key": "salt_remedy", "value": "a"}, {"key": "salt_remedy", "value": "b"}],
            "properties": {"metadata": pairs({"salt_remedy": "a"})},
        },
        ("a", "b"),
    ),
    ({"tags": [{"key": "salt_remedy"}, {"key": "salt_remedy", "value": "  "}]}, ()),
    ({"tags": [{"key": "salt_remedy", "value": ["a"]}, 7, None]}, ()),
    ({"properties": {"metadata": 7, "customPgMetadata": "salt_remedy"}}, ()),
    ({"tags": [{"key": "salt_remedy", "value": "x" * 5000}]}, ("x" * MAX_REMEDY_CHARS,)),
]


@pytest.mark.parametrize(("changes", "expected"), REMEDIES)
def test_a_remedy_is_named_by_tag_or_custom_property(
    changes: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """Of process and host, in all shapes that are known; a long one is cut, and equals no name then."""
    assert parse_entity({"entityId": HOST, **changes}).process.remedies == expected


def test_what_an_entity_is_called_and_tagged_is_bounded() -> None:
    """The display name comes first; a name is never cut, since a part of it may fit a glob that it does not."""
    tags = [{"key": f"t{number}", "value": "v"} for number in range(MAX_TAGS + 9)]
    remedies = [{"key": "salt_remedy", "value": f"r{number}"} for number in range(99)]
    body = {
        "entityId": PROCESS,
        "displayName": "orders-1",
        "tags": [{"key": "x" * (MAX_TAG_CHARS + 1)}, *tags, *remedies],
        "properties": {"detectedName": "orders.jar", "dt.osservice.name": "orders"},
    }
    found = parse_entity(body).process
    assert (found.names, found.unit) == (("orders-1", "orders.jar"), "orders")
    assert (found.tags[0], len(found.tags)) == ("t0:v", MAX_TAGS)
    assert len(found.remedies) == MAX_REMEDIES
    assert parse_entity({**body, "displayName": "x" * (MAX_NAME_CHARS + 1)}).process.names == (
        "orders.jar",
    )


def test_an_event_may_name_its_remedy() -> None:
    """By a property of the policy or rule that raised it."""
    told = event_v2(data={"status": "OPEN", "properties": pairs({"salt_remedy": "orders"})})
    twice = event_v2(
        data={"properties": [{"key": "salt_remedy", "value": value} for value in ("a", "b", "a")]}
    )
    body = problem_v2(evidenceDetails={"details": [told, twice, event_v2(data={"properties": 7})]})
    found = [one.remedies for one in parse_problem(body).evidence]
    assert found == [("orders",), ("a", "b"), ()]
