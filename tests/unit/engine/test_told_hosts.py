"""
From what a record of Grail itself names to the minion: a host that is sure, or nobody.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.core.evidence import told_hosts
from _dynatrace.core.identity import Match
from _dynatrace.core.problem import Entity, EntityDetail, Problem, Process
from _dynatrace.core.resolution import Resolution, resolve

from tests.unit.engine.bodies import (
    APACHE,
    HOST,
    OTHER_HOST,
    OTHER_PROCESS,
    PROCESS,
    SERVICE,
    evidence,
    problem,
)
from tests.unit.engine.test_targets import THE_SERVICE, match

KNOWN = EntityDetail(PROCESS, relations={"from.isProcessOf": (HOST,)})
NO_HOST = EntityDetail(PROCESS, process=Process(executable="/usr/sbin/httpd"))


def record(**changes: Any) -> Problem:
    """
    Return a problem as a record tells it: one process on one host.
    """
    told = {"hosts": (HOST,), "host_names": ("web01.example.com",), "processes": (PROCESS,)}
    return problem(**{**told, "root_cause": None, "evidence": (evidence(host=HOST),), **changes})


def resolved(shown: Problem, *entities: EntityDetail) -> Resolution:
    """
    Return whom a problem concerns where the tenant tells these entities.
    """
    return resolve(shown, {one.id: one for one in entities}.get, match)


def test_the_minion_is_found_by_the_record_alone() -> None:
    """
    Nothing is looked up, and no technology is known: what a process is called is all that a remedy can be chosen by.
    """
    [target] = resolved(record()).targets
    assert (target.minion, target.host, target.entity) == ("web01", HOST, PROCESS)
    assert (target.matched_by, target.down, target.technologies) == ("host_id", True, ())
    assert target.process == Process(names=(APACHE.name, "a name"))


def test_a_record_without_events_names_the_host_too() -> None:
    """
    What a workflow sends has no evidence.
    """
    [target] = resolved(record(evidence=())).targets
    assert (target.minion, target.down) == ("web01", True)


def test_a_process_without_a_host_gets_that_of_the_record() -> None:
    """
    The tenant tells the rest of it.
    """
    [target] = resolved(record(), NO_HOST).targets
    assert (target.minion, target.process) == ("web01", NO_HOST.process)


TWO = (HOST, OTHER_HOST)
THE_OTHER = Entity(OTHER_PROCESS, "PROCESS_GROUP_INSTANCE", "nginx")


@pytest.mark.parametrize(
    ("changes", "hosts"),
    [
        ({}, (HOST,)),
        ({"hosts": TWO}, (HOST,)),
        ({"hosts": TWO, "evidence": (evidence(),)}, TWO),
        ({"hosts": TWO, "evidence": (evidence(host=HOST), evidence(host=OTHER_HOST))}, TWO),
        ({"hosts": TWO, "evidence": (evidence(OTHER_PROCESS, host=HOST),)}, TWO),
        ({"evidence": (evidence(OTHER_PROCESS, host=OTHER_HOST),)}, (HOST,)),
        ({"evidence": (evidence(),), "processes": ()}, ()),
        ({"evidence": (evidence(),), "processes": (OTHER_PROCESS,)}, ()),
        ({"evidence": (evidence(),), "processes": (PROCESS, OTHER_PROCESS)}, ()),
        ({"evidence": (evidence(),), "affected": (APACHE, THE_OTHER)}, ()),
        ({"evidence": (), "hosts": ()}, ()),
    ],
)
def test_its_own_events_decide_on_which_host_a_process_is(
    changes: dict[str, Any], hosts: tuple[str, ...]
) -> None:
    """
    Of several hosts of a problem none is that of the process, unless its own event names it.
    """
    assert told_hosts(record(**changes), PROCESS) == hosts


@pytest.mark.parametrize("entities", [(), (NO_HOST,)])
def test_two_hosts_are_an_ambiguity(entities: tuple[EntityDetail, ...]) -> None:
    """
    Nobody is acted on.
    """
    found = resolved(record(hosts=TWO, evidence=(evidence(),)), *entities)
    assert found.targets == ()
    assert [one.reason for one in found.unmatched] == ["the tenant names 2 hosts for it"]


@pytest.mark.parametrize(
    "changes",
    [
        {"evidence": (evidence(host=OTHER_HOST),)},
        {"evidence": (evidence(),), "hosts": (OTHER_HOST,)},
    ],
)
def test_a_record_that_contradicts_the_tenants_entities_is_an_ambiguity(
    changes: dict[str, Any],
) -> None:
    """
    One of both is wrong.
    """
    found = resolved(record(**changes), KNOWN)
    assert found.targets == ()
    assert [one.reason for one in found.unmatched] == ["the tenant names 2 hosts for it"]


def test_one_of_several_hosts_is_the_one_that_the_tenant_knows() -> None:
    """
    A problem of two processes names the hosts of both.
    """
    [target] = resolved(record(hosts=TWO, evidence=(evidence(),)), KNOWN).targets
    assert target.host == HOST


def test_what_runs_in_a_container_is_no_service_of_the_host() -> None:
    """
    Whether the process is known or not, the mark of a record of this process alone counts.
    """
    shown = record(container="k8s.pod.name: shop-1")
    for entities in ((), (KNOWN,)):
        [target] = resolved(shown, *entities).targets
        assert target.process.container == "k8s.pod.name: shop-1"


def test_a_mark_may_be_that_of_another_process() -> None:
    """
    What the tenant tells of a process counts more then; where it tells nothing the mark is that of all.
    """
    shown = record(container="k8s.pod.name: shop-1", processes=(PROCESS, OTHER_PROCESS))
    [known] = resolved(shown, KNOWN).targets
    assert known.process.container is None
    [unknown] = resolved(shown).targets
    assert unknown.process.container == "k8s.pod.name: shop-1"


def test_the_hosts_of_a_service_are_listed_without_leave_to_act() -> None:
    """
    As those that the tenant's entities name.
    """
    shown = record(affected=(THE_SERVICE,), evidence=(), processes=(), hosts=TWO)
    found = resolved(shown, EntityDetail(SERVICE))
    assert [(one.minion, one.actionable) for one in found.targets] == [
        ("web01", False),
        ("web02", False),
    ]


def test_a_host_that_the_tenant_does_not_know_has_the_records_name() -> None:
    """
    It is hearsay, as any name is, and only if it is clear whose it is.
    """
    heard: list[EntityDetail | None] = []

    def find(host_id: str, detail: Any) -> Match:
        heard.append(detail())
        return Match(None)

    for shown in (record(), record(hosts=TWO), record(host_names=("a", "b"))):
        resolve(shown, lambda _: None, find)
    name = "web01.example.com"
    assert heard == [EntityDetail(HOST, name, detected_name=name), None, None]
