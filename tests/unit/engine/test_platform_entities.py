"""
Entities by the tables of Grail and by Smartscape: what the Entities API would tell, and what is done without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from _dynatrace.api import smartscape
from _dynatrace.api.client import Client
from _dynatrace.api.entities import parse_entity
from _dynatrace.api.first_entities import REFUSED_S, FirstEntities
from _dynatrace.api.grail_entities import _body
from _dynatrace.api.sources import unheard
from _dynatrace.core.errors import AuthError, NotAsked, NotFound, Refusal, Unavailable
from _dynatrace.core.problem import EntityDetail

from tests.tenant import Tenant
from tests.unit.engine.bodies import HOST, OTHER_HOST, PROCESS
from tests.unit.engine.platform import READS, PlatformClient

SMARTSCAPE = tuple(one for one in READS if "entities" not in one)
NOTHING = tuple(one for one in SMARTSCAPE if "smartscape" not in one)
CLASSIC = (*NOTHING, "environment-api:entities:read")


def made(tenant: Tenant) -> tuple[str, str]:
    """
    Make a host and a process of which all is known; return their ids.
    """
    host = tenant.add_host("web01.example.com", properties={"salt_minion": "web01"})
    process = tenant.add_process(host, "Apache Web Server httpd")
    return host, process


@pytest.fixture
def details() -> Iterator[Tenant]:
    """
    A tenant whose tables have only the fields that all have.
    """
    with Tenant(grail_entity_details=False) as running:
        yield running
        running.check()


# -- the tables --------------------------------------------------------------------------------------------------------


def test_an_entity_is_the_same_by_both_ways(tenant: Tenant, client: Client) -> None:
    """
    The rules of matching see no difference.
    """
    platform = PlatformClient(tenant)
    for entity_id in made(tenant):
        by_table, by_api = platform.entity(entity_id), client.entity(entity_id)
        assert by_table.technologies == by_api.technologies
        # The tables have this name of everything.
        told = {"relations": {}, "detected_name": ""}
        assert replace(by_table, **told) == replace(by_api, **told)  # type: ignore[arg-type]
    assert platform.said == []


def test_a_process_knows_its_host(tenant: Tenant) -> None:
    """
    By the relation of the tables.
    """
    host, process = made(tenant)
    found = PlatformClient(tenant).entity(process)
    assert found.relations["from.isProcessOf"] == (host,)


def test_many_entities_take_one_query(tenant: Tenant) -> None:
    """
    However many there are; all of a type too.
    """
    host = tenant.add_host()
    processes = [tenant.add_process(host, name=f"p{number}") for number in range(60)]
    platform = PlatformClient(tenant)
    assert platform.entities(processes).keys() == set(processes)
    assert platform.all_of("PROCESS_GROUP_INSTANCE").keys() == set(processes)
    assert platform.hosts_of(processes) == {}
    assert platform.calls() == ["/query:execute"] * 2


def test_a_table_may_have_fewer_fields(details: Tenant) -> None:
    """
    Which is found out once, and for each type.
    """
    host, process = made(details)
    platform = PlatformClient(details)
    for _ in range(2):
        assert platform.entity(process).relations["from.isProcessOf"] == (host,)
        assert platform.entity(host).name == "web01.example.com"
    assert len(platform.calls()) == 6
    assert platform.entity(process).technologies


def test_an_unknown_entity_is_not_found(tenant: Tenant) -> None:
    """
    One of several is left out; what is no id is not asked for.
    """
    host, _ = made(tenant)
    platform = PlatformClient(tenant)
    with pytest.raises(NotFound):
        platform.entity(OTHER_HOST)
    assert platform.entities([host, OTHER_HOST]).keys() == {host}
    with pytest.raises(NotFound):
        platform.entity('HOST" or true')


def test_cut_entities_are_not_taken(tenant: Tenant) -> None:
    """
    What is missing would count as unknown.
    """
    host, _ = made(tenant)
    tenant.fault("grail_truncated", keep=0)
    with pytest.raises(Unavailable):
        PlatformClient(tenant).entities([host, OTHER_HOST])


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("owner", {"key": "owner"}),
        ("owner:web", {"key": "owner", "value": "web"}),
        ("[AWS]owner:web", {"key": "owner", "value": "web"}),
        (r"url:http\://web", {"key": "url", "value": "http://web"}),
        (r"a\:b:c", {"key": "a:b", "value": "c"}),
        ("salt_minion:web01", {"key": "salt_minion", "value": "web01"}),
    ],
)
def test_tags_are_texts(tag: str, expected: dict[str, str]) -> None:
    """
    With a context before and a value behind.
    """
    [found] = _body({"id": HOST, "tags": [tag]}, "HOST")["tags"]
    assert found == {"stringRepresentation": tag, **expected}


@pytest.mark.parametrize(
    "row",
    [
        {"softwareTechnologies": [{"type": "APACHE_HTTPD", "version": None}]},
        {"softwareTechnologies": ["type:APACHE_HTTPD,version:2.4"]},
        {"softwareTechnologies": ["APACHE_HTTPD"]},
    ],
)
def test_technologies_come_in_several_shapes(row: dict[str, Any]) -> None:
    """
    As records, or as texts of older tables.
    """
    detail = parse_entity(_body({"id": PROCESS, "host": HOST, **row}, "PROCESS_GROUP_INSTANCE"))
    assert detail.technologies == ("APACHE_HTTPD",)
    assert detail.relations["from.isProcessOf"] == (HOST,)


def test_a_container_is_a_mark() -> None:
    """
    By the relation alone.
    """
    row = {"id": PROCESS, "pod": "CONTAINER_GROUP_INSTANCE-00000000000000F1"}
    detail = parse_entity(_body(row, "PROCESS_GROUP_INSTANCE"))
    assert detail.process.container == "isPgiOfCgi"


# -- Smartscape --------------------------------------------------------------------------------------------------------


def test_smartscape_tells_of_a_process(tenant: Tenant, client: Client) -> None:
    """
    Its node has another id, and the classic one is read.
    """
    host, process = made(tenant)
    platform = PlatformClient(tenant, SMARTSCAPE)
    found, by_api = platform.entity(process), client.entity(process)
    assert found.id == process
    assert found.relations["from.isProcessOf"] == (host,)
    assert found.technologies == by_api.technologies
    assert found.process.executable == by_api.process.executable
    assert found.process.ports == by_api.process.ports
    [said] = platform.said
    assert said.startswith(
        "entities of type PROCESS_GROUP_INSTANCE are not read from the tables of Grail: "
    )


def test_smartscape_tells_of_a_host(tenant: Tenant) -> None:
    """
    And of whom an admin wrote on it.
    """
    host, _ = made(tenant)
    found = PlatformClient(tenant, SMARTSCAPE).entity(host)
    assert (found.id, found.name, found.salt_minions) == (host, "web01.example.com", ("web01",))


def test_a_node_in_a_container_is_marked() -> None:
    """
    By its edge alone.
    """
    node = {
        "id_classic": PROCESS,
        "references": {"runs_on.host": HOST, "runs_on.container": ["CONTAINER-00000000000000F1"]},
    }
    detail = parse_entity(smartscape._body(node, {HOST: HOST}))
    assert detail.process.container == "isPgiOfCgi"
    assert detail.relations["from.isProcessOf"] == (HOST,)


def test_a_host_whose_classic_id_is_unknown_is_no_host() -> None:
    """
    Beside a known one it makes it doubtful where the process runs.
    """
    node = {"id_classic": PROCESS, "references": {"runs_on.host": [HOST, OTHER_HOST]}}
    assert "from.isProcessOf" not in parse_entity(smartscape._body(node, {HOST: HOST})).relations


def test_smartscape_tells_of_many_at_once(tenant: Tenant) -> None:
    """
    One query for the processes, and one for the ids of their hosts.
    """
    hosts = [tenant.add_host() for _ in range(3)]
    processes = {tenant.add_process(host): host for host in hosts}
    platform = PlatformClient(tenant, SMARTSCAPE)
    found = platform.entities(processes)
    assert {one.id: one.relations["from.isProcessOf"] for one in found.values()} == {
        process: (host,) for process, host in processes.items()
    }
    # The refused one before.
    assert len(platform.calls()) == 3


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "switches"),
    [
        (NOTHING, {}),
        (READS, {"grail_entity_tables": False, "smartscape": False}),
    ],
)
def test_a_tenant_may_know_no_entities(scopes: tuple[str, ...], switches: dict[str, Any]) -> None:
    """
    It is said once for each source, and not asked for again for a while: what a problem names is all there is.
    """
    with Tenant(**switches) as tenant:
        _, process = made(tenant)
        platform = PlatformClient(tenant, scopes)
        for _ in range(3):
            with pytest.raises(NotAsked, match=r"(?s)tables of Grail.*Smartscape.*Entities API"):
                platform.entity(process)
            assert platform.entities([process]) == {}
        assert len(platform.said) == len(platform.calls()) == 3


def test_the_entities_api_is_asked_last(tenant: Tenant) -> None:
    """
    Where it may be asked it tells all.
    """
    host, process = made(tenant)
    assert PlatformClient(tenant, CLASSIC).entity(process).relations["from.isProcessOf"] == (host,)


def test_the_entities_api_comes_first_with_the_problems_api(tenant: Tenant) -> None:
    """
    Whoever names that source has it for both.
    """
    _, process = made(tenant)
    PlatformClient(tenant, (*READS, *CLASSIC), "problems").entity(process)
    assert not tenant.dql


class Source:
    """
    A source of entities that answers as it is told.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def entity(self, entity_id: str) -> EntityDetail:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return EntityDetail(entity_id, name=answer)

    entities = all_of = hosts_of = None


def test_what_comes_back_is_taken_again() -> None:
    """
    After a while the first is asked anew, and that it answers is said.
    """
    now, said = [0.0], list[tuple[str, bool]]()
    refused = AuthError("not allowed")
    first, second = Source(refused, "first"), Source("second", "second")
    both: Any = {"first": first, "second": second}
    entities = FirstEntities(both, lambda *told: said.append(told), lambda: now[0])
    assert entities.entity(HOST).name == "second"
    assert entities.entity(HOST).name == "second"
    now[0] += REFUSED_S
    assert entities.entity(HOST).name == "first"
    assert said == [
        ("entities of type HOST are not read from first: not allowed", True),
        ("entities of type HOST are read from first again", False),
    ]


@pytest.mark.parametrize(
    "error", [Unavailable("away"), AuthError("unknown token", Refusal.REJECTED)]
)
def test_trouble_is_no_refusal(error: Exception) -> None:
    """
    Of an entity that could not be asked for nothing is known, and nothing is decided.
    """
    both: Any = {"first": Source(error), "second": Source("second")}
    with pytest.raises(type(error)):
        FirstEntities(both, unheard).entity(HOST)
