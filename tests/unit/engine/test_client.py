"""
The client against a simulated tenant: paging, every mapped error, and no secret anywhere.
"""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from _dynatrace.api import connection, response
from _dynatrace.api.client import Client
from _dynatrace.api.environment import classic_base
from _dynatrace.api.refusals import retry_after
from _dynatrace.core.errors import (
    ApiError,
    AuthError,
    NotFound,
    RateLimited,
    Unavailable,
    UnexpectedResponse,
)

from tests.tenant import Tenant
from tests.unit.engine.bodies import PID, PROCESS, problem_v2

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """
    Run a server that reads a request and then does with the connection what it is told.
    """
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    answer(connection)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        # Closing alone does not wake the thread that accepts.
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def says(head: bytes, body: bytes = b"") -> Callable[[socket.socket], None]:
    """
    Return a behaviour for a raw server: one answer with a length.
    """

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body))

    return answer


# -- what is read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last_key", ["absent", "null"])
def test_all_pages_are_read(last_key: str) -> None:
    """
    120 problems on a tenant with 50 a page, whether the last page says null or nothing.
    """
    with Tenant(page_size=50, last_page_key=last_key) as tenant:
        host = tenant.add_host()
        opened = {
            tenant.open_problem(tenant.add_process(host, name=f"p{n}")).problem_id
            for n in range(120)
        }
        listing = Client(tenant.url, tenant.add_token()).list_open()
        assert {problem.problem_id for problem in listing.problems} == opened
        assert len(listing.problems) == 120
        assert listing.unreadable == ()
        assert [call.status for call in tenant.requests] == [200, 200, 200]
        tenant.check()


def test_closed_problems_are_not_listed(tenant: Tenant, client: Client) -> None:
    """
    Only open ones are asked for.
    """
    process = tenant.add_process(tenant.add_host())
    closed, kept = tenant.open_problem(process), tenant.open_problem(process)
    tenant.close_problem(closed)
    assert [problem.problem_id for problem in client.list_open().problems] == [kept.problem_id]


def test_an_admins_selector_is_added(tenant: Tenant) -> None:
    """
    It narrows what is listed, and never widens it beyond the open ones.
    """
    host = tenant.add_host()
    kept = tenant.open_problem(tenant.add_process(host))
    tenant.open_problem(tenant.add_process(host, name="slow"), severity="PERFORMANCE")
    narrow = Client(
        tenant.url, tenant.add_token(), problem_selector='severityLevel("AVAILABILITY")'
    )
    assert [problem.problem_id for problem in narrow.list_open().problems] == [kept.problem_id]


def test_a_problem_comes_with_its_evidence(tenant: Tenant, client: Client) -> None:
    """
    The list has none; the single read asks for it.
    """
    process = tenant.add_process(tenant.add_host())
    opened = tenant.open_problem(process)
    problem = client.problem(opened.problem_id)
    assert problem.display_id == opened.display_id
    assert any(item.entity.id == process and item.root_cause for item in problem.evidence)
    assert client.list_open().problems[0].evidence == ()


def test_ids_with_a_minus_are_read(tenant: Tenant, client: Client) -> None:
    """
    Every second problem of this tenant has one.
    """
    process = tenant.add_process(tenant.add_host())
    ids = [tenant.open_problem(process).problem_id for _ in range(4)]
    assert any(one.startswith("-") for one in ids)
    assert [client.problem(one).problem_id for one in ids] == ids


def test_a_problem_is_found_by_its_number(tenant: Tenant, client: Client) -> None:
    """
    The default template knows nothing else.
    """
    opened = tenant.open_problem(tenant.add_process(tenant.add_host()))
    found = client.find_by_display_id(opened.display_id)
    assert found is not None
    assert found.problem_id == opened.problem_id
    assert client.find_by_display_id("P-1") is None


def test_a_quote_in_a_number_cannot_leave_its_place(tenant: Tenant, client: Client) -> None:
    """
    The selector's language is escaped.
    """
    tenant.open_problem(tenant.add_process(tenant.add_host()))
    assert client.find_by_display_id('x"),status("open') is None


def test_entities_are_read_with_their_relations(tenant: Tenant, client: Client) -> None:
    """
    A process names its host, a host what identifies it.
    """
    host = tenant.add_host(
        "web01.example.com", ip=["192.0.2.7"], properties={"salt_minion": "web01"}
    )
    process = tenant.add_process(host)
    found = client.entity(process)
    assert found.relations["from.isProcessOf"] == (host,)
    assert found.technologies == ("APACHE_HTTPD",)
    known = client.entity(host)
    assert (known.detected_name, known.addresses, known.salt_minions) == (
        "web01.example.com",
        ("192.0.2.7",),
        ("web01",),
    )


def test_comments_are_written_and_read_back(tenant: Tenant, client: Client) -> None:
    """
    Sent as message, they come back as content, over all pages.
    """
    opened = tenant.open_problem(tenant.add_process(tenant.add_host()))
    client.comment(opened.problem_id, "healed \u00e4\n[marker 1]", "salt")
    for n in range(60):
        tenant.add_comment(opened, f"n{n}")
    assert tenant.comments(opened)[0].message == "healed \u00e4\n[marker 1]"
    assert tenant.comments(opened)[0].context == "salt"
    texts = list(client.comments(opened.problem_id))
    assert len(texts) == 61
    assert "healed \u00e4\n[marker 1]" in texts


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["P-24071", "x", "../problems", "7_1V2/comments", ""])
def test_what_is_no_problem_id_is_never_sent(tenant: Tenant, client: Client, wrong: str) -> None:
    """
    It would be another path.
    """
    for call in (
        client.problem,
        lambda one: list(client.comments(one)),
        lambda one: client.comment(one, "x", "y"),
    ):
        with pytest.raises(NotFound):
            call(wrong)
    with pytest.raises(NotFound):
        client.entity(wrong)
    assert tenant.requests == []


def test_an_unknown_problem_is_not_found(tenant: Tenant, client: Client) -> None:
    """
    So is an unknown entity.
    """
    with pytest.raises(NotFound):
        client.problem(PID)
    with pytest.raises(NotFound):
        client.entity(PROCESS)


def test_a_400_about_the_id_means_not_found() -> None:
    """
    Managed answers 400 where one expects 404.
    """
    body = b'{"error":{"code":400,"message":"Constraints violated.","constraintViolations":[{"path":"problemId",'
    body += b'"message":"Invalid format.","parameterLocation":"PATH","location":null}]}}'
    with (
        raw_server(says(b"400 Bad Request", body)) as url,
        pytest.raises(NotFound, match="Invalid format"),
    ):
        Client(url, TOKEN).problem(PID)


@pytest.mark.parametrize("body", [b"", b"<html>404</html>", b'{"error": "no route"}', b"[]"])
def test_a_404_of_something_else_says_nothing_of_the_problem(body: bytes) -> None:
    """
    A proxy or a wrong path knows no problem: if that counted, every open one would be closed.
    """
    with raw_server(says(b"404 Not Found", body)) as url:
        client = Client(url, TOKEN)
        for call in (lambda: client.problem(PID), lambda: client.entity(PROCESS)):
            with pytest.raises(UnexpectedResponse, match="environment_url"):
                call()


def test_an_answer_about_another_one_is_none() -> None:
    """
    What stands between may mix up its answers: another host would be acted on.
    """
    other = "PROCESS_GROUP_INSTANCE-00000000000000AA"
    with raw_server(says(b"200 OK", b'{"entityId": "%s"}' % other.encode())) as url:
        with pytest.raises(UnexpectedResponse, match="another"):
            Client(url, TOKEN).entity(PROCESS)
        assert Client(url, TOKEN).entity(other).id == other
    body = json.dumps({"problemId": "1_2V2", **SHORT}).encode()
    with raw_server(says(b"200 OK", body)) as url:
        with pytest.raises(UnexpectedResponse, match="another"):
            Client(url, TOKEN).problem(PID)
        assert Client(url, TOKEN).problem("1_2V2").problem_id == "1_2V2"


@pytest.mark.parametrize(
    "evidence",
    [None, {}, {"totalCount": 1}, {"totalCount": 2, "details": [{}]}, {"details": None}],
)
def test_an_open_problem_without_all_of_its_evidence_is_not_taken(evidence: Any) -> None:
    """
    It was asked for; what is missing may be the maintenance window. One that is closed needs none.
    """
    body = {**SHORT, "problemId": PID, "evidenceDetails": evidence}
    if evidence is None:
        del body["evidenceDetails"]
    with (
        raw_server(says(b"200 OK", json.dumps(body).encode())) as url,
        pytest.raises(UnexpectedResponse, match="evidence"),
    ):
        Client(url, TOKEN).problem(PID)
    closed = json.dumps({**body, "status": "CLOSED"}).encode()
    with raw_server(says(b"200 OK", closed)) as url:
        assert not Client(url, TOKEN).problem(PID).is_open


#: All that a problem must have beside its id.
SHORT = {
    "status": "OPEN",
    "severityLevel": "AVAILABILITY",
    "impactLevel": "INFRASTRUCTURE",
    "evidenceDetails": {"totalCount": 0, "details": []},
}


def test_an_expired_token_is_an_auth_error(tenant: Tenant) -> None:
    """
    Waiting does not help; the message says what to do.
    """
    token = tenant.add_token()
    client = Client(tenant.url, token)
    client.list_open()
    tenant.expire_token(token)
    with pytest.raises(AuthError) as caught:
        client.list_open()
    assert str(caught.value) == (
        "Dynatrace rejected the API token (401) on GET /problems: Token Authentication failed; set a valid `api_token`"
    )
    tenant.revive_token(token)
    client.list_open()


def test_a_missing_scope_is_named(tenant: Tenant) -> None:
    """
    The tenant says which one; it is passed on.
    """
    with pytest.raises(AuthError, match=r"\(403\).*problems\.read"):
        Client(tenant.url, tenant.add_token(["entities.read"])).list_open()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_unavailable(tenant: Tenant, client: Client, status: int) -> None:
    """
    The next cycle tries again; nothing is repeated at once.
    """
    tenant.fault("server_error", status=status)
    with pytest.raises(
        Unavailable, match=f"GET /problems: the tenant answered {status}: Internal server error"
    ):
        client.list_open()
    assert len(tenant.requests) == 1
    client.list_open()


def test_a_gateway_page_is_unavailable(tenant: Tenant, client: Client) -> None:
    """
    Only its beginning is quoted.
    """
    tenant.fault("bad_gateway_html")
    with pytest.raises(Unavailable, match="502: '<html><body><h1>502 Bad Gateway"):
        client.list_open()


@pytest.mark.parametrize(
    ("fault", "options", "message"),
    [
        ("html_200", {}, "GET /problems: the answer is not JSON but '<!DOCTYPE html>"),
        ("empty_body", {}, "GET /problems: the answer is not JSON but an empty body"),
        ("wrong_type", {}, "GET /problems: the answer has no list `problems`"),
        (
            "wrong_type",
            {"body": {"problems": {}}},
            "GET /problems: the answer has no list `problems`",
        ),
        (
            "wrong_type",
            {"body": {"problems": [], "nextPageKey": 5}},
            "a `nextPageKey` that leads nowhere",
        ),
        (
            "wrong_type",
            {"body": {"problems": [], "nextPageKey": ""}},
            "a `nextPageKey` that leads nowhere",
        ),
        ("redirect_elsewhere", {}, "the tenant answered 302, a redirect, which is not followed"),
    ],
)
def test_an_answer_that_is_none_is_unexpected(
    tenant: Tenant, client: Client, fault: str, options: dict[str, Any], message: str
) -> None:
    """
    It is never taken for an empty list of problems.
    """
    tenant.fault(fault, **options)
    with pytest.raises(UnexpectedResponse) as caught:
        client.list_open()
    assert message in str(caught.value)
    client.list_open()


def test_a_cursor_that_comes_twice_ends_the_walk(tenant: Tenant, client: Client) -> None:
    """
    A tenant must not keep the engine in a circle.
    """
    tenant.fault("wrong_type", times=None, body={"problems": [], "nextPageKey": "again"})
    with pytest.raises(UnexpectedResponse, match="leads nowhere"):
        client.list_open()
    assert len(tenant.requests) == 2


def test_a_walk_that_breaks_gives_nothing(tenant: Tenant, client: Client) -> None:
    """
    Half a list would make the other half look closed.
    """
    host = tenant.add_host()
    for n in range(60):
        tenant.open_problem(tenant.add_process(host, name=f"p{n}"))
    client.list_open()
    tenant.fault(
        "slow", delay=0.0
    )  # Strikes the first page, so that the next fault meets the second.
    tenant.fault("server_error")
    with pytest.raises(Unavailable):
        client.list_open()


def test_an_unreadable_problem_does_not_hide_the_others(tenant: Tenant, client: Client) -> None:
    """
    It is told beside them.
    """
    tenant.fault("wrong_type", body={"problems": [problem_v2(), {"problemId": 5}, None]})
    listing = client.list_open()
    assert [problem.problem_id for problem in listing.problems] == [PID]
    assert listing.unreadable == (
        "a problem has no usable `problemId`",
        "a problem is not a JSON object",
    )


def test_a_truncated_answer_is_an_error(tenant: Tenant, client: Client) -> None:
    """
    Which one depends on the HTTP library; a list it is not.
    """
    tenant.open_problem(tenant.add_process(tenant.add_host()))
    tenant.fault("truncated_body", times=2)
    with pytest.raises((Unavailable, UnexpectedResponse)):
        client.list_open()
    tenant.clear_faults()
    assert len(client.list_open().problems) == 1


def test_a_dropped_connection_is_tried_again_once(tenant: Tenant, client: Client) -> None:
    """
    Connections that are kept alive die; twice in a row is an outage.
    """
    client.list_open()
    tenant.fault("dropped_connection", times=1)
    client.list_open()
    tenant.fault("dropped_connection", times=2)
    with pytest.raises(Unavailable, match="GET /problems: no connection to the tenant: "):
        client.list_open()


def test_a_comment_is_never_sent_twice_by_itself(tenant: Tenant, client: Client) -> None:
    """
    It may have been stored though the answer was lost.
    """
    opened = tenant.open_problem(tenant.add_process(tenant.add_host()))
    tenant.fault("dropped_connection", method="POST", carried_out=True)
    with pytest.raises(Unavailable):
        client.comment(opened.problem_id, "once", "salt")
    assert [comment.message for comment in tenant.comments(opened)] == ["once"]


def test_a_tenant_that_is_away_is_unavailable(tenant: Tenant, client: Client) -> None:
    """
    And read again when it is back.
    """
    tenant.stop()
    with pytest.raises(Unavailable, match="no connection to the tenant"):
        client.list_open()
    tenant.start()
    client.list_open()


def test_a_slow_answer_times_out(
    tenant: Tenant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing waits for ever.
    """
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 0.1)
    tenant.fault("slow", delay=1.0)
    with pytest.raises(Unavailable, match=r"GET /problems: no answer within 0\.1 s"):
        client.list_open()


def trickles(head: bytes) -> Callable[[socket.socket], None]:
    """
    Return a behaviour for a raw server: an answer that never stalls and never ends.
    """

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            connection.sendall(b"1\r\n \r\n" if b"chunked" in head else b" ")
            time.sleep(0.01)

    return answer


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"],
    ids=["length", "chunked", "until it closes"],
)
def test_an_answer_that_trickles_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each byte comes in time, the whole does not.
    """
    monkeypatch.setattr(connection, "RESPONSE_DEADLINE_S", 0.3)
    begin = time.monotonic()
    with (
        raw_server(trickles(head)) as url,
        pytest.raises(Unavailable, match=r"not complete after 0\.3 s"),
    ):
        Client(url, TOKEN).problem(PID)
    assert time.monotonic() - begin < 20


def test_each_request_is_told_with_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Its status, or why there is none; by the endpoint without ids, and both tries of one that was dropped.
    """
    monkeypatch.setattr(connection, "RESPONSE_DEADLINE_S", 0.3)
    monkeypatch.setattr(response, "MAX_RESPONSE_BYTES", 2**10)
    answers = {
        "200": says(b"200 OK", b"{}"),
        "404": says(b"404 No", b"{}"),
        "timeout": trickles(b"Connection: close\r\n"),
        "unreadable": says(b"200 OK", b" " * 2**11),
        "unreachable": lambda _: None,
    }
    told: list[tuple[float, str, str]] = []
    for answer in answers.values():
        with raw_server(answer) as url, suppress(ApiError):
            Client(url, TOKEN, observe=lambda *one: told.append(one)).problem(PID)
    assert [one[1:] for one in told] == [
        ("GET /problems/{id}", status) for status in (*answers, "unreachable")
    ]
    assert all(seconds >= 0 for seconds, *_ in told)
    assert told[2][0] >= 0.3


def test_an_endless_answer_is_given_up(
    tenant: Tenant, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The simulated one trickles white space.
    """
    monkeypatch.setattr(connection, "RESPONSE_DEADLINE_S", 0.2)
    tenant.fault("endless_body", seconds=30.0)
    with pytest.raises(Unavailable, match="not complete"):
        client.list_open()


def test_an_answer_that_is_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The engine's memory is not the tenant's to fill.
    """
    monkeypatch.setattr(response, "MAX_RESPONSE_BYTES", 2**20)
    with (
        raw_server(says(b"200 OK", b" " * 2**21)) as url,
        pytest.raises(UnexpectedResponse, match="larger than 1 MiB"),
    ):
        Client(url, TOKEN).problem(PID)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"problemId": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b"NaN",
        b'{"problems": [',
    ],
    ids=["deep", "huge integer", "no UTF-8", "NaN", "half"],
)
def test_hostile_json_is_unexpected(body: bytes) -> None:
    """
    Nothing but an ApiError comes out.
    """
    # What earlier tests left must not be finalized where the stack is full: pytest would fail this one for it.
    gc.collect()
    with raw_server(says(b"200 OK", body)) as url, pytest.raises(UnexpectedResponse):
        Client(url, TOKEN).problem(PID)


# -- limits ------------------------------------------------------------------------------------------------------------

NOW = 1_700_000_000.0
WAITS = [
    ({}, 5.0),
    ({"Retry-After": "7"}, 7.0),
    ({"Retry-After": "0"}, 1.0),
    ({"Retry-After": "86400"}, 60.0),
    ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
    ({"Retry-After": "Tue, 14 Nov 2000 22:13:50 GMT"}, 1.0),
    ({"Retry-After": "soon"}, 5.0),
    ({"Retry-After": "-3"}, 5.0),
    ({"Retry-After": "soon", "X-RateLimit-Reset": "1700000009"}, 9.0),
    ({"X-RateLimit-Reset": "1700000009"}, 9.0),
    ({"X-RateLimit-Reset": "1700000009000"}, 9.0),
    ({"X-RateLimit-Reset": "1700000009000000"}, 9.0),
    ({"X-RateLimit-Reset": "1600000000"}, 1.0),
    ({"X-RateLimit-Reset": "1800000000000000"}, 60.0),
    ({"X-RateLimit-Reset": "x"}, 5.0),
    ({"Retry-After": "7", "X-RateLimit-Reset": "1700000009"}, 7.0),
]


@pytest.mark.parametrize(("headers", "expected"), WAITS)
def test_the_time_to_wait_is_read_and_clamped(headers: dict[str, str], expected: float) -> None:
    """
    Seconds, dates and stamps in three units, never less than one second or more than sixty.
    """
    assert retry_after(headers, NOW) == pytest.approx(expected)


@pytest.mark.parametrize("unit", ["seconds", "milliseconds", "microseconds"])
def test_a_limit_says_how_long_to_wait(tenant: Tenant, client: Client, unit: str) -> None:
    """
    The documentation gives microseconds, clients in the field parse seconds.
    """
    tenant.fault("rate_limited", unit=unit, wait=20.0)
    with pytest.raises(RateLimited) as caught:
        client.list_open()
    assert 17 < caught.value.retry_after <= 20
    assert str(caught.value).startswith("GET /problems: the tenant limits requests (429); waiting ")


def test_a_limit_without_headers_has_a_usual_wait(tenant: Tenant, client: Client) -> None:
    """
    A full queue of the tenant gives such a 429.
    """
    tenant.fault("rate_limited", headers=False)
    with pytest.raises(RateLimited) as caught:
        client.list_open()
    assert caught.value.retry_after == 5.0


def test_a_503_with_a_time_is_a_limit() -> None:
    """
    Without one it is an outage.
    """
    with (
        raw_server(says(b"503 Busy\r\nRetry-After: 9", b"{}")) as url,
        pytest.raises(RateLimited) as caught,
    ):
        Client(url, TOKEN).problem(PID)
    assert caught.value.retry_after == 9.0


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_the_token_does_not_follow_a_redirect(tenant: Tenant) -> None:
    """
    Not even one request reaches the other server.
    """
    reached: list[Any] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        other = f"http://127.0.0.1:{server.server_address[1]}/login?token=x"
        client = Client(tenant.url, tenant.add_token())
        for status_path in ("/problems", "/entities"):
            tenant.fault("redirect_elsewhere", url=other, path=status_path)
        with pytest.raises(UnexpectedResponse, match="a redirect, which is not followed"):
            client.list_open()
        with pytest.raises(UnexpectedResponse):
            client.entity(PROCESS)
        assert reached == []
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [("classic", "Api-Token dt0c01."), ("platform", "Bearer dt0s16.")],
    ids=["classic", "platform"],
)
def test_the_scheme_follows_the_kind_of_token(kind: str, scheme: str) -> None:
    """
    The tenant refuses the other one.
    """
    with Tenant() as tenant:
        Client(tenant.url, tenant.add_token(kind=kind)).list_open()
        assert tenant.requests[0].token_ok
        assert "api-token" not in tenant.requests[0].query
        tenant.check()
    heads: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            heads.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(UnexpectedResponse):
        Client(
            f"http://127.0.0.1:{listening.getsockname()[1]}", scheme.split()[1] + "AAA.BBB"
        ).problem(PID)
    thread.join(5)
    listening.close()
    assert f"Authorization: {scheme}AAA.BBB".encode() in heads[0]


def echoes(head: bytes) -> Callable[[socket.socket], None]:
    """
    Return a behaviour for a raw server: it says what it was sent, as some proxies do.
    """
    return says(
        head, b"Authorization: Api-Token %s ?api-token=%s" % (TOKEN.encode(), TOKEN.encode())
    )


@pytest.mark.parametrize(
    "head", [b"200 OK", b"401 No", b"403 No", b"404 No", b"500 No", b"400 No", b"418 No"]
)
def test_no_error_holds_the_token(head: bytes) -> None:
    """
    Not even when a server says it back.
    """
    with raw_server(echoes(head)) as url, pytest.raises(ApiError) as caught:
        Client(url, TOKEN).problem(PID)
    for shown in (str(caught.value), repr(caught.value)):
        assert "VERYSECRET" not in shown
        assert "SYNTHETICSYNTHETIC" not in shown
        assert len(shown) < 600


def test_no_error_holds_the_password_of_the_proxy() -> None:
    """
    Nor does anything that shows the client.
    """
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
    client = Client(
        "http://tenant.example.com", TOKEN, proxy=f"http://me:PROXYWORD@127.0.0.1:{port}"
    )
    with pytest.raises(Unavailable) as caught:
        client.list_open()
    for shown in (str(caught.value), repr(caught.value), repr(client), str(client)):
        assert "PROXYWORD" not in shown
        assert "VERYSECRET" not in shown


def test_the_proxy_is_used_and_those_of_the_environment_are_not(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A proxy of the environment would see the token.
    """
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    Client(tenant.url, tenant.add_token()).list_open()
    with raw_server(says(b"200 OK", b'{"problems": []}')) as proxy:
        assert Client("http://tenant.example.com", TOKEN, proxy=proxy).list_open().problems == ()


def test_a_netrc_file_does_not_replace_the_token(
    tenant: Tenant, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The HTTP library would read it by itself.
    """
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    Client(tenant.url, tenant.add_token()).list_open()
    assert tenant.requests[0].token_ok


# -- addresses ---------------------------------------------------------------------------------------------------------

BASES = [
    ("https://abc12345.live.dynatrace.com", "https://abc12345.live.dynatrace.com/api/v2"),
    ("https://abc12345.live.dynatrace.com/", "https://abc12345.live.dynatrace.com/api/v2"),
    ("https://managed.example.com/e/abc/", "https://managed.example.com/e/abc/api/v2"),
    ("https://gate.example.com:9999/e/abc", "https://gate.example.com:9999/e/abc/api/v2"),
    (
        "https://abc12345.apps.dynatrace.com",
        "https://abc12345.apps.dynatrace.com/platform/classic/environment-api/v2",
    ),
]


@pytest.mark.parametrize(("given", "expected"), BASES)
def test_the_base_follows_the_deployment(given: str, expected: str) -> None:
    """
    SaaS, Managed, ActiveGate and the platform's gateway.
    """
    assert classic_base(given) == expected
    assert repr(Client(given, TOKEN)) == f"Client({given})"


def test_managed_paths_are_read() -> None:
    """
    The environment stands in the path there.
    """
    with Tenant(environment_path="/e/abc") as tenant:
        opened = tenant.open_problem(tenant.add_process(tenant.add_host()))
        client = Client(tenant.url + "/", tenant.add_token())
        assert client.problem(opened.problem_id).display_id == opened.display_id
        tenant.check()


def test_the_page_of_a_problem_is_known() -> None:
    """
    The two user interfaces have two forms of it.
    """
    classic, apps = (
        Client(f"https://abc12345.{kind}.dynatrace.com", TOKEN) for kind in ("live", "apps")
    )
    assert (
        classic.problem_url(PID)
        == f"https://abc12345.live.dynatrace.com/#problems/problemdetails;pid={PID}"
    )
    assert apps.problem_url(PID) == (
        f"https://abc12345.apps.dynatrace.com/ui/apps/dynatrace.davis.problems/problem/{PID}"
    )


def test_several_threads_may_ask_at_once(tenant: Tenant, client: Client) -> None:
    """
    Each has a connection of its own.
    """
    process = tenant.add_process(tenant.add_host())
    ids = [tenant.open_problem(process).problem_id for _ in range(8)]
    read: list[str | None] = []
    threads = [
        threading.Thread(target=lambda one=one: read.append(client.problem(one).problem_id))
        for one in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(filter(None, read)) == sorted(ids)
