"""
What the answers of a living process, or of the site's own proof, are taken for.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.minion.loading import load

SEEN = {"main": 4711, "executable": "/usr/sbin/apache2", "listens": [["0.0.0.0", 80]]}
URL = "http://127.0.0.1/health"
ANSWERED = {"verdict": "answered", "said": "http://127.0.0.1:80 answered 503"}
SILENT = {"verdict": "silent", "said": "silent"}
OTHER = {"verdict": "other", "said": "other"}


def proof(answer: Any, url: str = URL, seen: Any = SEEN, **settings: Any) -> Any:
    given = {"url": url, "statuses": [], "host": None, "contains": None, "server_name": None}
    asked: list[Any] = []

    def ask(*question: Any, **how: Any) -> Any:
        asked.append((*question, how))
        return answer

    module: Any = load("_utils/_dynatrace_utils/remedy/probe.py")
    module.site = SimpleNamespace(ask=ask, port=module.site.port)
    found = module.url({**given, **settings}, {"timeout": 10}, seen)
    names = {key: settings.get(key) for key in ("host", "server_name")}
    assert asked == [(url, 10, {**names, "with_body": "contains" in settings})]
    return found


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([ANSWERED], "serves"),
        ([SILENT, OTHER, ANSWERED], "serves"),
        ([SILENT, SILENT], "silent"),
        ([SILENT, OTHER], "unclear"),
        ([OTHER], "unclear"),
        ([], "unclear"),
    ],
)
def test_any_answer_is_one_and_only_silence_everywhere_is_stuck(
    findings: list[Any], verdict: str
) -> None:
    """A 503 of a dead backend is an answer; a refusal, or what is no HTTP, proves nothing."""
    told = load("_utils/_dynatrace_utils/remedy/probe.py").judged(findings)
    assert told["verdict"] == verdict and told["said"]


@pytest.mark.parametrize(
    ("status", "statuses", "verdict"),
    [
        (200, [], "serves"),
        (404, [], "serves"),
        (500, [], "fails"),
        (503, [503], "serves"),
        (200, [204], "fails"),
    ],
)
def test_the_sites_own_statuses_count(status: int, statuses: list[int], verdict: str) -> None:
    """Without any, every one below 500."""
    found = proof({"status": status, "problem": None}, statuses=statuses)
    assert found["verdict"] == verdict and f"{URL} answered {status}" in found["said"]


def test_no_answer_at_the_sites_url_fails_its_proof() -> None:
    """Refused and too late alike: the site has said that this is what serving means."""
    found = proof({"status": None, "problem": "refused"})
    assert found == {"verdict": "fails", "said": "refused"}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "https://127.0.0.1/", "https://[::1]/", "http://[::1]:81/"]
)
def test_an_answer_of_somebody_else_proves_nothing(url: str) -> None:
    """Another program holds that port; neither is the service down for that."""
    found = proof({"status": 200, "problem": None}, url)
    assert found["verdict"] == "unclear" and "does not hold its port" in found["said"]


def test_the_body_must_have_the_text() -> None:
    """A page of an error may come with status 200."""
    answer = {"status": 200, "problem": None, "body": b"all is well"}
    assert proof(answer, contains="is well")["verdict"] == "serves"
    found = proof(answer, contains="ready")
    assert found["verdict"] == "fails" and "without the text 'ready'" in found["said"]


@pytest.mark.parametrize("seen", [None, {**SEEN, "listens": None}])
def test_whose_port_it_is_is_asked_only_of_a_service(seen: Any) -> None:
    """Of a container the engine leads the port on, and an SLS has no process."""
    found = proof({"status": 200, "problem": None}, "http://127.0.0.1:8080/", seen)
    assert found["verdict"] == "serves"


def test_a_name_that_cannot_be_sent_proves_nothing() -> None:
    """A wrong setting must not restart what serves."""
    module: Any = load("_utils/_dynatrace_utils/remedy/probe.py")
    given = {"url": URL, "statuses": [], "host": "a\nb", "contains": None, "server_name": None}
    module.site = SimpleNamespace(ask=lambda *_, **__: (_ for _ in ()).throw(ValueError("bad")))
    assert module.url(given, {"timeout": 10}, SEEN)["verdict"] == "unclear"
