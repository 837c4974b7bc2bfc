"""
What goes wrong between the engine and the tenant: said once, survived, and healed from.
"""

from __future__ import annotations

import http.server
import json
import logging
import queue
import threading
from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.world import World
from tests.tenant import RECOMMENDED_TEMPLATE

FAULTS = [
    "server_error",
    "bad_gateway_html",
    "html_200",
    "truncated_body",
    "empty_body",
    "wrong_type",
    "rate_limited",
]


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """
    Return the messages of the engine at a level or above.
    """
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= level and record.name[0] == "_"
    ]


class Sink:
    """
    A receiver of notifications that keeps their bodies.
    """

    def __enter__(self) -> Sink:
        self.bodies: queue.Queue[bytes] = queue.Queue()
        bodies = self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.put(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return None

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def polls(world: World, count: int, after: float = 31) -> None:
    for _ in range(count):
        world.poll(after)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_list_is_said_once_and_healed_from(
    scene: Scene, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """
    Ten failed polls are one warning; the problem that opened meanwhile is acted on afterwards.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.fault(fault, times=10, path="/problems")
    scene.tenant.open_problem(apache)
    caplog.set_level(logging.DEBUG)
    polls(world, 10)
    assert world.whats() == []
    assert len(said(caplog, logging.WARNING)) == 1

    scene.tenant.clear_faults()
    polls(world, 2)
    assert world.whats() == ["open"]
    assert len(said(caplog, logging.WARNING)) == 1
    assert any("answers again" in text for text in said(caplog, logging.INFO))


def test_a_failed_poll_does_not_resolve_what_it_did_not_see(scene: Scene) -> None:
    """
    An empty or failed answer is not an empty list.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    for fault in FAULTS:
        scene.tenant.fault(fault, times=1)
        world.poll(31)
        scene.tenant.clear_faults()
    assert world.whats() == ["open", "healed"]


@pytest.mark.parametrize("tenant", ["classic"], indirect=True)
def test_an_expired_token_is_an_error_said_once_and_healed_from_without_a_restart(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """
    401 says what to do, the engine keeps asking, and goes on when the token works again.
    """
    apache = scene.host("web01")
    world = scene.world()
    token = world.given["api_token"]
    scene.tenant.expire_token(token)
    scene.tenant.open_problem(apache)
    caplog.set_level(logging.DEBUG)
    polls(world, 5)
    (error,) = said(caplog, logging.WARNING)
    assert "rejected the API token (401)" in error
    assert token not in caplog.text

    scene.tenant.revive_token(token)
    world.poll(61)
    assert world.whats() == ["open"]


def test_a_notified_problem_that_the_api_does_not_know_yet_is_looked_at_again(scene: Scene) -> None:
    """
    The notification can be quicker than the API; it waits and is not lost.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    world.reacts = lambda _: False
    problem = scene.tenant.open_problem(apache)
    scene.tenant.fault("notification_before_list", times=2, detail=True)
    world.notify(json.dumps({"PID": problem.problem_id, "State": "OPEN"}).encode())
    for _ in range(12):
        world.cycle(5)
    assert world.whats() == ["open"]


def test_a_notified_problem_survives_an_outage_of_the_api(scene: Scene) -> None:
    """
    Accepted is kept: an hour without the API later it is acted on, without any poll.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    world.reacts = lambda _: False
    problem = scene.tenant.open_problem(apache)
    scene.tenant.stop()
    world.notify(json.dumps({"PID": problem.problem_id, "State": "OPEN"}).encode())
    for _ in range(60):
        world.cycle(60)
    assert world.whats() == []
    world.restart()
    scene.tenant.start()
    for _ in range(3):
        world.cycle(60)
    assert world.whats() == ["open"]


def test_entities_that_cannot_be_read_delay_the_decision(scene: Scene) -> None:
    """
    Without the process's host nothing is announced as unmatched: unknown is not no.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    # The process and, beside it, its host.
    scene.tenant.fault("server_error", times=2, path="/entities")
    world.poll()
    assert world.whats() == []
    world.cycle(6)
    assert [data["minions"] for data in world.events("open")] == [["web01"]]


def test_the_default_template_without_pid_is_found_by_its_display_id(scene: Scene) -> None:
    """
    The default payload has a problem number only.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    body = {"State": "OPEN", "ProblemID": problem.display_id, "ProblemTitle": problem.title}
    world.notify(json.dumps(body).encode())
    world.cycle(1)
    assert [data["problem_id"] for data in world.events("open")] == [problem.problem_id]


def test_comments_are_sent_later_and_not_doubled(scene: Scene) -> None:
    """
    A comment that was stored although the answer was an error is found by its marker.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    scene.tenant.fault("comment_accepted_then_500", times=1)
    world.send_comments()
    for _ in range(10):
        world.now += 600
        world.send_comments()
    assert len(scene.tenant.comments(problem)) == 1


def test_comments_wait_for_a_tenant_that_cannot_be_reached(scene: Scene) -> None:
    """
    An outcome is told late rather than never.
    """
    apache = scene.host("web01")
    world = scene.world()
    problem = scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0])
    world.cycle(1)
    scene.tenant.stop()
    world.send_comments()
    scene.tenant.start()
    world.now += 600
    world.send_comments()
    assert len(scene.tenant.comments(problem)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "line\nbreak: [x]",
        "'single' \"double\"",
        "{{ 7 * 7 }} {% raw %}",
        "x\n    - tgt: '*'\n    - foo: y",
        "\ud800 lone",
        "emoji \U0001f525",
        "x" * 50_000,
        "nul \x00 and \x85",
    ],
)
def test_hostile_texts_change_nothing_but_that_text(scene: Scene, text: str) -> None:
    """
    A title, tag, host or process name is text, in the event as in the tag and the decision.
    """
    plain: dict[str, Any] = {}
    for hostile in (False, True):
        name = text if hostile else "plain"
        host = scene.tenant.add_host(name=name, detected_name=name)
        apache = scene.tenant.add_process(host, name=name, technology="APACHE_HTTPD")
        scene.hosts = {"web01": host}
        directory = scene.directory / str(hostile)
        directory.mkdir()
        scene.directory = directory
        world = scene.world()
        problem = scene.tenant.open_problem(apache, title=name, tags=(name,))
        world.poll()
        (data,) = world.events("open")
        json.dumps(data, ensure_ascii=False).encode("utf-8")
        assert data["minions"] == ["web01"]
        assert data["technologies"] == {"APACHE_HTTPD": ["web01"]}
        plain[str(hostile)] = set(data)
        scene.tenant.close_problem(problem)
        scene.directory = directory.parent
    assert plain["True"] == plain["False"]


def test_the_webhooks_own_template_expands_to_something_that_is_recognised(scene: Scene) -> None:
    """
    What the tenant sends by the recommended template is read as the problem that it is about.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    with Sink() as sink:
        scene.tenant.add_webhook(sink.url, template=RECOMMENDED_TEMPLATE)
        problem = scene.tenant.open_problem(apache, title='quotes " and \n breaks')
        world.notify(sink.bodies.get(timeout=10))
    world.cycle(1)
    assert [data["problem_id"] for data in world.events("open")] == [problem.problem_id]


def test_a_notification_alone_is_believed_only_without_an_api(scene: Scene) -> None:
    """
    With an API a body that says OPEN for a closed problem starts nothing.
    """
    apache = scene.host("web01")
    world = scene.world(poll_interval=0)
    problem = scene.tenant.open_problem(apache)
    scene.tenant.close_problem(problem)
    world.notify(
        json.dumps(
            {"PID": problem.problem_id, "State": "OPEN", "ProblemID": problem.display_id}
        ).encode()
    )
    world.cycle(1)
    assert world.whats() == []
