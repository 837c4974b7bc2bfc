"""
Queries of Grail: the tables, the forms that clients send, and what is refused.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.platform.grail import event_records
from tests.tenant.platform.grail.smartscape import node_id
from tests.unit.tenant.conftest import Client, on_platform

EXECUTE = "/platform/storage/query/v1/query:execute"
LIST = "fetch dt.davis.problems, from:now()-2h | filter isNull(dt.davis.is_duplicate) or not(dt.davis.is_duplicate)"
NINE_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


@pytest.fixture
def grail(tenant: Tenant) -> Client:
    """A client with a platform token that may read all tables."""
    reads = ("events", "buckets", "entities", "smartscape", "bizevents")
    return on_platform(tenant, *(f"storage:{name}:read" for name in reads))


def ask(client: Client, query: str, **more: Any) -> dict[str, Any]:
    """Give the result of a query that succeeds at once."""
    answer = client.call("POST", EXECUTE, {"query": query, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert (body["state"], body["progress"]) == ("SUCCEEDED", 100)
    result: dict[str, Any] = body["result"]
    return result


def records(client: Client, query: str, **more: Any) -> list[dict[str, Any]]:
    """Give the records of a query."""
    found: list[dict[str, Any]] = ask(client, query, **more)["records"]
    return found


def refusal(client: Client, query: str) -> dict[str, Any]:
    """Give the error of a query that is refused."""
    answer = client.call("POST", EXECUTE, {"query": query})
    error: dict[str, Any] = answer.json()["error"]
    assert answer.status_code == error["code"] >= 400
    return error


def test_a_process_that_ended_is_the_captured_record(tenant: Tenant, grail: Client) -> None:
    """The host is in it, by id and by name; what does not apply is absent."""
    host = tenant.add_host("web01.internal.example.com", group="dc1")
    process = tenant.add_process(host, "Apache Web Server httpd")
    problem = tenant.open_problem(process, root_cause=None)
    [record] = records(grail, "fetch dt.davis.problems")
    assert NINE_DIGITS.fullmatch(record.pop("timestamp"))
    assert NINE_DIGITS.fullmatch(record.pop("event.start"))
    group = tenant.entities[host].links["isInstanceOf"][0]
    assert record == {
        "event.id": problem.problem_id,
        "event.kind": "DAVIS_PROBLEM",
        "display_id": problem.display_id,
        "event.name": "Process unavailable",
        "event.category": "AVAILABILITY",
        "event.severity": "3",
        "event.description": "Process Apache Web Server httpd on host web01.internal.example.com has been shut down",
        "event.status": "ACTIVE",
        "event.status_transition": "CREATED",
        "dt.analysis.ready": True,
        "dt.davis.is_duplicate": False,
        "dt.davis.is_frequent_event": False,
        "dt.davis.mute.status": "NOT_MUTED",
        "dt.davis.impact_level": ["Infrastructure"],
        "dt.davis.event_ids": [problem.problem_id.removesuffix("V2")],
        "affected_entity_ids": [process],
        "affected_entity_names": ["Apache Web Server httpd"],
        "affected_entity_types": ["dt.entity.process_group_instance"],
        "smartscape.affected_entities": [
            {
                "id": node_id(process),
                "name": "Apache Web Server httpd",
                "type": "PROCESS",
            }
        ],
        "related_entity_ids": [host, group],
        "related_entity_names": ["web01.internal.example.com", "dc1"],
        "host.name": ["web01.internal.example.com"],
        "dt.entity.host": [host],
        "dt.entity.process_group_instance": [process],
        "dt.entity.host_group": [group],
        "dt.host_group.id": ["dc1"],
        "labels.alerting_profile": ["Default"],
        "maintenance.is_under_maintenance": False,
        "dt.openpipeline.source": "classic_root_cause_analysis",
        "dt.openpipeline.pipelines": ["davis.problems:default"],
        "dt.system.bucket": "default_davis_events",
    }
    tenant.check()


def test_the_same_problem_has_the_same_id_everywhere(
    tenant: Tenant, grail: Client, client: Client, process: str
) -> None:
    """Grail and the Problems API."""
    tenant.open_problem(process)
    [record] = records(grail, LIST)
    [body] = client.problems().json()["problems"]
    assert record["event.id"] == body["problemId"]
    assert record["display_id"] == body["displayId"]


def test_a_problem_is_one_row_of_its_latest_state(
    tenant: Tenant, grail: Client, process: str
) -> None:
    """Closed, it has an end; reopened, the time of that; then it lasts as long as it is open."""
    problem = tenant.open_problem(process)
    tenant.close_problem(problem)
    [closed] = records(grail, LIST)
    assert closed["event.status"] == "CLOSED"
    assert NINE_DIGITS.fullmatch(closed["event.end"])
    assert closed["resolved_problem_duration"].isdigit()
    assert "dt.davis.last_reopen_timestamp" not in closed
    tenant.reopen_problem(problem)
    [again] = records(grail, LIST)
    assert (again["event.status"], again["event.status_transition"]) == ("ACTIVE", "REOPENED")
    assert NINE_DIGITS.fullmatch(again["dt.davis.last_reopen_timestamp"])
    assert "event.end" not in again
    assert again["event.id"] == closed["event.id"] == problem.problem_id


def test_the_timeframe_holds_what_was_open_in_it(
    tenant: Tenant, grail: Client, process: str
) -> None:
    """One that is open for days is in it, one that closed before it is not."""
    now = tenant.open_problem(process).start
    old = tenant.open_problem(process, start=now - 3 * 86_400_000)
    gone = tenant.open_problem(process, start=now - 4 * 86_400_000)
    tenant.update_problem(gone, status="CLOSED", end=now - 3 * 3_600_000)
    names = {record["display_id"] for record in records(grail, LIST)}
    assert old.display_id in names and gone.display_id not in names
    longer = records(grail, LIST.replace("now()-2h", "now()-90d"))
    assert gone.display_id in {record["display_id"] for record in longer}
    default = records(grail, "fetch dt.davis.problems")
    assert {record["display_id"] for record in default} == names


def test_a_merged_problem_is_a_duplicate_and_a_missing_flag_is_none(
    tenant: Tenant, grail: Client, process: str
) -> None:
    """The null-safe filter keeps the latter, the plain one drops it."""
    one, other = tenant.open_problem(process), tenant.open_problem(process)
    tenant.merge_problem(one, other)
    tenant.update_problem(other, record={"dt.davis.is_duplicate": None})
    assert [record["display_id"] for record in records(grail, LIST)] == [other.display_id]
    plain = "fetch dt.davis.problems | filter not(dt.davis.is_duplicate)"
    assert records(grail, plain) == []


def test_fields_gives_null_for_what_is_absent(tenant: Tenant, grail: Client, process: str) -> None:
    """In the order in which they were asked for, and with the types."""
    tenant.open_problem(process)
    found = ask(grail, f"{LIST} | fields event.end, event.severity, dt.analysis.ready, host.name")
    assert found["records"] == [
        {
            "event.end": None,
            "event.severity": "3",
            "dt.analysis.ready": True,
            "host.name": ["web01.example.com"],
        }
    ]
    text = {"indexRange": [0, 0], "mappings": {"element": {"type": "string"}}}
    assert found["types"] == [
        {
            "indexRange": [0, 0],
            "mappings": {
                "event.end": {"type": "undefined"},
                "event.severity": {"type": "long"},
                "dt.analysis.ready": {"type": "boolean"},
                "host.name": {"type": "array", "types": [text]},
            },
        }
    ]


def test_problems_and_events_come_by_id_in_one_query(
    tenant: Tenant, grail: Client, process: str
) -> None:
    """Each event once, however often it was written; their ids are those that the problem names."""
    problem = tenant.open_problem(process, properties={"salt_remedy": "restart"})
    tenant.open_problem(process)
    tenant.close_problem(problem)
    event = problem.problem_id.removesuffix("V2")
    query = (
        f'fetch dt.davis.problems, from:now()-90d | filter in(event.id, array("{problem.problem_id}",'
        ' "1_1V2")) | fields event.id, event.kind, dt.davis.event_ids'
        f' | append [ fetch dt.davis.events, from:now()-90d | filter in(event.id, array("{event}"))'
        " | sort timestamp desc | dedup event.id"
        " | fields event.id, event.kind, event.status, event.type, dt.source_entity, salt_remedy,"
        " dt.entity.process_group_instance, dt.entity.process_group.name, dt.entity.host ]"
    )
    first, second = records(grail, query)
    assert first["dt.davis.event_ids"] == [event]
    assert second == {
        "event.id": event,
        "event.kind": "DAVIS_EVENT",
        "event.status": "CLOSED",
        "event.type": "PGI_UNAVAILABLE",
        "dt.source_entity": process,
        "salt_remedy": "restart",
        "dt.entity.process_group_instance": process,
        "dt.entity.process_group.name": "Apache Web Server apache2",
        "dt.entity.host": tenant.entities[process].links["isProcessOf"][0],
    }
    every = records(grail, "fetch dt.davis.events, from:now()-1h")
    assert len(every) == 3
    tenant.check()


def test_an_event_of_a_time_ahead_is_there_however_long_a_query_takes(
    tenant: Tenant, grail: Client, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test's time may be ahead of the tenant's, and its machine busy."""
    began = int(time.time() * 1000) + 600_000
    ahead = {
        "evidenceType": "EVENT",
        "displayName": "Process unavailable",
        "entity": {"entityId": {"id": process, "type": "PROCESS_GROUP_INSTANCE"}},
        "eventId": f"1_{began}",
        "startTime": began,
        "endTime": -1,
        "data": {"status": "OPEN"},
    }
    tenant.update_problem(tenant.open_problem(process), evidence=[ahead])
    bodies = event_records.evidence_bodies

    def slow(*given: Any) -> Any:
        time.sleep(0.01)
        return bodies(*given)

    monkeypatch.setattr(event_records, "evidence_bodies", slow)
    assert [one["event.id"] for one in records(grail, "fetch dt.davis.events")] == [f"1_{began}"]


def test_the_event_of_each_entity_has_an_id_of_its_own(tenant: Tenant, grail: Client) -> None:
    """A service and the process that brought it down, found by their ids."""
    process = tenant.add_process(tenant.add_host())
    service = tenant.add_service([process])
    tenant.open_problem(service, root_cause=process)
    [record] = records(grail, LIST)
    ids = record["dt.davis.event_ids"]
    assert len(set(ids)) == 2
    listed = ", ".join(f'"{one}"' for one in ids)
    found = records(
        grail, f"fetch dt.davis.events, from:now()-1h | filter in(event.id, array({listed}))"
    )
    assert {one["dt.source_entity"]: one["event.id"] for one in found}.keys() == {process, service}


def test_a_problem_is_found_by_its_display_id(tenant: Tenant, grail: Client, process: str) -> None:
    """The latest of several."""
    problem = tenant.open_problem(process)
    tenant.open_problem(process)
    query = (
        f'fetch dt.davis.problems, from:now()-24h | filter display_id == "{problem.display_id}"'
        " | sort timestamp desc | fields event.id | limit 1"
    )
    assert records(grail, query) == [{"event.id": problem.problem_id}]


def test_a_result_that_is_cut_says_so(tenant: Tenant, grail: Client, process: str) -> None:
    """By records as captured, by bytes, or by a fault."""
    for _ in range(3):
        tenant.open_problem(process)
    query = f"{LIST} | fields event.id"
    found = ask(grail, query, maxResultRecords=2)
    assert len(found["records"]) == 2
    assert found["metadata"]["grail"]["notifications"] == [
        {
            "arguments": ["2"],
            "message": "Your result has been limited to 2.",
            "notificationType": "API_RECORDS_LIMIT_ADDED",
            "severity": "WARNING",
        }
    ]
    cut = ask(grail, query, maxResultBytes=60)
    assert len(cut["records"]) == 1
    [note] = cut["metadata"]["grail"]["notifications"]
    assert note["notificationType"] == "RESULT_LIMIT_BYTES"
    assert ask(grail, query, maxResultRecords=3)["metadata"]["grail"]["notifications"] == []
    tenant.fault("grail_truncated", keep=0, kind="FETCH_TIMEOUT")
    struck = ask(grail, query)
    assert struck["records"] == []
    [note] = struck["metadata"]["grail"]["notifications"]
    assert note["notificationType"] == "FETCH_TIMEOUT"


def test_the_metadata_tells_what_was_scanned(tenant: Tenant, grail: Client, process: str) -> None:
    """Entities cost nothing, and their tables come with advice that is no error."""
    tenant.open_problem(process)
    told = ask(grail, LIST)["metadata"]["grail"]
    assert (told["scannedRecords"], told["scannedBytes"], told["sampled"]) == ("1", "497", False)
    entities = ask(grail, "fetch dt.entity.host")["metadata"]["grail"]
    assert entities["scannedBytes"] == "0"
    assert entities["flags"] == ["CLASSIC_ENTITY_MIGRATION_ADVISED"]
    [note] = entities["notifications"]
    assert note["syntaxPosition"] == {
        "start": {"column": 7, "index": 6, "line": 1},
        "end": {"column": 20, "index": 19, "line": 1},
    }
    assert (note["notificationType"], note["severity"]) == ("DEPRECATED_ENTITY_DATAOBJECT", "INFO")


def test_the_classic_tables_give_what_is_asked_for(tenant: Tenant, grail: Client) -> None:
    """Two fields by themselves; relations under the name that the query gives them."""
    host = tenant.add_host("web01", tags=["[AWS]key:va:lue"], ip=["192.0.2.1"])
    process = tenant.add_process(host)
    other = tenant.add_host("web02")
    assert {one["id"] for one in records(grail, "fetch dt.entity.host")} == {host, other}
    assert records(grail, f'fetch dt.entity.host | filter in(id, array("{host}"))') == [
        {"id": host, "entity.name": "web01"}
    ]
    query = (
        f'fetch dt.entity.process_group_instance, from:now()-30d | filter in(id, array("{process}"))'
        " | fields id, entity.name, tags, softwareTechnologies, listenPorts,"
        " entity.detected_name, metadata, host=belongs_to[dt.entity.host]"
    )
    [record] = records(grail, query)
    assert record["host"] == host
    assert record["softwareTechnologies"] == ["type:APACHE_HTTPD"]
    assert record["listenPorts"] == ["80"]
    assert {"key": "EXE_NAME", "value": "apache2"} in record["metadata"]
    [named] = records(
        grail,
        "fetch dt.entity.process_group_instance | fieldsAdd hostid=belongs_to[dt.entity.host]"
        ' | lookup [fetch dt.entity.host], sourceField:hostid, lookupField:id, prefix:"host."',
    )
    assert named["host.entity.name"] == "web01"
    tenant.check()


def test_an_os_service_has_a_table_in_quotes(tenant: Tenant, grail: Client) -> None:
    """Its type has a colon."""
    host = tenant.add_host()
    tenant.add_os_service(host, "apache2.service")
    query = "fetch `dt.entity.os:service` | fields entity.name, host=belongs_to[dt.entity.host]"
    assert records(grail, query) == [{"entity.name": "apache2.service", "host": host}]
    assert records(grail, "fetch dt.entity.os:service | fields entity.name") == [
        {"entity.name": "apache2.service"}
    ]


def test_smartscape_is_read_by_the_classic_id(tenant: Tenant, grail: Client) -> None:
    """The node's own id has another suffix, and is no text."""
    host = tenant.add_host("web01.example.com", properties={"minion": "web01"})
    process = tenant.add_process(host)
    [node] = records(
        grail,
        f'smartscapeNodes "PROCESS", from:now()-30d | filter in(id_classic, array("{process}"))'
        " | fields id, id_classic, name, type, host.name, port, process.metadata,"
        " process.software_technologies, dt.process_group.id, tags, references",
    )
    assert node["id_classic"] == process
    assert node["id"].startswith("PROCESS-") and node["id"].rpartition("-")[2] not in process
    assert node["host.name"] == "web01.example.com"
    assert node["port"] == ["80"]
    assert node["process.metadata"]["EXE_NAME"] == "apache2"
    assert node["process.software_technologies"] == [
        {"type": "APACHE_HTTPD", "version": None, "edition": None}
    ]
    assert node["references"] == {"runs_on.host": [host]}
    by_id = f'smartscapeNodes "HOST" | filter id == toSmartscapeId("{host}") or in(id_classic, array("{host}"))'
    [found] = records(grail, f"{by_id} | fields id, host.custom.metadata, type")
    assert found == {"id": host, "host.custom.metadata": {"minion": "web01"}, "type": "HOST"}
    assert records(grail, f'smartscapeNodes "HOST" | filter id == "{host}"') == []
    tenant.check()


def test_a_syntax_error_is_the_captured_one(grail: Client) -> None:
    """Positions begin at 1, the end is the last character."""
    error = refusal(grail, "fetch bizevents | limt 5")
    details = error["details"]
    assert details.pop("queryId")
    assert error == {
        "message": "UNKNOWN_COMMAND",
        "code": 400,
        "details": {
            "exceptionType": "DQL-SYNTAX-ERROR",
            "errorType": "UNKNOWN_COMMAND",
            "errorMessage": "There's no command `limt`.",
            "queryString": "fetch bizevents | limt 5",
            "syntaxErrorPosition": {
                "start": {"column": 19, "index": 18, "line": 1},
                "end": {"column": 22, "index": 21, "line": 1},
            },
        },
    }


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("fetch dt.davis.problems | summarize count()", "UNKNOWN_COMMAND"),
        ("fetch dt.davis.problems | filter event.id ==", "PARSE_ERROR"),
        ("fetch dt.davis.problems | filter (isNull(event.id)", "PARSE_ERROR"),
        ("fetch dt.davis.problems | filter event.id == 'x'", "PARSE_ERROR"),
        ("fetch dt.davis.problems |", "PARSE_ERROR"),
        ("fetch dt.davis.problems limit 1", "PARSE_ERROR"),
        ("fetch dt.davis.problems | limit x", "PARSE_ERROR"),
        ("fetch dt.davis.problems | filter guess(event.id)", "UNKNOWN_FUNCTION"),
        ("fetch dt.davis.problems | filter isNull()", "INVALID_NUMBER_OF_PARAMETERS"),
        ("fetch dt.davis.problems, since:now()", "UNKNOWN_PARAMETER_DEFINED"),
        ("fetch logs", "UNKNOWN_DATA_OBJECT"),
        ("fetch dt.entity.nothing", "UNKNOWN_DATA_OBJECT"),
        ("fetch dt.entity.host | fields nothing", "FIELD_DOES_NOT_EXIST"),
        ("fetch dt.entity.host | filter nothing == 1", "FIELD_DOES_NOT_EXIST"),
        ("", "PARSE_ERROR"),
    ],
)
def test_what_is_not_understood_is_refused(grail: Client, query: str, kind: str) -> None:
    """With the type of the error and its place."""
    answer = grail.call("POST", EXECUTE, {"query": query or " "})
    details = answer.json()["error"]["details"]
    assert answer.status_code == 400
    assert (answer.json()["error"]["message"], details["errorType"]) == (kind, kind)
    assert details["exceptionType"] == "DQL-SYNTAX-ERROR"
    assert details["syntaxErrorPosition"].keys() == {"start", "end"}


def test_a_tenant_without_entity_tables_is_none_to_blame_for(tenant: Tenant, grail: Client) -> None:
    """Classic tables, details of them, and Smartscape may be missing; `check` accepts it."""
    tenant.switches.grail_entity_tables = tenant.switches.smartscape = False
    error = refusal(grail, "fetch dt.entity.host")
    assert error["details"]["errorMessage"] == "dt.entity.host isn't a valid data object."
    assert error["details"]["arguments"] == ["dt.entity.host"]
    assert refusal(grail, 'smartscapeNodes "HOST"')["details"]["arguments"] == ["smartscapeNodes"]
    tenant.switches.grail_entity_tables, tenant.switches.grail_entity_details = True, False
    error = refusal(grail, "fetch dt.entity.host | fields id, customHostMetadata")
    assert error["message"] == "FIELD_DOES_NOT_EXIST"
    tenant.check()


@pytest.mark.parametrize(
    ("query", "table", "scope"),
    [
        ("fetch dt.davis.problems", "dt.davis.problems", "storage:events:read"),
        ("fetch dt.davis.events", "dt.davis.events", "storage:events:read"),
        ("fetch bizevents", "bizevents", "storage:bizevents:read"),
        ("fetch dt.entity.host", "dt.entity.host", "storage:entities:read"),
        ('smartscapeNodes "HOST"', "smartscapeNodes", "storage:smartscape:read"),
    ],
)
def test_a_table_needs_its_scope(
    tenant: Tenant, grail: Client, query: str, table: str, scope: str
) -> None:
    """Lost mid-way, it is a 403 that names the table; also for a query within a query."""
    assert records(grail, query) == []
    tenant.lose_scope(grail.token, scope)
    assert refusal(grail, query) == {
        "code": 403,
        "message": "NOT_AUTHORIZED_FOR_TABLE",
        "details": {"arguments": [f"`{table}`"]},
    }
    tenant.gain_scope(grail.token, scope)
    assert records(grail, query) == []
    tenant.check()


def test_a_token_without_buckets_sees_no_events(
    tenant: Tenant, grail: Client, process: str
) -> None:
    """It is an empty answer, not a refusal."""
    tenant.open_problem(process)
    tenant.lose_scope(grail.token, "storage:buckets:read")
    assert records(grail, LIST) == []
    assert records(grail, "fetch dt.entity.host") != []


def test_a_body_without_a_query_is_refused(tenant: Tenant, grail: Client) -> None:
    """And one with a limit that is no number."""
    assert grail.call("POST", EXECUTE, {}).status_code == 400
    answer = grail.call("POST", EXECUTE, {"query": "fetch bizevents", "maxResultRecords": "5"})
    assert answer.status_code == 400


def test_a_fault_of_a_path_strikes_the_query_for_the_same(
    tenant: Tenant, grail: Client, process: str
) -> None:
    """As it does the list of problems, or the reading of one."""
    problem = tenant.open_problem(process)
    tenant.fault("server_error", path="/problems")
    assert grail.call("POST", EXECUTE, {"query": LIST}).status_code == 500
    by_id = f'fetch dt.davis.problems | filter in(event.id, array("{problem.problem_id}"))'
    tenant.fault("server_error", path=f"/problems/{problem.problem_id}")
    assert grail.call("POST", EXECUTE, {"query": LIST}).status_code == 200
    assert grail.call("POST", EXECUTE, {"query": by_id}).status_code == 500
    assert tenant.dql == [LIST]


@pytest.mark.parametrize("detail", [False, True])
def test_a_list_may_lag_behind_a_notification(
    tenant: Tenant, grail: Client, process: str, detail: bool
) -> None:
    """For some lists; by its id a problem is there at once, or not either."""
    tenant.fault("notification_before_list", calls=2, detail=detail)
    problem = tenant.open_problem(process)
    by_id = f'fetch dt.davis.problems | filter in(event.id, array("{problem.problem_id}"))'
    assert [len(records(grail, query)) for query in (LIST, by_id, LIST, LIST)] == [
        0,
        0 if detail else 1,
        0,
        1,
    ]


def test_a_limit_of_calls_says_when_to_come_back(tenant: Tenant, grail: Client) -> None:
    """In the header and in the body, for each endpoint and token."""
    tenant.switches.calls_per_minute = 1
    assert grail.call("POST", EXECUTE, {"query": LIST}).status_code == 200
    answer = grail.call("POST", EXECUTE, {"query": LIST})
    assert answer.status_code == 429
    seconds = answer.json()["error"]["retryAfterSeconds"]
    assert 0 < seconds <= 60
    assert answer.headers["Retry-After"] == str(seconds)
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_a_crowds_result_is_made_again_when_a_problem_changes() -> None:
    """And when the token may not see it any more; other tables are always read."""
    with Tenant(keep_bodies=True) as tenant:
        problem = tenant.open_problem(tenant.add_process(tenant.add_host()))
        client = on_platform(tenant)
        query = f"{LIST} | fields event.status"
        assert records(client, query) == records(client, query) == [{"event.status": "ACTIVE"}]
        tenant.close_problem(problem)
        assert records(client, query) == [{"event.status": "CLOSED"}]
        tenant.lose_scope(client.token, "storage:buckets:read")
        assert records(client, query) == []
        assert len(records(client, "fetch dt.entity.host")) == 1
        tenant.add_host("web02")
        assert len(records(client, "fetch dt.entity.host")) == 2
