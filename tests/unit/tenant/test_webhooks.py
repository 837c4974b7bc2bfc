"""
Notifications: when they are sent, what they hold, and what can happen to them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.tenant import DEFAULT_TEMPLATE, RECOMMENDED_TEMPLATE, Tenant
from tests.unit.tenant.conftest import Client, Receiver

_HOSTILE = 'a "quoted"\n- line: {{ salt["cmd.run"]("id") }} {PID} \\ \t \x00 ü \U0001f600'


def _sent(tenant: Tenant, count: int) -> None:
    tenant.wait_for(lambda: len(tenant.deliveries) >= count)


def test_a_problem_is_told_when_it_opens_and_when_it_closes(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """The recommended template carries the id that the API takes, entities and details."""
    tenant.add_webhook(receiver.url, headers={"Authorization": "Bearer s3cret"})
    problem = tenant.open_problem(process, tags=["[AWS]owner:web", "lonely"])
    tenant.close_problem(problem)
    _sent(tenant, 2)
    opened, closed = receiver.bodies()
    assert (opened["State"], closed["State"]) == ("OPEN", "RESOLVED")
    assert opened["PID"] == problem.problem_id
    assert opened["ProblemID"] == problem.display_id
    assert opened["Tags"] == "[AWS]owner:web, lonely"
    assert opened["ProblemURL"] == (
        f"{tenant.url}/#problems/problemdetails;pid={problem.problem_id}"
    )
    assert opened["ImpactedEntities"] == [
        {
            "type": "PROCESS_GROUP_INSTANCE",
            "name": "Apache Web Server apache2",
            "entity": process,
        }
    ]
    headers = receiver.taken[0][0]
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert [(one.url, one.status) for one in tenant.deliveries] == [(receiver.url, 202)] * 2
    assert "s3cret" not in repr(tenant.deliveries) + repr(tenant.journal)


def test_the_details_are_those_of_the_api_without_comments(
    tenant: Tenant, client: Client, receiver: Receiver, process: str
) -> None:
    """ProblemDetailsJSONv2 equals the detail with evidence and impact."""
    tenant.add_webhook(receiver.url)
    problem = tenant.open_problem(process)
    _sent(tenant, 1)
    detail = client.problem(problem, fields="evidenceDetails,impactAnalysis").json()
    assert receiver.bodies()[0]["ProblemDetailsJSONv2"] == detail


def test_the_default_template_has_neither_id_nor_entities(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Only state, display id and title."""
    tenant.add_webhook(receiver.url, template=DEFAULT_TEMPLATE)
    problem = tenant.open_problem(process)
    _sent(tenant, 1)
    assert receiver.bodies() == [
        {
            "State": "OPEN",
            "ProblemID": problem.display_id,
            "ProblemTitle": "Process unavailable",
        }
    ]


def test_hostile_text_changes_nothing_but_itself(tenant: Tenant, receiver: Receiver) -> None:
    """Quotes, newlines, templates and placeholders in names arrive as they are."""
    host = tenant.add_host(_HOSTILE)
    process = tenant.add_process(host, name=_HOSTILE, tags=[f"key:{_HOSTILE}"])
    tenant.add_webhook(receiver.url)
    tenant.open_problem(process, title=_HOSTILE)
    _sent(tenant, 1)
    body = receiver.bodies()[0]
    assert body["ProblemTitle"] == _HOSTILE
    assert body["Tags"] == f"key:{_HOSTILE}"
    assert body["ImpactedEntities"][0]["name"] == _HOSTILE
    assert body["ProblemDetailsJSONv2"]["title"] == _HOSTILE
    assert list(body) == re.findall(r'^"(\w+)":', RECOMMENDED_TEMPLATE, re.MULTILINE)


def test_a_lone_surrogate_travels_escaped(
    tenant: Tenant, client: Client, receiver: Receiver, process: str
) -> None:
    """The bodies stay UTF-8, in the notification and in the API."""
    tenant.add_webhook(receiver.url)
    problem = tenant.open_problem(process, title="half \ud800 pair")
    _sent(tenant, 1)
    assert b"\\ud800" in receiver.taken[0][1]
    assert client.problem(problem).json()["title"] == "half \ud800 pair"


def test_a_custom_content_type_turns_escaping_off(tenant: Tenant, receiver: Receiver) -> None:
    """Then a quote in a title breaks the JSON, and the template need not be JSON at all."""
    process = tenant.add_process(tenant.add_host())
    headers = {"content-type": "application/cloudevents+json"}
    tenant.add_webhook(receiver.url, headers, '{"title": "{ProblemTitle}"}')
    tenant.open_problem(process, title='say "hi"')
    _sent(tenant, 1)
    taken, raw = receiver.taken[0]
    assert taken["content-type"] == "application/cloudevents+json"
    assert raw == b'{"title": "say "hi""}'
    tenant.add_webhook(receiver.url, headers, "{ProblemTitle} is no JSON")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ProblemImpact} {ProblemSeverity}", "SERVICE ERROR"),
        ("{Tags[owner]}|{Tags[lonely]}|{Tags[none]}", "web||{Tags[none]}"),
        ("{ProblemStartTime}", "{ProblemStartTime}"),
        ("{NamesOfImpactedEntities}", "shop"),
        ("{ImpactedEntity}", "Failure rate increase on Web service shop"),
        ("{ProblemDetailsText}", "OPEN problem P-1\nFailure rate increase\nshop is affected"),
    ],
)
def test_placeholders_are_expanded_as_documented(
    tenant: Tenant, receiver: Receiver, process: str, text: str, expected: str
) -> None:
    """Missing tags and unknown placeholders stay as they are; SERVICES is SERVICE here."""
    service = tenant.add_service([process], "shop", tags=["owner:web", "lonely"])
    tenant.add_webhook(receiver.url, template=json.dumps({"text": text}))
    tenant.open_problem(service, display_id="P-1")
    _sent(tenant, 1)
    assert receiver.bodies() == [{"text": expected}]


def test_the_v1_details_have_their_own_shape(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Flat entity ids, v1 event names, CLOSED inside RESOLVED; in quotes it is a string."""
    template = '{"State":"{State}","D":{ProblemDetailsJSON},"Q":"{ProblemDetailsJSON}"}'
    tenant.add_webhook(receiver.url, template=template)
    tenant.close_problem(tenant.open_problem(process))
    _sent(tenant, 2)
    closed = receiver.bodies()[1]
    details: dict[str, Any] = closed["D"]
    assert (closed["State"], details["status"]) == ("RESOLVED", "CLOSED")
    assert details["rankedEvents"][0]["entityId"] == process
    assert details["rankedEvents"][0]["eventType"] == "PROCESS_UNAVAILABLE"
    assert details["recoveredCounts"]["INFRASTRUCTURE"] == 1
    assert json.loads(closed["Q"]) == details


@pytest.mark.parametrize("template", ["", "x" * 5001, '{"a": {ProblemStartTime}}', "no json"])
def test_a_template_that_the_form_refuses_is_refused(tenant: Tenant, template: str) -> None:
    """Too long, or no JSON although the content type says so."""
    with pytest.raises(ValueError):
        tenant.add_webhook("http://127.0.0.1:9/", template=template)


def test_what_is_not_to_be_told_is_not_told(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Under maintenance, frequent, filtered by the profile, closed when only opening counts."""
    tenant.add_webhook(
        receiver.url, notify_closed=False, wants=lambda problem: problem.severity != "ERROR"
    )
    tenant.close_problem(tenant.open_problem(process, under_maintenance=True))
    tenant.close_problem(tenant.open_problem(process, frequent=True))
    tenant.close_problem(tenant.open_problem(process, severity="ERROR"))
    tenant.close_problem(tenant.open_problem(process))
    told = tenant.open_problem(process, under_maintenance=True, suppress_alert=False)
    _sent(tenant, 2)
    assert [body["State"] for body in receiver.bodies()] == ["OPEN", "OPEN"]
    assert receiver.bodies()[1]["PID"] == told.problem_id


def test_a_problem_that_closes_within_the_delay_is_never_told(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Neither its opening nor its end; the next problem is."""
    tenant.add_webhook(receiver.url, delay=0.1)
    tenant.close_problem(tenant.open_problem(process))
    lasting = tenant.open_problem(process)
    _sent(tenant, 1)
    assert [body["PID"] for body in receiver.bodies()] == [lasting.problem_id]


def test_merges_are_told_only_when_asked_for(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """MERGED goes to webhooks with notify_merges."""
    quiet = Receiver()
    tenant.add_webhook(receiver.url, notify_merges=True)
    tenant.add_webhook(quiet.url)
    tenant.merge_problem(tenant.open_problem(process), tenant.open_problem(process))
    _sent(tenant, 5)
    quiet.stop()
    assert [body["State"] for body in receiver.bodies()] == ["OPEN", "OPEN", "MERGED"]
    assert [body["State"] for body in quiet.bodies()] == ["OPEN", "OPEN"]


def test_a_reopened_problem_is_told_as_open_again(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Under the same id."""
    tenant.add_webhook(receiver.url)
    problem = tenant.open_problem(process)
    tenant.close_problem(problem)
    tenant.reopen_problem(problem)
    _sent(tenant, 3)
    assert [body["State"] for body in receiver.bodies()] == ["OPEN", "RESOLVED", "OPEN"]
    assert len({body["PID"] for body in receiver.bodies()}) == 1


def test_notifications_are_lost_and_doubled(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """A lost one is in the journal only, a doubled one arrives as often as asked."""
    tenant.add_webhook(receiver.url)
    tenant.fault("lost_notification")
    tenant.open_problem(process)
    tenant.wait_for("notification lost")
    tenant.fault("duplicate_notification", copies=3)
    problem = tenant.open_problem(process)
    _sent(tenant, 3)
    assert [body["PID"] for body in receiver.bodies()] == [problem.problem_id] * 3


def test_a_notification_that_nobody_takes_is_not_repeated(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """No connection is status 0 with an error, a refusal its status; both are in the journal."""
    receiver.status = 503
    tenant.add_webhook(receiver.url)
    tenant.add_webhook("http://127.0.0.1:9/nobody")
    tenant.open_problem(process)
    _sent(tenant, 2)
    assert sorted(one.status for one in tenant.deliveries) == [0, 503]
    assert any(one.error for one in tenant.deliveries)
    tenant.wait_for("notification failed", count=2)
    assert len(receiver.taken) == 1


def test_the_test_notification_is_the_documented_one(tenant: Tenant, receiver: Receiver) -> None:
    """State OPEN, PID 99999, entities that do not exist; other tenants' values can be had."""
    delivery = tenant.send_test_notification(receiver.url, headers={"X-Secret": "x"})
    assert delivery.status == 202
    tenant.send_test_notification(receiver.url, values={"PID": "999999", "ProblemID": "TESTID"})
    first, second = receiver.bodies()
    assert (first["State"], first["PID"], first["ProblemID"]) == ("OPEN", "99999", "999")
    assert first["ProblemTitle"] == "Dynatrace problem notification test run"
    assert first["Tags"] == "testtag1, testtag2"
    assert first["ImpactedEntities"][0]["entity"] == "HOST-XXXXXXXXXXXXX"
    assert first["ProblemDetailsJSONv2"] == {"ID": "99999"}
    assert (second["PID"], second["ProblemID"]) == ("999999", "TESTID")
    assert receiver.taken[0][0]["x-secret"] == "x"


def test_a_notification_can_be_sent_by_hand(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """With any state, as often as asked, whatever became of the problem."""
    problem = tenant.open_problem(process)
    webhook = tenant.add_webhook(receiver.url)
    assert [one.status for one in tenant.notify(problem, "RESOLVED", times=3)] == [202] * 3
    assert [body["State"] for body in receiver.bodies()] == ["RESOLVED"] * 3
    tenant.remove_webhook(webhook)
    assert tenant.notify(problem) == []
