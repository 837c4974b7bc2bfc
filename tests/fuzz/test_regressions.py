"""
What fuzzing found, and a few seconds of random JSON: the parsers raise what is documented and nothing else.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from _dynatrace.api import problems
from _dynatrace.api.client import Client
from _dynatrace.api.json_values import is_too_dense
from _dynatrace.api.response import error_object, server_message
from _dynatrace.core.errors import NotificationError, UnexpectedResponse
from _dynatrace.webhook.fields import MAX_KEYS
from _dynatrace.webhook.payload import decompressed, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.bodies import MIB, SLOW, cost, large, seeds
from tests.fuzz.targets import TARGETS, TIMED
from tests.unit.engine.bodies import event_v2, problem_v1, problem_v2, recommended, stub

LARGE = dict(large())
#: Names that mean something to a parser, so that random JSON gets beyond the first look.
NAMES = sorted(
    {
        name
        for body in (
            recommended(),
            problem_v2(),
            problem_v1(),
            event_v2(),
            problem_v1()["rankedEvents"][0],
        )
        for name in body
    }
    | {
        "data",
        "eventData",
        "problems",
        "comments",
        "error",
        "entityId",
        "properties",
        "tags",
        "key",
        "value",
        "id",
    }
)
TEXTS = st.sampled_from(
    [
        "OPEN",
        "MERGED",
        "P-1",
        "1_1V2",
        "99999",
        "HOST-00000000000000A1",
        "{",
        "[]",
        '{"problemId":"1_1V2"}',
        "\ud800",
    ]
) | st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | TEXTS, inner, max_size=6)
        | inner.map(json.dumps)
    ),
    max_leaves=20,
)
BODIES = st.sampled_from([json.loads(seed) for seed in seeds()])


def encoded(body: Any) -> bytes:
    """
    Return JSON in plain ASCII, as any value can be sent.
    """
    return json.dumps(body).encode()


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_random_json_raises_nothing_undocumented(name: str, data: st.DataObject) -> None:
    """
    Known bodies with some values replaced, and JSON of known names in any place.
    """
    body = data.draw(VALUES)
    known = data.draw(BODIES)
    if data.draw(st.booleans()):
        body = {
            **known,
            **data.draw(st.dictionaries(st.sampled_from(sorted(known)), VALUES, max_size=3)),
        }
    prefix = b"\0" if name == "answer" else b""
    TARGETS[name](prefix + encoded(body))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_random_bytes_raise_nothing_undocumented(name: str, body: bytes) -> None:
    """
    Neither does what is no JSON at all.
    """
    TARGETS[name](body)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("body", list(seeds()))
def test_every_seed_is_survived(name: str, body: bytes) -> None:
    """
    Each documented body goes through each parser, also those that are not meant for it.
    """
    TARGETS[name](b"\0" + body if name == "answer" else body)


@pytest.mark.parametrize("body", list(seeds()))
def test_every_seed_is_the_same_when_it_is_packed(body: bytes) -> None:
    """
    What is unpacked is what was packed, and is parsed as that.
    """
    assert decompressed(gzip.compress(body), "gzip", MIB) == body
    assert decompressed(zlib.compress(body), "deflate", MIB) == body
    TARGETS["packed"](gzip.compress(body))


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_a_mebibyte_that_unpacks_to_nothing_or_to_very_much_is_refused_at_once(name: str) -> None:
    """
    Empty blocks by the hundred thousand, and a gigabyte of zeros.
    """
    wrapping = gzip.compress(b"")[:10] if name == "gzip" else zlib.compress(b"")[:2]
    packer = zlib.compressobj(wbits=-15)
    # After a full flush what follows refers to nothing before, so one part may stand there many times.
    part = packer.compress(b"\0" * 2**24) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = wrapping + part * 65
    nothing = wrapping + b"\0\0\0\xff\xff" * 200_000
    for body in (zeros[:MIB], nothing):

        def call(data: bytes) -> None:
            with pytest.raises(NotificationError):
                decompressed(data, name, MIB)

        assert cost(call, body) < SLOW


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("name", TIMED)
def test_a_mebibyte_of_anything_is_parsed_in_few_times_what_decoding_takes(
    name: str, shape: str
) -> None:
    """
    Found slow were: lists of nothing (35 times), nests (85), tags without text (110), evidence (22), keys (33).
    """
    assert len(LARGE[shape]) <= MIB
    for call in TIMED[name]:
        assert cost(call, LARGE[shape]) < SLOW


def test_a_body_denser_than_any_real_one_is_refused_before_it_is_decoded() -> None:
    """
    The reason quotes nothing of it.
    """
    with pytest.raises(NotificationError, match=r"^the body has too many values for its size$"):
        parse(b'{"PID":"1_1V2","a":[' + b"[]," * 300_000 + b"0]}")


def test_values_that_are_escaped_in_quotes_count_too() -> None:
    """
    In quoted details the same values may be spelled as escapes.
    """
    assert is_too_dense(b'{"data":"{' + b"\\u007b\\u007d\\u002c" * 50_000 + b'"}')


def test_a_large_body_of_usual_density_is_understood() -> None:
    """
    1 MiB of evidence as Dynatrace sends it is no attack.
    """
    one = event_v2(displayName="x" * 40)
    count = 1_000_000 // len(encoded(one)) - 10
    body = encoded(
        recommended(ProblemDetailsJSONv2=problem_v2(evidenceDetails={"details": [one] * count}))
    )
    notice = parse(body)
    assert notice.problem is not None
    assert len(notice.problem.evidence) == count


def test_a_level_with_too_many_keys_is_refused() -> None:
    """
    A template has 5000 characters.
    """
    with pytest.raises(NotificationError, match="more than 1000 keys"):
        parse(encoded({"PID": "1_1V2", **{f"key{number}": 0 for number in range(MAX_KEYS)}}))


def test_evidence_is_never_cut() -> None:
    """
    What would be left out may be the maintenance window: such a problem is not read at all.
    """
    details = {"details": [{}] * (problems.MAX_EVIDENCE + 1)}
    with pytest.raises(UnexpectedResponse, match="pieces of evidence"):
        problems.parse_problem(problem_v2(evidenceDetails=details))
    with pytest.raises(UnexpectedResponse, match="pieces of evidence"):
        problems.parse_problem_v1(problem_v1(rankedEvents=details["details"]))


def test_affected_entities_beyond_the_limit_are_left_out() -> None:
    """
    The problem itself is still read.
    """
    entities = [stub(f"HOST-{number:016X}") for number in range(problems.MAX_ENTITIES + 5)]
    assert (
        len(problems.parse_problem(problem_v2(affectedEntities=entities)).affected)
        == problems.MAX_ENTITIES
    )


def test_a_dense_answer_is_not_decoded() -> None:
    """
    32 MiB of empty lists would be a gigabyte in memory.
    """
    dense = Client("http://127.0.0.1:1", "token")
    body = b'{"problems":[' + b"[]," * 200_000 + b"0]}"
    dense._transports[0].call = lambda *_, **__: body  # type: ignore[method-assign]
    with pytest.raises(UnexpectedResponse, match="too many values for its size"):
        dense.list_open()


def test_the_message_of_a_dense_refusal_is_its_beginning() -> None:
    """
    It is not decoded either.
    """
    body = b"[" + b"[]," * 200_000 + b"0]"
    assert server_message(error_object(body), body).startswith("'[[],[],")


@given(body=BODIES)
@settings(max_examples=50, deadline=None)
def test_a_notice_that_only_names_the_problem_names_the_same(body: Any) -> None:
    """
    With an API behind it the details are not read, unless nothing else tells which problem it is.
    """
    try:
        whole = parse(encoded(body))
    except NotificationError:
        with pytest.raises(NotificationError):
            parse(encoded(body), whole=False)
        return
    brief = parse(encoded(body), whole=False)
    assert brief.problem is None
    assert (brief.problem_id, brief.state, brief.test) == (
        whole.problem_id,
        whole.state,
        whole.test,
    )
    assert brief.display_id in (whole.display_id, None)
