"""
Where fuzzing begins: bodies in every documented shape, and 1 MiB of each shape that costs much. All are synthetic.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.engine.bodies import HOST, PID, probe, problem_v1, problem_v2, recommended

MIB = 2**20
#: A body of 1 MiB may cost so many times what Python takes to decode it. The slowest take 11 times; what was found slow
#: took 21 to 110 times.
SLOW = 20

#: 100,000 values in 1 MiB, as many as a body may have.
_COMMON = b"[" + b"{}," * 99_999 + b" " * (MIB - 300_000) + b"0]"
_STUB = '{"entityId":{"id":"HOST-00000000000000A1"}}'
_V2 = '"problemId":"1_1V2","status":"OPEN","severityLevel":"A","impactLevel":"B"'


def cost(call: Callable[[bytes], object], data: bytes, times: int = 10) -> float:
    """
    Return how many times a call takes what Python takes to decode 1 MiB of JSON, measured beside it.

    Of several calls the quickest counts, and the first that is quick enough ends the trying.
    """
    best = decoded = float("inf")
    gc.freeze()  # What the test process holds is not the parser's to look through.
    try:
        while times and best >= SLOW * decoded:
            decoded = min(decoded, _seconds(json.loads, _COMMON))
            best, times = min(best, _seconds(call, data)), times - 1
    finally:
        gc.unfreeze()
    return best / decoded


def _seconds(call: Callable[[bytes], object], data: bytes) -> float:
    began = time.thread_time()
    call(data)
    return time.thread_time() - began


def seeds() -> Iterator[bytes]:
    """
    Yield small bodies of all kinds that are understood.
    """
    quoted = recommended(ProblemDetailsJSONv2=json.dumps(problem_v2()), ImpactedEntities="[]")
    bodies: list[Any] = [
        recommended(),
        {"State": "OPEN", "ProblemID": "P-1", "ProblemTitle": "x"},
        recommended(ProblemDetailsJSON=problem_v1(), ProblemDetailsJSONv2=None),
        quoted,
        probe(),
        {"eventData": {"event.id": PID, "display_id": "P-1", "event.status": "ACTIVE"}},
        {
            "eventData": {
                "event.id": PID,
                "event.category": "SLOWDOWN",
                "event.start": "2024-07-21T06:59:59.999000000Z",
                "affected_entity_ids": [HOST],
                "root_cause_entity_id": HOST,
                "entity_tags": ["a:b"],
                "maintenance.is_under_maintenance": True,
            }
        },
        {"specversion": "1.0", "id": "1", "data": recommended()},
        {"data": json.dumps(recommended())},
        {"my pid": PID, "number": "1", "S": "MERGED", "subject": "x", "blob": problem_v1()},
        {"PID": "-7000000000000000002"},
        problem_v2(),
        problem_v1(),
        _entity(),
        {"totalCount": 1, "pageSize": 50, "problems": [problem_v2()], "nextPageKey": "x"},
        {"comments": [{"id": "1", "content": "x"}]},
        {
            "error": {
                "code": 400,
                "message": "x",
                "constraintViolations": [{"path": "a", "message": "b"}],
            }
        },
    ]
    for body in bodies:
        yield json.dumps(body).encode()


def _entity() -> dict[str, Any]:
    return {
        "entityId": HOST,
        "displayName": "web01",
        "properties": {
            "detectedName": "web01",
            "dnsNames": ["web01.example.com"],
            "ipAddress": ["192.0.2.1"],
            "softwareTechnologies": [{"type": "APACHE_HTTPD"}],
            "customHostMetadata": [{"key": {"key": "salt_minion"}, "value": "web01"}],
        },
        "tags": [{"context": "CONTEXTLESS", "key": "salt_minion", "value": "web01"}],
        "fromRelationships": {"isProcessOf": [{"id": HOST, "type": "HOST"}]},
    }


def large() -> Iterator[tuple[str, bytes]]:
    """
    Yield 1 MiB of each shape by name: as many values as pass, and more than pass.
    """
    for name, before, unit, after in _repeated():
        yield name, _fill(before, unit, after, 100_000)
        yield f"{name} (dense)", _fill(before, unit, after, MIB)
    yield "deep arrays", b"[" * MIB
    yield "deep objects", b'{"a":' * (MIB // 5)
    yield "one long string", b'{"PID":"' + b"9" * (MIB - 10) + b'"}'
    yield "one long number", b'{"PID":' + b"9" * (MIB - 8) + b"}"
    yield "a long fraction", b'{"a":1.' + b"1" * (MIB - 8) + b"}"
    yield "blanks", b" " * (MIB - 2) + b"{}"
    yield "blanks in a string", b'{"data":"' + b" " * (MIB - 12) + b'{"}'
    yield "surrogates", b'{"data":"' + b"\\ud800" * (MIB // 6 - 2) + b'"}'
    yield "escaped JSON", b'{"data":"' + b"\\u007b\\u007d\\u002c" * (MIB // 18 - 2) + b'"}'
    many = ",".join(f'"{number:x}":0' for number in range(90_000))
    yield "keys", f"{{{many}}}".encode()
    same = ",".join('"p{}id":"1"'.format("-" * (number % 190)) for number in range(9_000))
    yield "one key in many spellings", f"{{{same}}}".encode()
    inside = json.dumps('{"a":[' + "{}," * 15_000 + "0]}")
    names = ("eventData", "event_data", "data", "event", "payload", "body")
    yield "envelopes", ("{" + ",".join(f'"{name}":{inside}' for name in names) + "}").encode()
    duplicate = ",".join(f'"data":{inside}' for _ in range(16))
    yield "one envelope many times", f"{{{duplicate}}}".encode()
    chain = "{}"
    for _ in range(14):  # Each level of quotes doubles the backslashes.
        chain = json.dumps({"data": chain})
    yield "quotes in quotes", chain.encode()


def _repeated() -> Iterator[tuple[str, str, str, str]]:
    lists = '{"PID":"1_1V2","a":['
    for unit in (
        "[],",
        "{},",
        "1,",
        '"",',
        '{"":0},',
        "1e9,",
        "9" * 4299 + ",",
        "9" * 4301 + ",",
        "1E400,",
    ):
        yield f"a list of {unit[:12]}", lists, unit, "0]}"
    yield "a list of nests", lists, "[" * 60 + "]" * 60 + ",", "0]}"
    yield (
        "impacted entities",
        '{"PID":"1_1V2","ImpactedEntities":[',
        f'{{"entity":"{HOST}","name":"x"}},',
        "{}]}",
    )
    record = '{"eventData":{"event.id":"1_1V2","event.status":"ACTIVE"'
    for field, unit in (
        ("affected_entity_ids", f'"{HOST}",'),
        ("affected_entity_ids", '"",'),
        ("entity_tags", '"a:b",'),
    ):
        yield f"record's {field} {unit[:6]}", f'{record},"{field}":[', unit, '""]}}'
    for field in ("affectedEntities", "entityTags", "managementZones"):
        for unit in ("{},", f"{_STUB},", '{"key":"a"},', '{"name":"a"},'):
            yield f"{field} {unit[:10]}", f'{{"ProblemDetails":{{{_V2},"{field}":[', unit, "{}]}}"
            yield f"API {field} {unit[:10]}", f'{{{_V2},"{field}":[', unit, "{}]}"
    for unit in (
        "{},",
        f'{{"entity":{_STUB}}},',
        f'{{"entity":{_STUB},"groupingEntity":{_STUB}}},',
    ):
        yield (
            f"evidence {unit[:14]}",
            f'{{"ProblemDetails":{{{_V2},"evidenceDetails":{{"details":[',
            unit,
            "{}]}}}",
        )
        yield f"API evidence {unit[:14]}", f'{{{_V2},"evidenceDetails":{{"details":[', unit, "{}]}}"
    for unit in ("{},", f'{{"entityId":"{HOST}"}},'):
        yield (
            f"ranked events {unit[:14]}",
            '{"ProblemDetails":{"id":"1_1V2","rankedEvents":[',
            unit,
            "{}]}}",
        )
    entity = f'{{"entityId":"{HOST}",'
    for field, unit in (
        ("softwareTechnologies", '{"type":"A"},'),
        ("dnsNames", '"",'),
        ("customHostMetadata", "{},"),
    ):
        yield f"API {field}", f'{entity}"properties":{{"{field}":[', unit, "{}]}}"
    yield "API relations", f'{entity}"fromRelationships":{{"a":[', f'{{"id":"{HOST}"}},', "{}]}}"
    yield "API problems", '{"problems":[', "{},", "{}]}"
    yield "API comments", '{"comments":[', '{"content":""},', "{}]}"


def _fill(before: str, unit: str, after: str, values: int) -> bytes:
    """
    Return exactly 1 MiB: the unit as often as fits, with at most so many values, and blanks.
    """
    room = MIB - len(before) - len(after)
    marks = sum(unit.count(mark) for mark in ",{[")
    count = min(room // len(unit), values // marks)
    return (before + unit * count + after).encode().ljust(MIB)
