"""
Comments, and closing by hand.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client


def _path(tenant: Tenant, rest: str = "/comments") -> str:
    return f"/api/v2/problems/{tenant.problems[0].problem_id}{rest}"


def test_a_comment_is_sent_as_message_and_read_as_content(
    tenant: Tenant, client: Client, process: str
) -> None:
    """POST answers 201 without a body; the author is the token's owner, not the client."""
    problem = tenant.open_problem(process)
    sent = {"message": "restarted", "context": "salt-dynatrace"}
    answer = client.call("POST", _path(tenant), sent)
    assert (answer.status_code, answer.content) == (201, b"")
    stored = tenant.comments(problem)[0]
    assert (stored.message, stored.context) == ("restarted", "salt-dynatrace")
    shown = client.get(_path(tenant)).json()["comments"][0]
    assert set(shown) == {"id", "createdAtTimestamp", "content", "authorName", "context"}
    assert shown["content"] == "restarted"
    assert shown["createdAtTimestamp"] == stored.created_at


def test_a_comment_can_be_read_changed_and_deleted(
    tenant: Tenant, client: Client, process: str
) -> None:
    """PUT and DELETE answer 204; what is deleted is not found."""
    comment = tenant.add_comment(tenant.open_problem(process), "one")
    path = _path(tenant, f"/comments/{comment.comment_id}")
    assert client.get(path).json()["content"] == "one"
    assert client.call("PUT", path, {"message": "two"}).status_code == 204
    assert client.get(path).json()["content"] == "two"
    assert client.call("DELETE", path).status_code == 204
    assert client.get(path).status_code == 404


def test_comments_come_ten_a_page_newest_first(
    tenant: Tenant, client: Client, process: str
) -> None:
    """The default page is smaller here than elsewhere; recentComments is a subset."""
    problem = tenant.open_problem(process)
    for number in range(25):
        tenant.add_comment(problem, str(number))
    pages = client.walk(_path(tenant), "comments")
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [one["content"] for page in pages for one in page] == [str(n) for n in range(24, -1, -1)]
    recent = client.problem(problem, fields="recentComments").json()["recentComments"]
    assert (recent["totalCount"], len(recent["comments"])) == (25, 10)
    assert client.get(_path(tenant), pageSize=500).json()["totalCount"] == 25
    tenant.check()


def test_a_comment_needs_a_message_and_a_json_body(
    tenant: Tenant, client: Client, process: str
) -> None:
    """The key `content` is not the one to send; `check` names the mistake."""
    tenant.open_problem(process)
    wrong = client.call("POST", _path(tenant), {"content": "x"})
    violation = wrong.json()["error"]["constraintViolations"][0]
    assert (violation["path"], violation["parameterLocation"]) == ("message", "PAYLOAD_BODY")
    assert client.call("POST", _path(tenant), ["x"]).status_code == 400
    assert client.call("POST", _path(tenant)).status_code == 415
    assert len(tenant.broken_rules) == 3


def test_closing_answers_200_then_204(tenant: Tenant, client: Client, process: str) -> None:
    """The first close leaves a comment with its own context, the second does nothing."""
    problem = tenant.open_problem(process)
    first = client.call("POST", _path(tenant, "/close"), {"message": "done"})
    assert first.status_code == 200
    assert first.json()["closing"] is True
    assert first.json()["comment"]["context"] == "dynatrace-problem-close"
    assert problem.status == "CLOSED"
    second = client.call("POST", _path(tenant, "/close"), {"message": "done"})
    assert (second.status_code, second.content) == (204, b"")
    assert len(tenant.comments(problem)) == 1


def test_the_status_can_lag_behind_the_close_call(
    tenant: Tenant, client: Client, process: str
) -> None:
    """`closing` is true while the problem is still open."""
    tenant.switches.close_lag = 0.1
    problem = tenant.open_problem(process)
    assert client.call("POST", _path(tenant, "/close"), {"message": "x"}).json()["closing"]
    assert client.problem(problem).json()["status"] == "OPEN"
    tenant.wait_for("problem closed", 5)
    assert client.problem(problem).json()["status"] == "CLOSED"


def test_a_comment_can_be_stored_although_the_client_sees_an_error(
    tenant: Tenant, client: Client, process: str
) -> None:
    """A client that repeats the call leaves two comments."""
    problem = tenant.open_problem(process)
    tenant.fault("comment_accepted_then_500")
    codes = [client.call("POST", _path(tenant), {"message": "x"}).status_code for _ in range(2)]
    assert codes == [500, 201]
    assert len(tenant.comments(problem)) == 2


def test_a_comment_can_be_visible_late(tenant: Tenant, client: Client, process: str) -> None:
    """It is missing from so many reads, of the list and of the detail alike."""
    problem = tenant.open_problem(process)
    tenant.fault("comment_delayed_visibility", calls=2)
    client.call("POST", _path(tenant), {"message": "x"})
    assert client.get(_path(tenant)).json()["totalCount"] == 0
    detail = client.problem(problem, fields="recentComments").json()
    assert detail["recentComments"]["comments"] == []
    assert client.get(_path(tenant)).json()["totalCount"] == 1


def test_a_client_that_dies_while_it_sends_breaks_no_rule(
    tenant: Tenant, client: Client, process: str
) -> None:
    """What arrived is thrown away without an answer, and nobody is blamed."""
    problem = tenant.open_problem(process)
    where = urlsplit(tenant.url)
    head = f"POST {_path(tenant)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=5) as sender:
        sender.sendall(head.encode() + b'{"message": "')
        sender.shutdown(socket.SHUT_WR)
        assert sender.recv(100) == b""
    tenant.check()
    assert tenant.comments(problem) == []
