"""
Which remedy of the catalogue takes a failure: one table a rule, and what of a problem it is chosen by.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from _dynatrace.config.catalogue import validate
from _dynatrace.core.failure import Failure
from _dynatrace.core.plain import plain, restored
from _dynatrace.core.policy import Policy, unfit
from _dynatrace.core.problem import Process
from _dynatrace.core.reasons import Reason
from _dynatrace.core.remedies import KINDS, MAX_PARTS, Catalogue, Remedy, service_unit
from _dynatrace.core.resolution import Choice, Target

from tests.unit.docs.pages import REPO
from tests.unit.engine.bodies import HOST, PROCESS, START, evidence, problem, target

NONE = Choice()


def catalogue(**entries: dict[str, Any]) -> Catalogue:
    """
    Return a catalogue of entries by what they take; ``settings`` beside that are the minion's.
    """
    return Catalogue(
        Remedy(
            name,
            {key: tuple(value) for key, value in on.items() if key != "settings"},
            {},
            on.get("settings", {"service": name}),
        )
        for name, on in entries.items()
    )


def failure(**changes: Any) -> Failure:
    """
    Return the failure of an nginx process that is down.
    """
    known: dict[str, Any] = {
        "minion": "web01",
        "names": ("nginx web", "Nginx"),
        "unit": "nginx",
        "technologies": ("NGINX",),
        "events": ("PGI_UNAVAILABLE",),
        "severity": "AVAILABILITY",
        "tags": ("[AWS]owner:web", "tier:front"),
        "down": True,
    }
    return Failure(**{**known, **changes})


#: By kind, what takes the failure and what does not.
FITS: list[tuple[str, list[str], list[str]]] = [
    ("unit", ["nginx"], ["nginx-*"]),
    ("unit", ["x", "ngi*"], ["NGINX"]),
    ("unit", ["nginx.service"], ["nginx.socket"]),
    ("process", ["nginx*"], ["NGINX*"]),
    ("process", ["Nginx"], ["apache*"]),
    ("technology", ["NGINX"], ["NGIN*"]),
    ("technology", ["APACHE_HTTPD", "NGINX"], ["nginx"]),
    ("event", ["PGI_UNAVAILABLE"], ["PGI_*"]),
    ("severity", ["ERROR", "AVAILABILITY"], ["ERROR"]),
    ("tag", ["*owner:web"], ["owner"]),
    ("minion", ["web*"], ["WEB*", "db*"]),
]


@pytest.mark.parametrize(("kind", "yes", "no"), FITS)
def test_an_entry_takes_what_it_names(kind: str, yes: list[str], no: list[str]) -> None:
    """Units, processes, tags and minions by globs, the others by their exact names; of a list any will do."""
    assert catalogue(nginx={kind: yes}).choose(failure()) == Choice("nginx", kind)
    assert catalogue(nginx={kind: no}).choose(failure()) == NONE
    both = catalogue(nginx={kind: yes, "minion": ["web*"]})
    assert both.choose(failure()).remedy == "nginx"
    assert both.choose(failure(minion="db01")) == NONE


def test_the_more_specific_kind_wins() -> None:
    """Each kind stands above those that follow, however many of an entry's conditions fit."""
    wanted: dict[str, dict[str, Any]] = {
        "unit": {"unit": ["nginx"]},
        "process": {"process": ["nginx*"], "technology": ["NGINX"], "minion": ["*"]},
        "technology": {"technology": ["NGINX"]},
        "event": {"event": ["PGI_UNAVAILABLE"]},
        "severity": {"severity": ["AVAILABILITY"]},
        "tag": {"tag": ["*"]},
        "minion": {"minion": ["*"]},
    }
    assert tuple(wanted) == KINDS[1:]
    left = dict(wanted)
    for kind in wanted:
        found = catalogue(**dict(reversed(left.items()))).choose(failure())
        assert found == Choice(kind, kind)
        del left[kind]


def test_two_remedies_of_one_kind_are_an_ambiguity() -> None:
    """It is told by both names, and a third of a less specific kind does not decide it."""
    both = {"web": {"process": ["nginx*"]}, "front": {"process": ["*web"]}, "x": {"tag": ["*"]}}
    found = catalogue(**both).choose(failure())
    assert (found.remedy, found.reason) == (None, Reason.TWO_REMEDIES)
    assert found.detail == "by process the remedies web and front take it: no more than one may"
    assert catalogue(**both, exact={"unit": ["nginx"]}).choose(failure()).remedy == "exact"


def test_a_process_of_two_technologies_has_two_remedies() -> None:
    """A master process of nginx that shows PHP too: nobody guesses which of the two is down."""
    known = {"nginx": {"technology": ["NGINX"]}, "php": {"technology": ["PHP"]}}
    found = catalogue(**known).choose(failure(technologies=("NGINX", "PHP")))
    assert found.reason is Reason.TWO_REMEDIES
    assert "nginx and php" in (found.detail or "")
    # What tells more than the technology decides.
    known["site"] = {"unit": ["nginx"]}
    assert catalogue(**known).choose(failure(technologies=("NGINX", "PHP"))).remedy == "site"


NAMED: list[tuple[dict[str, Any], dict[str, Any], str | None, Reason | None, str]] = [
    ({"db": {"technology": ["MYSQL"]}}, {"named": ("db",)}, "db", None, ""),
    ({"db": {"remedy": ["mysql", "sql"]}}, {"named": ("sql",)}, "db", None, ""),
    ({"db": {"remedy": ["sql"]}}, {"named": ("db",)}, None, Reason.NO_REMEDY, "has none of that"),
    ({"db": {}}, {"named": ("db",)}, "db", None, ""),
    ({"db": {}, "nginx": {"unit": ["nginx"]}}, {"named": ("db",)}, "db", None, ""),
    ({"db": {"minion": ["db*"]}}, {"named": ("db",)}, None, Reason.NO_REMEDY, "does not take"),
    ({"db": {"severity": ["ERROR"]}}, {"named": ("db",)}, None, Reason.NO_REMEDY, "'db'"),
    ({"db": {"event": ["X"]}}, {"named": ("db",)}, None, Reason.NO_REMEDY, "PGI_UNAVAILABLE"),
    (
        {"db": {}},
        {"named": ("db",), "down": False, "events": ("SLOW",)},
        None,
        Reason.NOT_DOWN,
        "SLOW",
    ),
    ({"a": {}, "b": {}}, {"named": ("a", "b")}, None, Reason.TWO_REMEDIES, "'a', 'b'"),
    ({"a": {}, "b": {"remedy": ["a"]}}, {"named": ("a",)}, None, Reason.TWO_REMEDIES, "a and b"),
    ({"nginx": {"unit": ["*"]}}, {"named": ("ngin",)}, None, Reason.NO_REMEDY, "'ngin'"),
    ({"nginx": {"unit": ["*"]}}, {"named": ("../x",)}, None, Reason.NO_REMEDY, "'../x'"),
    ({"nginx": {"unit": ["*"]}}, {"named": ("*",)}, None, Reason.NO_REMEDY, "'*'"),
    ({"nginx": {"unit": ["*"]}}, {"named": ("NGINX",)}, None, Reason.NO_REMEDY, "'NGINX'"),
    ({"nginx": {"unit": ["*"]}}, {"named": ("x\n- y: {}",)}, None, Reason.NO_REMEDY, r"x\n- y"),
    ({"nginx": {"unit": ["*"]}}, {"named": ("x" * 100,)}, None, Reason.NO_REMEDY, "xxx'"),
]


@pytest.mark.parametrize(("entries", "changes", "remedy", "reason", "said"), NAMED)
def test_the_tenant_may_name_the_remedy(
    entries: dict[str, Any], changes: dict[str, Any], remedy: str | None, reason: Any, said: str
) -> None:
    """Unit, process, technology and tag need not fit then; what it names and nobody has is not replaced by another."""
    found = catalogue(**entries).choose(failure(**changes))
    assert (found.remedy, found.by, found.reason) == (remedy, remedy and "remedy", reason)
    assert said in (found.detail or "")


def test_an_entry_that_asks_for_a_name_takes_nothing_without_it() -> None:
    """All that is given must fit; an entry without `on` is for those that name it."""
    assert catalogue(nginx={"remedy": ["x"], "unit": ["*"]}).choose(failure()) == NONE
    assert catalogue(nginx={}).choose(failure()) == NONE


HOSTILE = [
    "../x",
    "a/b",
    "a b",
    "x;reboot",
    "$(x)",
    "a\nb",
    "x" * 256,
    "",
    "nginx.target",
    "var-lib.mount",
    "swap.swap",
    "-x",
    ".nginx",
    "nginx.device",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_what_is_no_service_fits_no_glob_of_units(unit: str) -> None:
    """Not even one that takes all: a target or a mount is never a service to restart."""
    assert service_unit(unit) is None
    assert catalogue(all={"unit": ["*"]}).choose(failure(unit=unit)) == NONE


def test_a_unit_that_is_not_in_the_catalogue_is_not_taken() -> None:
    """Such as the one by which an admin gets in."""
    assert catalogue(app={"unit": ["app-*"]}).choose(failure(unit="ssh.service")) == NONE


def test_a_unit_is_compared_with_and_without_its_suffix() -> None:
    """Dynatrace names it without, systemd with it; an instance of a template is a unit of its own."""
    worker = catalogue(worker={"unit": ["worker@*.service"]})
    assert worker.choose(failure(unit="worker@2")).remedy == "worker"
    assert worker.choose(failure(unit="worker@2.service")).remedy == "worker"
    assert worker.choose(failure(unit="worker")) == NONE
    assert worker.choose(failure(unit=None)) == NONE


DOWN: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"unit": ["nginx"]}, {}, True),
    ({"unit": ["nginx"]}, {"down": False}, False),
    ({"unit": ["nginx"]}, {"down": False, "service": True}, True),
    ({"technology": ["NGINX"]}, {"down": False, "service": True}, False),
    ({}, {"down": False, "service": True, "named": ("nginx",)}, True),
    ({}, {"down": False, "told": True, "named": ("nginx",)}, True),
    ({"unit": ["nginx"]}, {"down": False, "told": True}, False),
    ({"unit": ["nginx"], "event": ["MEMORY"]}, {}, False),
    ({"unit": ["nginx"], "event": ["MEMORY"]}, {"down": False, "events": ("MEMORY",)}, True),
]


@pytest.mark.parametrize(("on", "changes", "taken"), DOWN)
def test_only_what_is_down_is_taken_unless_events_are_named(
    on: dict[str, Any], changes: dict[str, Any], taken: bool
) -> None:
    """An OS service is down by its availability event, and so is what such an event itself names a remedy for."""
    assert (catalogue(nginx=on).choose(failure(**changes)).remedy is not None) == taken


def test_a_container_is_never_the_service_of_its_host() -> None:
    """An entry with `container` takes nothing but containers, and every other one nothing in them."""
    host = {"nginx": {"technology": ["NGINX"]}}
    cart = {"cart": {"technology": ["NGINX"], "settings": {"container": "cart*"}}}
    inside = failure(container="CONTAINER_NAME: cart-1")
    assert catalogue(**host, **cart).choose(inside).remedy == "cart"
    assert catalogue(**host, **cart).choose(failure()).remedy == "nginx"
    found = catalogue(**host).choose(inside)
    assert (found.reason, found.remedy) == (Reason.ANOTHER_PROCESS, None)
    assert "CONTAINER_NAME: cart-1" in (found.detail or "")
    assert catalogue(**cart).choose(failure()).reason is Reason.ANOTHER_PROCESS
    preset = {"os_family": {"Debian": {"container": "cart*"}}}
    assert catalogue(cart={**cart["cart"], "settings": preset}).choose(inside).remedy == "cart"


def process(**changes: Any) -> Target:
    """
    Return the target of an nginx process that is down.
    """
    known = Process(names=("nginx web",), unit="nginx", technologies=("NGINX",))
    return target(**{"technologies": ("NGINX",), "process": known, **changes})


def host(**changes: Any) -> Target:
    """
    Return the target of a host.
    """
    return target(**{"entity": HOST, "technologies": (), "down": False, **changes})


def test_nginx_and_php_fpm_of_one_problem_have_a_remedy_each() -> None:
    """Two processes of one host in one problem: each is matched by what is known of itself."""
    php = Process(names=("php-fpm",), technologies=("PHP",))
    other = target(entity=PROCESS[:-1] + "9", technologies=("PHP",), process=php)
    known = catalogue(nginx={"technology": ["NGINX"]}, php={"technology": ["PHP"]})
    found = known.assign(problem(), [process(), other])
    assert [one.choice for one in found] == [
        Choice("nginx", "technology"),
        Choice("php", "technology"),
    ]


def test_one_remedy_takes_two_processes_of_one_host() -> None:
    """They are two targets; that they are not healed side by side is the order's rule."""
    known = catalogue(unit={"unit": ["worker@*"]})
    units = [Process(unit="worker@1"), Process(unit="worker@2")]
    targets = [target(entity=PROCESS[:-1] + str(n), process=one) for n, one in enumerate(units)]
    assert [one.remedy for one in known.assign(problem(), targets)] == ["unit", "unit"]


def test_a_process_may_be_named_by_its_group() -> None:
    """The group that the evidence of this process names, and no other."""
    shown = problem(evidence=(evidence(),))
    found = catalogue(a={"process": ["a name"]}).assign(shown, [process()])
    assert found[0].choice == Choice("a", "process")
    assert catalogue(a={"process": ["Apache*"]}).assign(shown, [process()])[0].choice == NONE


def test_one_of_many_hosts_gets_no_remedy() -> None:
    """It is listed and never acted on."""
    known = catalogue(all={"minion": ["*"]})
    assert known.assign(problem(), [process(actionable=False)])[0].choice == NONE


def service_event(unit: str | None, **changes: Any) -> Any:
    return evidence(
        HOST, **{"event_type": "AVAILABILITY_EVENT", "unit": unit, "grouping": None, **changes}
    )


def test_each_unit_of_a_host_is_a_failure_of_its_own() -> None:
    """One problem may hold the events of several OS services of a host; each has its own records."""
    shown = problem(
        evidence=(
            service_event("app-a", start=START),
            service_event("app-b", start=START + 5),
            service_event("app-a", start=START + 9),
            service_event("app-c", is_open=False),
            service_event("ssh.service"),
        )
    )
    found = catalogue(unit={"unit": ["app-*"]}).assign(shown, [host(advice="as before")])
    assert [(one.key, one.process.unit, one.remedy) for one in found] == [
        (f"{HOST} app-a", "app-a", "unit"),
        (f"{HOST} app-b", "app-b", "unit"),
        (f"{HOST} ssh.service", "ssh.service", None),
    ]
    assert [one.failed for one in found[:2]] == [START + 9, START + 5]
    assert found[0].last_failure(shown, still_open=True) == START + 9
    assert unfit(found[0]) is None
    held = unfit(found[2])
    assert held is not None and held.reason is Reason.NO_REMEDY
    assert "unit: {on: {unit: ['ssh.service']}}" in (held.detail or "")


def test_a_unit_whose_process_is_named_too_is_one_failure() -> None:
    """Else it has two budgets, and the one is tried while the other cools down. Another unit of the host is another one."""
    events = (evidence(PROCESS), service_event("app-a.service"), service_event("app-b"))
    known = catalogue(unit={"unit": ["app-*"]})
    one = process(process=Process(unit="app-a"))
    found = known.assign(problem(evidence=events), [one, host()])
    assert [(target.entity, target.process.unit) for target in found] == [
        (PROCESS, "app-a"),
        (HOST, "app-b"),
    ]
    back = problem(evidence=(evidence(PROCESS, is_open=False), *events[1:]))
    found = known.assign(back, [process(process=Process(unit="app-a"), down=False), host()])
    assert [target.key for target in found if target.remedy] == [
        f"{HOST} app-a.service",
        f"{HOST} app-b",
    ]


def test_a_host_is_one_target_where_nothing_takes_it() -> None:
    """As without a catalogue."""
    shown = problem(evidence=(service_event("app-a"), service_event("app-b")))
    one = host(advice="add a line")
    assert catalogue(nginx={"technology": ["NGINX"]}).assign(shown, [one]) == [one]
    assert Catalogue().assign(shown, [one]) == [one]


def test_more_units_than_a_host_has_are_not_followed() -> None:
    """The bound of what one problem may make of one host."""
    shown = problem(evidence=tuple(service_event(f"app-{n}") for n in range(MAX_PARTS + 9)))
    assert len(catalogue(unit={"unit": ["*"]}).assign(shown, [host()])) == MAX_PARTS


def test_a_full_disk_is_taken_by_its_event() -> None:
    """And by none that takes what is down; its last failure is that event's."""
    low = evidence(HOST, event_type="LOW_DISK_SPACE", start=START)
    shown = problem(severity="RESOURCE_CONTENTION", evidence=(low,))
    known = catalogue(var={"event": ["LOW_DISK_SPACE"]}, all={"minion": ["*"]})
    [found] = known.assign(shown, [host()])
    assert (found.choice, found.about) == (Choice("var", "event"), "LOW_DISK_SPACE")
    assert (found.failed, found.key) == (START, f"{HOST} LOW_DISK_SPACE")
    closed = problem(evidence=(evidence(HOST, event_type="LOW_DISK_SPACE", is_open=False),))
    assert known.assign(closed, [host()]) == [host()]


def test_a_rule_that_counts_processes_may_name_the_remedy() -> None:
    """A process availability rule names no process; its event property says what heals it."""
    shown = problem(evidence=(service_event(None, remedies=("orders",)),))
    [found] = catalogue(orders={"process": ["x"]}).assign(shown, [host()])
    assert found.choice == Choice("orders", "remedy")
    [other] = catalogue(x={"unit": ["*"]}).assign(shown, [host()])
    assert other.choice.reason is Reason.NO_REMEDY


def test_a_tag_of_the_host_names_the_remedy_of_its_processes() -> None:
    """Host and process may both name it; where they differ, nobody guesses."""
    known = catalogue(orders={}, other={})
    one = process(process=Process(remedies=("orders",)))
    assert known.assign(problem(), [one])[0].choice == Choice("orders", "remedy")
    apart = Process(remedies=("orders",), host_remedies=("other",))
    for two in (Process(remedies=("orders", "other")), apart):
        found = known.assign(problem(), [process(process=two)])
        assert found[0].choice.reason is Reason.TWO_REMEDIES
    both = process(process=Process(remedies=("orders",), host_remedies=("orders",)))
    assert known.assign(problem(), [both])[0].choice == Choice("orders", "remedy")


def test_a_tag_of_the_host_alone_is_no_identity_of_its_processes() -> None:
    """The host's database has it too: the minion asks for as much as by any tag."""
    one = process(process=Process(host_remedies=("orders",)))
    assert catalogue(orders={}).assign(problem(), [one])[0].choice == Choice("orders", "tag")


def test_what_is_stored_of_a_target_holds_no_choice() -> None:
    """The catalogue of the day decides, whatever it was when the problem was read."""
    one = process()
    assert restored(Target, plain(one)) == one


def test_a_remedy_has_a_policy_of_its_own() -> None:
    """It wins, but never lets through what the engine's forbids."""
    engine = Policy(allow=("web*",), deny=("web09",), dry_run=False, cooldown=300)
    own = engine.of_remedy({"cooldown": 5, "max_attempts": 1, "max_minions": 2, "allow": ["*1"]})
    assert (own.cooldown, own.max_attempts, own.limit(100), own.attempt_window) == (5, 1, 2, 3600)
    known = process(choice=Choice("nginx", "unit"))
    assert not own.forbids([known])
    assert own.forbids([process(choice=Choice("nginx", "unit"), minion="web02")])
    assert own.forbids([process(choice=Choice("nginx", "unit"), minion="db1")])
    assert engine.of_remedy({"deny": ["web01"]}).forbids([known])
    assert engine.of_remedy({"dry_run": True}).dry_run
    assert Policy(dry_run=True).of_remedy({"dry_run": False}).dry_run
    assert engine.of_remedy({}) is engine


@pytest.mark.parametrize(
    ("technology", "unit", "remedy"),
    [
        ("MYSQL", "mysql", "mysql"),
        ("MYSQL", "mysqld@two", "mysql"),
        ("MARIADB", "mariadb", "mariadb"),
        ("REDIS", "redis-server@cache", "redis"),
    ],
)
def test_the_shipped_entries_take_no_further_instance_by_its_program(
    technology: str, unit: str, remedy: str
) -> None:
    """Each instance has the same technology; only the unit tells which one is meant."""
    shipped = yaml.safe_load((REPO / "master.d" / "remedies.conf").read_text())
    known, faults = validate(shipped["dynatrace_remedies"])
    assert faults == []
    named = failure(names=("a database",), technologies=(technology,), unit=unit)
    assert known.choose(named).remedy == remedy
    assert known.choose(replace(named, unit=None)).remedy is None
