"""
What goes on the bus: ids, tags, the whole data, its size and its signature.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _dynatrace.core.policy import Verdict
from _dynatrace.core.problem import Entity, Process
from _dynatrace.core.reasons import Reason
from _dynatrace.core.records import Attempt, Episode
from _dynatrace.core.resolution import Choice, Resolution, Target, Unmatched
from _dynatrace.core.states import AttemptState
from _dynatrace.master.envelope import MAX_EVENT_BYTES, canonical, clean, iso, shrink, sign
from _dynatrace.master.event import attempt_id, carried, event_data, job_id, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.bodies import (
    DISPLAY_ID,
    OTHER_PROCESS,
    PID,
    PROCESS,
    START,
    TITLE,
    problem,
    target,
)

ROOT = Path(__file__).parents[3]
KEY = b"0123456789abcdef" * 4
NOW = 1721545260.0
LIMIT = 100_000

DOCUMENTED = {
    *(
        "schema",
        "instance",
        "what",
        "problem_id",
        "display_id",
        "episode",
        "attempt",
        "attempt_id",
        "jid",
        "title",
    ),
    *(
        "severity",
        "impact",
        "status",
        "start",
        "end",
        "url",
        "root_cause",
        "affected",
        "event_types",
        "tags",
    ),
    *(
        "management_zones",
        "under_maintenance",
        "minions",
        "technologies",
        "processes",
        "targets",
        "held",
        "unmatched",
        "source",
    ),
    *("dry_run", "signature"),
}
ADDED = {"remedy", "fired", "valid_until", "act_until", "reason", "outcome", "cut", "merged"}


_OWN = attempt_id(PID, 1, 1)
ATTEMPT = Attempt(_OWN, PID, 1, 1, job_id(_OWN, START), AttemptState.PLANNED, NOW)


def event(act: bool = True, what: str = "open", **changes: Any) -> dict[str, Any]:
    """
    Return the data of an event about one problem, before it is signed.
    """
    shown = {**DEFAULTS, **changes}
    episode = Episode(PID, 1, shown["problem"], shown["resolution"], "", 0, NOW, NOW)
    return event_data(
        what,
        episode,
        shown["acting"],
        shown["held"],
        instance="dynatrace",
        dry_run=False,
        targets=shown.get("targets"),
        attempt=shown.get("attempt", ATTEMPT if act else None),
        outcome=shown["outcome"],
        act=act,
    )


DEFAULTS: dict[str, Any] = {
    "problem": problem(),
    "resolution": Resolution(
        (target(),), (Unmatched("HOST-00000000000000A9", "no minion has this host id"),)
    ),
    "acting": (target(),),
    "held": ((target(minion="web02"), Verdict(Reason.COOLDOWN, NOW)),),
    "outcome": (),
}


def genuine_module(cachedir: Path) -> ModuleType:
    """
    Load the module of reactors by its path, with a key where it looks for it.
    """
    spec = importlib.util.spec_from_file_location(
        "dynatrace_on_the_master", ROOT / "salt/_modules/dynatrace_master.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["__opts__"] = {"cachedir": str(cachedir), "__role": "master"}
    (cachedir / "dynatrace").mkdir()
    (cachedir / "dynatrace" / "signing.key").write_bytes(KEY)
    return module


GOLDEN = [
    (PID, 1, 1, "d00cd5ee3f71d3c653ca6cb53a16ab13"),
    (PID, 1, 2, "25ef757041c1aceec6d7ad37e8be9561"),
    (PID, 2, 1, "52631314203ee2d8b8d06b08a2b0770b"),
    ("display:P-24071", 1, 1, "deffdde282f4e1adda995d019f1ac603"),
]


@pytest.mark.parametrize(("key", "episode", "number", "expected"), GOLDEN)
def test_attempt_ids_never_change(key: str, episode: int, number: int, expected: str) -> None:
    """
    Every master and every version derives the same id, or a minion would act twice.
    """
    assert attempt_id(key, episode, number) == expected
    assert (
        attempt_id(key, episode, number)
        == hashlib.sha256(f"{key}|{episode}|{number}".encode()).hexdigest()[:32]
    )


def test_job_ids_never_change() -> None:
    """
    A minion runs one jid once; the jid is the same however often the event is fired.
    """
    own = attempt_id(PID, 1, 1)
    assert job_id(own, START) == "20240721062816903064"
    assert job_id(own, None) == "19700101002816903064"


@given(st.text(max_size=40), st.none() | st.integers(1, 10**14 - 1))
def test_a_job_id_has_the_form_that_salt_asks(own: str, start: int | None) -> None:
    """
    Twenty digits whose date and time exist.
    """
    jid = job_id(own.encode("utf-8", "replace").decode(), start)
    assert re.fullmatch("[0-9]{20}", jid)
    time.strptime(jid[:14], "%Y%m%d%H%M%S")


def test_job_ids_of_a_storm_differ() -> None:
    """
    Ten thousand attempts within one hour collide so rarely that the ledger can look at it.
    """
    jids = {job_id(attempt_id(f"{n}_1V2", 1, 1), START) for n in range(10_000)}
    assert len(jids) >= 9_998


TAGS = [
    ({}, "dynatrace/problem/open/availability/P-24071"),
    ({"severity": "SOMETHING_NEW"}, "dynatrace/problem/open/something_new/P-24071"),
    ({"display_id": None}, "dynatrace/problem/open/availability/unknown"),
    ({"display_id": "503"}, "dynatrace/problem/open/availability/503"),
    ({"severity": "../../etc"}, "dynatrace/problem/open/unknown/P-24071"),
    ({"severity": ""}, "dynatrace/problem/open/unknown/P-24071"),
    ({"severity": "\u0130\ud800"}, "dynatrace/problem/open/unknown/P-24071"),
    ({"display_id": "P-1/../x"}, "dynatrace/problem/open/availability/unknown"),
    ({"display_id": "P-1\n"}, "dynatrace/problem/open/availability/unknown"),
    ({"display_id": "*"}, "dynatrace/problem/open/availability/unknown"),
    ({"display_id": "x" * 65}, "dynatrace/problem/open/availability/unknown"),
]


@pytest.mark.parametrize(("changes", "expected"), TAGS)
def test_a_tag_has_checked_parts_only(changes: dict[str, Any], expected: str) -> None:
    """
    What is no plain word is ``unknown``, never part of a tag.
    """
    assert tag("open", problem(**changes)) == expected


@given(st.text(max_size=70), st.none() | st.text(max_size=70))
def test_no_text_makes_another_tag(severity: str, number: str | None) -> None:
    """
    Five parts of harmless characters, whatever comes in.
    """
    made = tag("open", problem(severity=severity, display_id=number))
    assert re.fullmatch("[A-Za-z0-9/_-]+", made)
    assert made.count("/") == 4


def test_all_documented_keys_are_there() -> None:
    """
    Reactors read any of them without asking first; those that Salt gives a meaning are never set.
    """
    for data in (
        event(),
        event(act=False, what="resolved"),
        event(problem=problem(problem_id=None)),
    ):
        signed = sign(data, KEY, NOW, 30)
        assert set(signed) == DOCUMENTED | ADDED
        assert not {"user", "tag", "_stamp"} & set(signed)


def test_an_event_that_orders_tells_whom() -> None:
    """
    Values as documented, from a problem with one match, one held and one unmatched.
    """
    data = event()
    assert (data["schema"], data["what"], data["problem_id"], data["display_id"]) == (
        1,
        "open",
        PID,
        DISPLAY_ID,
    )
    assert (data["attempt"], data["attempt_id"]) == (1, attempt_id(PID, 1, 1))
    assert data["jid"] == job_id(data["attempt_id"], START)
    assert (data["start"], data["end"], data["status"]) == (
        "2024-07-21T06:59:59.999Z",
        None,
        "OPEN",
    )
    assert (data["minions"], data["technologies"]) == (["web01"], {"APACHE_HTTPD": ["web01"]})
    assert data["affected"] == [
        {"id": PROCESS, "type": "PROCESS_GROUP_INSTANCE", "name": "Apache Web Server apache2"},
    ]
    assert data["targets"] == [
        {
            "minion": "web01",
            "host": "HOST-00000000000000A1",
            "entity": PROCESS,
            "technologies": ["APACHE_HTTPD"],
            "root_cause": True,
            "matched_by": "host_id",
            "remedy": None,
            "by": None,
        }
    ]
    assert data["held"] == [
        {
            "minion": "web02",
            "entity": PROCESS,
            "reason": "cooldown",
            "until": "2024-07-21T07:01:00.000Z",
            "detail": None,
        },
    ]
    assert data["unmatched"] == [
        {"entity": "HOST-00000000000000A9", "reason": "no minion has this host id"}
    ]


def test_an_event_that_reports_gives_nobody_to_act_on() -> None:
    """
    A reactor that is mapped to too much still finds nobody.
    """
    data = event(act=False, what="resolved")
    assert (data["minions"], data["technologies"], data["attempt"]) == ([], {}, 0)
    assert (data["attempt_id"], data["jid"], data["processes"]) == (None, None, {})
    assert sign(data, KEY, NOW, 30, 120)["act_until"] is None
    assert data["targets"]


def test_an_order_says_which_process_is_meant_on_each_minion() -> None:
    """
    A technology is no identity: by these the minion knows whether it would touch the process that failed.
    """
    known = Process(
        executable="/usr/sbin/apache2",
        command_line="/usr/sbin/apache2 -k start",
        config="/etc/apache2/apache2.conf",
        ports=(80, 443),
        unit="apache2.service",
    )
    inside = Process(names=("nginx web", "nginx"), container="CONTAINER_NAME: web")
    taken = Choice("cart", "process")
    second = target(minion="web02", process=inside, choice=taken)
    data = event(acting=(target(process=known, failed=START), second))
    assert data["processes"] == {
        "web01": {
            "entity": PROCESS,
            "failed": "2024-07-21T06:59:59.999Z",
            "executable": "/usr/sbin/apache2",
            "command_line": "/usr/sbin/apache2 -k start",
            "config": "/etc/apache2/apache2.conf",
            "ports": [80, 443],
            "unit": "apache2.service",
            "name": None,
            "container": None,
            "by": None,
        },
        "web02": {
            "entity": PROCESS,
            "failed": None,
            "executable": None,
            "command_line": None,
            "config": None,
            "ports": [],
            "unit": None,
            "name": "nginx web",
            "container": "CONTAINER_NAME: web",
            "by": "process",
        },
    }


def test_an_event_names_the_remedy_of_its_attempt() -> None:
    """
    One for all of its minions; what is only reported of an attempt has it too.
    """
    taken = target(choice=Choice("nginx", "technology"))
    made = replace(ATTEMPT, remedy="nginx")
    data = event(acting=(taken,), attempt=made, targets=[taken])
    assert data["remedy"] == "nginx"
    assert (data["targets"][0]["remedy"], data["targets"][0]["by"]) == ("nginx", "technology")
    report = event(act=False, attempt=made)
    assert (report["remedy"], report["minions"]) == ("nginx", [])
    assert event(act=False)["remedy"] is None


def test_a_long_name_and_mark_do_not_make_an_order_too_large() -> None:
    """
    What is said of each process counts among what an event can carry.
    """
    known = Process(names=("\u00e4" * 500,), container="x" * 200, command_line="y" * 1000)
    targets = [target(minion=f"web{number}", process=known) for number in range(200)]
    count = carried(targets)
    assert 0 < count < 200
    data = event(acting=tuple(targets[:count]), resolution=Resolution(tuple(targets)))
    assert len(canonical(data)) <= MAX_EVENT_BYTES
    assert len(data["processes"]) == count


def test_an_order_says_until_when_it_may_be_begun() -> None:
    """
    The moment of firing and the time that the engine waits for the outcome; a reactor has less.
    """
    signed = sign(event(), KEY, NOW, 30, 120)
    assert signed["valid_until"] == "2024-07-21T07:01:30.000Z"
    assert signed["act_until"] == "2024-07-21T07:03:00.000Z"
    assert "act_until" not in sign({"what": "started"}, KEY, NOW, 30, 120)


def test_one_minion_with_two_processes_is_named_once() -> None:
    """
    Its job restarts each technology once.
    """
    acting = (target(), target(entity=OTHER_PROCESS), target(minion="web02"))
    data = event(acting=acting)
    assert data["minions"] == ["web01", "web02"]
    assert data["technologies"] == {"APACHE_HTTPD": ["web01", "web02"]}


MOMENTS = [
    (None, None),
    (0.0, "1970-01-01T00:00:00.000Z"),
    (1721545199.999, "2024-07-21T06:59:59.999Z"),
    (NOW, "2024-07-21T07:01:00.000Z"),
]


@pytest.mark.parametrize(("seconds", "expected"), MOMENTS)
def test_times_are_iso_in_utc(seconds: float | None, expected: str | None) -> None:
    """
    With milliseconds and a Z.
    """
    assert iso(seconds) == expected


@given(st.integers(1, 4_000_000_000_000))
def test_no_millisecond_is_lost(milliseconds: int) -> None:
    """
    Times go through floats and come out as they were.
    """
    text = iso(milliseconds / 1000)
    assert text is not None
    assert text.endswith(f".{milliseconds % 1000:03d}Z")


CLEAN = [
    ("plain", "plain"),
    ("a\ud800b", "a\ufffdb"),
    ("\U0001f4a5\u2028\u00e4", "\ufffd\u2028\u00e4"),
    ("x" * 1001, "x" * 999 + "\u2026"),
    (2**63, str(2**63)),
    (-(2**63), -(2**63)),
    (-(2**63) - 1, str(-(2**63) - 1)),
    (True, True),
    (None, None),
    (1.5, "1.5"),
    (float("nan"), "nan"),
    ({1: ("a", "b\udfff")}, {"1": ["a", "b\ufffd"]}),
]


@pytest.mark.parametrize(("value", "expected"), CLEAN)
def test_values_are_made_fit_for_the_bus(value: Any, expected: Any) -> None:
    """
    No surrogate, nothing that YAML cannot spell, no integer beyond 64 bits, no endless text.
    """
    assert clean(value) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_what_is_clean_survives_the_way(value: Any) -> None:
    """
    UTF-8 and JSON carry it unchanged, and cleaning it again changes nothing.
    """
    cleaned = clean(value)
    assert json.loads(json.dumps(cleaned, ensure_ascii=False).encode().decode()) == cleaned
    assert clean(cleaned) == cleaned


def many(count: int) -> dict[str, Any]:
    """
    Return an event about a problem with long lists of everything.
    """
    entities = tuple(Entity(f"HOST-{n:016X}", "HOST", "n" * 500) for n in range(count))
    targets = tuple(Target(f"web{n}", entities[n].id, entities[n].id) for n in range(count))
    return event(
        problem=problem(
            affected=entities, tags=("t" * 900,) * count, management_zones=("z" * 900,) * count
        ),
        resolution=Resolution(targets, tuple(Unmatched(item.id, "r" * 900) for item in entities)),
        held=[(item, Verdict(Reason.STORM)) for item in targets[1:]],
        outcome=[{"minion": item.minion, "ok": True, "comment": "c" * 900} for item in targets[:5]],
    )


@pytest.mark.parametrize("count", [10, 100, 600, 5000])
def test_a_large_event_is_cut_and_says_so(count: int) -> None:
    """
    What is left and what was cut add up, and whom to act on is never cut.
    """
    data = sign(many(count), KEY, NOW, 30)
    assert len(json.dumps(data)) < LIMIT
    assert data["minions"] == ["web01"]
    assert len(data["affected"]) + data["cut"].get("affected", 0) == count
    assert len(data["held"]) + data["cut"].get("held", 0) == count - 1
    assert len(data["unmatched"]) + data["cut"].get("unmatched", 0) == count
    if count >= 100:
        assert data["cut"]


@pytest.mark.parametrize("technologies", [1, 3, 5000])
@pytest.mark.parametrize("length", [5, 60, 250])
def test_whom_an_event_orders_fits_in_it_and_is_never_cut(length: int, technologies: int) -> None:
    """
    Thousands of minions are ordered by several events; each names all that it orders.
    """
    names = tuple(f"TECHNOLOGY_{number:053d}" for number in range(technologies))
    process = Process("/" + "ü" * length, "ü" * length * 8, None, (80,) * length, "ü.service")
    left = [
        target(minion=f"{number:05d}".ljust(length, "ü"), technologies=names, process=process)
        for number in range(9000)
    ]
    large = problem(title="ü" * 1000, url="https://" + "ü" * 1000, impact="ü" * 1000)
    for _ in range(3):
        count = carried(left)
        data = sign(event(acting=left[:count], problem=large), KEY, NOW, 30)
        assert 0 < count < len(left)
        assert len(canonical(data)) < LIMIT
        assert data["minions"] == [one.minion for one in left[:count]]
        assert all(minions == data["minions"] for minions in data["technologies"].values())
        assert list(data["processes"]) == data["minions"]
        assert len(data["technologies"]) == min(technologies, 20)
        left = left[count:]


def test_the_least_needed_is_cut_first() -> None:
    """
    Unmatched entities go before the targets, and the outcome last of all.
    """
    cut = many(120)["cut"]
    assert cut["unmatched"] > 0
    assert "outcome" not in cut
    assert "targets" not in cut or cut["targets"] <= cut["unmatched"]


def test_what_is_small_is_left_alone() -> None:
    """
    Shrinking copies; nothing is cut from what fits.
    """
    data = event()
    assert shrink(data) == data
    assert data["cut"] == {}
    assert len(canonical(data)) < MAX_EVENT_BYTES


def test_the_signature_can_be_verified_by_its_description() -> None:
    """
    HMAC-SHA256 over sorted, compact, ASCII JSON of all but the signature and Salt's stamp.
    """
    signed = sign(event(problem=problem(title="\u00e4\U0001f4a5\n")), KEY, NOW, 30)
    rest = {key: value for key, value in signed.items() if key != "signature"}
    body = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    assert signed["signature"] == hmac.new(KEY, body, hashlib.sha256).hexdigest()
    assert (signed["fired"], signed["valid_until"]) == (
        "2024-07-21T07:01:00.000Z",
        "2024-07-21T07:01:30.000Z",
    )


def test_signing_again_replaces_the_old_signature() -> None:
    """
    An order that is fired again is valid from then on.
    """
    first = sign(event(), KEY, NOW, 30)
    second = sign(first, KEY, NOW + 60, 30)
    assert second["signature"] != first["signature"]
    assert second == sign(event(), KEY, NOW + 60, 30)


def test_reactors_take_a_signed_event_as_genuine(tmp_path: Path) -> None:
    """
    The two sides were written apart and agree, also after Salt added its stamp and carried it as JSON.
    """
    genuine = genuine_module(tmp_path).genuine
    signed = sign(
        event(problem=problem(title="\u00e4\U0001f4a5 a\ud800b\n{{ x }}")), KEY, time.time(), 30
    )
    carried = json.loads(json.dumps({**signed, "_stamp": "2024-07-21T06:59:59.999999"}))
    assert genuine(carried)
    assert genuine(sign(json.loads(json.dumps(many(600))), KEY, time.time(), 30))


FORGED: list[dict[str, Any]] = [
    {"minions": ["web02"]},
    {"technologies": {"APACHE_HTTPD": ["web02"]}},
    {"jid": "20240721065959123457"},
    {"attempt": 2},
    {"title": "another"},
    {"valid_until": "2999-01-01T00:00:00.000Z"},
    {"extra": 1},
    {"signature": "0" * 64},
    {"__peer_id": "other"},
]


@pytest.mark.parametrize("change", FORGED)
def test_reactors_refuse_a_changed_event(tmp_path: Path, change: dict[str, Any]) -> None:
    """
    Any accepted minion can fire any event on the master's bus.
    """
    signed = sign(event(), KEY, time.time(), 30)
    module = genuine_module(tmp_path)
    assert module.genuine(signed)
    assert not module.genuine({**signed, **change})


def test_reactors_refuse_an_old_event(tmp_path: Path) -> None:
    """
    An order is valid for a short time only.
    """
    module = genuine_module(tmp_path)
    assert not module.genuine(sign(event(), KEY, time.time() - 31, 30))
    assert not module.genuine(sign(event(), b"f" * 64, time.time(), 30))


@settings(max_examples=50)
@given(st.text(st.characters(), max_size=50), st.text(st.characters(), max_size=50))
def test_no_text_from_outside_becomes_a_key(title: str, name: str) -> None:
    """
    Texts change values; the shape of an event stays.
    """
    shown = event(
        problem=problem(title=title, affected=(Entity(PROCESS, "PROCESS_GROUP_INSTANCE", name),))
    )
    plain = event()

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items()}
        return [shape(item) for item in value] if isinstance(value, list) else None

    assert shape(shown) == shape(plain)
    assert plain["title"] == TITLE
