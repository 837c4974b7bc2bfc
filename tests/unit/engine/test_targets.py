"""
From a problem to the minions that are meant, and whether their process is down.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _dynatrace.api.problems import parse_problem, parse_problem_v1
from _dynatrace.core.errors import Unavailable
from _dynatrace.core.evidence import is_down, last_failure
from _dynatrace.core.identity import Match
from _dynatrace.core.plain import plain, restored
from _dynatrace.core.problem import Entity, EntityDetail, Evidence, Problem, Process
from _dynatrace.core.resolution import Resolution, Target, Unmatched, resolve

from tests.unit.engine.bodies import (
    APACHE,
    GROUP,
    HOST,
    OTHER_HOST,
    OTHER_PROCESS,
    PROCESS,
    SERVICE,
    START,
    evidence,
    problem,
    problem_v1,
    problem_v2,
    target,
)

HOSTS = {HOST: "web01", OTHER_HOST: "web02"}
ENTITIES = {
    PROCESS: EntityDetail(
        PROCESS, technologies=("APACHE_HTTPD",), relations={"from.isProcessOf": (HOST,)}
    ),
    OTHER_PROCESS: EntityDetail(
        OTHER_PROCESS, technologies=("APACHE_HTTPD",), relations={"from.isProcessOf": (OTHER_HOST,)}
    ),
    SERVICE: EntityDetail(SERVICE, relations={"from.runsOnHost": (HOST, OTHER_HOST)}),
    GROUP: EntityDetail(GROUP, relations={"from.runsOn": (HOST, OTHER_HOST)}),
    HOST: EntityDetail(HOST),
    OTHER_HOST: EntityDetail(OTHER_HOST),
}
THE_SERVICE = Entity(SERVICE, "SERVICE", "Web service")
THE_GROUP = Entity(GROUP, "PROCESS_GROUP", "Apache")


def match(host_id: str, detail: Any) -> Match:
    """
    Stand for the index of minions.
    """
    minion = HOSTS.get(host_id)
    return (
        Match(minion, "host_id")
        if minion
        else Match(None, reason="no minion has this host id, name or address")
    )


def resolved(shown: Problem, entities: dict[str, EntityDetail] | None = None) -> Resolution:
    """
    Return whom a problem concerns in a small world.
    """
    return resolve(shown, (ENTITIES if entities is None else entities).get, match)


def test_a_process_is_placed_on_its_host() -> None:
    """
    The root cause of a captured process problem is the group; the evidence names the instance.
    """
    assert resolved(problem()) == Resolution((target(),))


def test_a_process_without_root_cause_evidence_is_a_target_still() -> None:
    """
    It is what failed, though nobody says that it is the cause.
    """
    shown = problem(evidence=(evidence(root_cause=False),), root_cause=None)
    assert resolved(shown) == Resolution((target(root_cause=False),))


def test_the_group_is_not_spread_when_its_instance_is_known() -> None:
    """
    The other hosts of the group are healthy.
    """
    shown = problem(root_cause=THE_GROUP, evidence=(evidence(root_cause=False),))
    assert [(item.minion, item.actionable) for item in resolved(shown).targets] == [("web01", True)]


def test_a_service_with_evidence_means_the_evidence() -> None:
    """
    The process that Dynatrace marks as root cause is acted on, the service's other hosts are not listed.
    """
    shown = problem(
        severity="ERROR",
        affected=(THE_SERVICE,),
        root_cause=THE_SERVICE,
        evidence=(
            evidence(SERVICE, event_type="SERVICE_ERROR_RATE_INCREASED"),
            evidence(OTHER_PROCESS),
        ),
    )
    assert resolved(shown) == Resolution(
        (target(minion="web02", host=OTHER_HOST, entity=OTHER_PROCESS),)
    )


@pytest.mark.parametrize("wide", [THE_SERVICE, THE_GROUP], ids=["service", "group"])
def test_without_evidence_every_host_is_listed_and_none_acted_on(wide: Entity) -> None:
    """
    Restarting all hosts of a service because one is slow would be the outage.
    """
    shown = problem(
        affected=(wide,),
        root_cause=wide,
        evidence=(evidence(wide.id, root_cause=True, grouping=None),),
    )
    found = resolved(shown)
    assert [(item.minion, item.entity, item.actionable) for item in found.targets] == [
        ("web01", wide.id, False),
        ("web02", wide.id, False),
    ]
    assert all(item.technologies == () for item in found.targets)
    assert found.unmatched == ()


def test_hosts_without_minion_are_unmatched_one_by_one() -> None:
    """
    Each with its reason.
    """
    service = EntityDetail(SERVICE, relations={"from.runsOnHost": (HOST, "HOST-00000000000000A9")})
    shown = problem(affected=(THE_SERVICE,), root_cause=None, evidence=())
    found = resolved(shown, {SERVICE: service})
    assert [item.minion for item in found.targets] == ["web01"]
    assert found.unmatched == (
        Unmatched("HOST-00000000000000A9", "no minion has this host id, name or address"),
    )


def test_a_host_is_its_own_target() -> None:
    """
    No process is down, so no remedy of a service takes it.
    """
    shown = problem(affected=(Entity(HOST, "HOST"),), root_cause=None, evidence=())
    assert resolved(shown) == Resolution(
        (target(entity=HOST, technologies=(), root_cause=False, down=False),)
    )


def test_the_root_cause_comes_first() -> None:
    """
    Whatever order the problem names them in.
    """
    shown = problem(
        affected=(APACHE, Entity(OTHER_PROCESS, "PROCESS_GROUP_INSTANCE")),
        evidence=(evidence(root_cause=False), evidence(OTHER_PROCESS)),
    )
    assert [item.minion for item in resolved(shown).targets] == ["web02", "web01"]


UNPLACED = [
    ({}, "the tenant does not know this process"),
    ({PROCESS: EntityDetail(PROCESS)}, "the tenant names no host for this process"),
    (
        {PROCESS: EntityDetail(PROCESS, relations={"from.isProcessOf": (HOST, OTHER_HOST)})},
        "the tenant names 2 hosts for it",
    ),
    (
        {
            PROCESS: EntityDetail(
                PROCESS, relations={"from.isProcessOf": ("HOST-00000000000000A9",)}
            )
        },
        "no minion has this host id, name or address",
    ),
]


@pytest.mark.parametrize(("entities", "reason"), UNPLACED)
def test_a_process_that_cannot_be_placed_is_unmatched(
    entities: dict[str, EntityDetail], reason: str
) -> None:
    """
    It is said, and nobody is acted on.
    """
    assert resolved(problem(), entities) == Resolution((), (Unmatched(PROCESS, reason),))


@pytest.mark.parametrize("kind", ["KUBERNETES_CLUSTER", "HTTP_CHECK", "APPLICATION"])
def test_what_runs_on_no_host_is_unmatched_for_good(kind: str) -> None:
    """
    Wherever it is named: among the affected, as root cause, or by the evidence alone.
    """
    other = Entity(f"{kind}-0000000000000001", kind)
    for shown in (
        problem(affected=(other,), root_cause=None, evidence=()),
        problem(affected=(), root_cause=other, evidence=()),
        problem(affected=(), root_cause=None, evidence=(evidence(other.id, root_cause=False),)),
    ):
        found = resolved(shown)
        assert [(one.entity, one.final) for one in found.unmatched] == [(other.id, True)]
        assert found.targets == ()


def test_a_process_brings_its_description_and_its_unit() -> None:
    """
    The unit is its host's to tell, which is read for a process that is down only.
    """
    known = Process(executable="/usr/sbin/apache2", ports=(80,))
    read: list[str] = []
    entities = {
        **ENTITIES,
        PROCESS: replace(ENTITIES[PROCESS], process=known),
        HOST: EntityDetail(HOST, units={PROCESS: "apache2"}),
    }

    def entity(entity_id: str) -> EntityDetail | None:
        read.append(entity_id)
        return entities.get(entity_id)

    [found] = resolve(problem(evidence=(evidence(start=START),)), entity, match).targets
    assert found.process == replace(known, unit="apache2")
    assert (found.failed, found.down, read) == (START, True, [PROCESS, HOST])
    read.clear()
    [slow] = resolve(problem(evidence=(evidence(event_type="SLOW_DISK"),)), entity, match).targets
    assert (slow.process, slow.down, read) == (known, False, [PROCESS])


def test_an_error_of_the_api_decides_nothing() -> None:
    """
    It passes through; the problem is looked at again.
    """

    def fails(entity_id: str) -> EntityDetail | None:
        raise Unavailable("GET /entities: no answer")

    with pytest.raises(Unavailable):
        resolve(problem(), fails, match)


def test_a_resolution_comes_back_from_its_plain_form() -> None:
    """
    The ledger keeps it as JSON.
    """
    known = Process("/usr/sbin/apache2", "apache2 -k start", "/etc/apache2", (80,), "apache2")
    found = Resolution(
        (target(process=known, failed=START), target(minion="web02", actionable=False)),
        (Unmatched(HOST, "x", final=True),),
    )
    assert restored(Resolution, plain(found)) == found
    assert isinstance(restored(Resolution, plain(found)).targets[0], Target)


DOWN: list[tuple[str, tuple[Evidence, ...], str, bool]] = [
    ("open event", (evidence(),), "AVAILABILITY", True),
    (
        "open event of the other vocabulary",
        (evidence(event_type="PROCESS_UNAVAILABLE"),),
        "AVAILABILITY",
        True,
    ),
    ("crash", (evidence(event_type="PROCESS_CRASHED"),), "ERROR", True),
    ("event of 2021, without status", (evidence(is_open=None),), "AVAILABILITY", True),
    ("in a failure rate problem", (evidence(),), "ERROR", True),
    ("closed: it is back already", (evidence(is_open=False),), "AVAILABILITY", False),
    ("one closed, one open", (evidence(is_open=False), evidence()), "AVAILABILITY", True),
    ("slow", (evidence(event_type="PROCESS_HIGH_GC_ACTIVITY"),), "RESOURCE_CONTENTION", False),
    (
        "slow, in an availability problem",
        (evidence(event_type="SLOW_DISK"),),
        "AVAILABILITY",
        False,
    ),
    (
        "slow and closed",
        (evidence(event_type="OSI_HIGH_CPU"), evidence(is_open=False)),
        "AVAILABILITY",
        False,
    ),
    ("another process", (evidence(OTHER_PROCESS),), "AVAILABILITY", False),
    (
        "availability evidence without event",
        (evidence(kind="AVAILABILITY_EVIDENCE", event_type="", is_open=None),),
        "AVAILABILITY",
        True,
    ),
    (
        "metric of a slow one",
        (evidence(kind="METRIC", event_type=""),),
        "RESOURCE_CONTENTION",
        False,
    ),
    ("no evidence at all", (), "AVAILABILITY", True),
    ("no evidence at all, and slow", (), "PERFORMANCE", False),
]


@pytest.mark.parametrize(
    ("what", "shown", "severity", "expected"), DOWN, ids=[row[0] for row in DOWN]
)
def test_only_a_process_that_is_down_now_counts(
    what: str, shown: tuple[Evidence, ...], severity: str, expected: bool
) -> None:
    """
    Its technology gets into the event then, and a remedy restarts it.
    """
    down = problem(evidence=shown, severity=severity)
    assert is_down(down, PROCESS) is expected
    technologies = [item.technologies for item in resolved(down).targets if item.entity == PROCESS]
    assert technologies == [("APACHE_HTTPD",) if expected else ()]


FAILURES: list[tuple[str, list[dict[str, Any]], int | None, int | None]] = [
    ("none", [], None, None),
    ("one, open", [{"start": 5}], 5, 5),
    ("the later of two", [{"start": 5}, {"start": 9}], 9, 9),
    ("the later one is over", [{"start": 5}, {"start": 9, "is_open": False}], 9, 5),
    ("nobody says whether it is over", [{"start": 5, "is_open": None}], 5, None),
    ("without a time", [{"start": None}], None, None),
    ("merely slow", [{"start": 5, "event_type": "SERVICE_SLOWDOWN"}], None, None),
    ("of another process", [{"start": 5, "entity_id": OTHER_PROCESS}], None, None),
]


@pytest.mark.parametrize(("what", "items", "latest", "still"), FAILURES)
def test_the_last_failure_is_the_latest_event_by_which_this_process_is_down(
    what: str, items: list[dict[str, Any]], latest: int | None, still: int | None
) -> None:
    """
    Of all that are known, and of those that the evidence expressly calls open.
    """
    found = problem(evidence=tuple(evidence(**item) for item in items))
    assert last_failure(found, PROCESS) == latest, what
    assert last_failure(found, PROCESS, still_open=True) == still, what


def test_both_api_versions_tell_when_a_failure_began() -> None:
    """
    As each piece of evidence has it.
    """
    for parsed in (parse_problem(problem_v2()), parse_problem_v1(problem_v1())):
        assert last_failure(parsed, PROCESS) == START
