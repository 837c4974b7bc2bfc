"""
The reports as documents: whole, asking for nothing, and with all of what is told in them.
"""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from _dynatrace.pages.report import problem_report
from _dynatrace.pages.span_report import span_report

from tests.unit.engine.test_plot import bar, span
from tests.unit.engine.test_timeline import HOSTILE, iso, step, story

VOID = {"meta", "link", "br", "path", "rect", "circle", "input", "hr"}
EVIDENCE = {"attempt": 1, "minions": {"web01": {"journal": "it died", "status": "failed"}}}
#: Ids, times and words that the engine itself makes of a fixed set.
OWN = {
    *("at", "from", "to", "what", "outcome", "failed_at", "opened", "closed", "healed_at"),
    *("told_at", "since", "until", "created", "ended", "recorded", "sent", "ended_by", "attempt"),
}


def whole_story(**changes: Any) -> dict[str, Any]:
    """
    Return a story with all that one may have.
    """
    attempt = {
        "attempt": 1,
        "attempt_id": "a" * 32,
        "remedy": "apache2",
        "state": "good",
        "jid": "20261127104402188945",
        "created": iso(0.4),
        "ended": iso(1),
        "minions": {"web01": "good it serves"},
        "minion_count": 1,
    }
    target = {
        "minion": "web01",
        "entity": "PROCESS_GROUP_INSTANCE-EE7CC37651466D53",
        "matched_by": "host_id",
        "remedy": "apache2",
        "by": "technology",
        "process": "Apache",
    }
    comment = {"recorded": iso(1), "sent": iso(1.3), "given_up": None, "message": "Salt healed\nit"}
    told = story(
        severity="AVAILABILITY",
        state="closed",
        url="https://abc12345.live.dynatrace.com/#problems",
        targets=[target],
        unmatched=[
            {"entity": "HOST-1", "name": None, "reason": "no minion has this host id or name"}
        ],
        attempts=[attempt],
        comments=[comment],
        problem_id="1_1V2",
        outage_s=1,
        **changes,
    )
    return {**told, "steps": [*told["steps"], step(5, "escalated", "a person is called")]}


def figures(**changes: Any) -> dict[str, Any]:
    """
    Return the figures of a day with three problems.
    """
    worst = {"problems": 2, "by_salt": 1, "length_s": 4000, "latest": "P-2"}
    row = {
        "problem": "P-1",
        "episode": 1,
        "opened": iso(60),
        "closed": iso(600),
        "ended_by": "salt",
        "length_s": 540,
        "outage_ms": 2070,
        "remedy": "apache2",
        "minions": ["web01"],
        "minion_count": 1,
        "attempts": 1,
        "escalated": None,
    }
    other = {"ended_by": "other", "outage_ms": None, "remedy": None, "escalated": "refused"}
    still = {"ended_by": "open", "closed": None, "length_s": None, "outage_ms": None}
    outage = {"problems": 1, "median_ms": 2070, "longest_ms": 2070, "total_s": 2}
    return {
        **span(bar(0, 1, 1, 1, salt_s=540, others_s=3000)),
        "told_at": iso(90_000),
        "escalated": 1,
        "outcomes": {"good": 1},
        "outage": outage,
        "length": {"salt": outage, "other": outage},
        "saved": {
            **{"minutes": 12, "why": None, "problems": 1, "left_out": 0},
            "medians": [{"remedy": None, "median_s": 1260, "problems": 9}],
        },
        "relapses": {"1h": 1, "1d": 2},
        "worst": {
            "minions": [{"name": "web01", **worst}],
            "processes": [{"name": "Apache", "minion": "web01", **worst}],
            "remedies": [{"name": "apache2", **worst}],
        },
        "problems": [row, {**row, "problem": "P-2", **other}, {**row, **still}],
        **changes,
    }


def hostile(value: Any) -> Any:
    """
    Return facts in which each text that may be from outside is a hostile one.
    """
    if isinstance(value, dict):
        return {
            (HOSTILE if name == "web01" else name): one if name in OWN else hostile(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


class Read(HTMLParser):
    """
    A document as a browser reads it: its elements are closed in their order.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self._open[-1:] != ["style"] else ""


REPORTS = {
    "a problem": lambda told: problem_report(told(whole_story()), "dynatrace", told(EVIDENCE)),
    "one without evidence": lambda told: problem_report(
        told(whole_story()), "dynatrace", {"error": "none"}
    ),
    "a span": lambda told: span_report(told(figures()), "dynatrace"),
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("told", [copy.deepcopy, hostile], ids=["usual", "hostile"])
def test_a_report_is_whole_and_asks_for_nothing(name: str, told: Any) -> None:
    """No script, no request, no attribute that a policy would refuse, whatever stands in it."""
    html = REPORTS[name](told)
    read = Read(html)
    assert html.startswith("<!DOCTYPE html>")
    names = {tag for tag, _ in read.elements}
    assert not names & {"script", "img", "iframe", "object", "embed", "base", "form", "b"}
    for tag, attributes in read.elements:
        assert not [one for one in attributes if one.startswith("on") or one in ("style", "src")]
        if "href" in attributes:
            ours = attributes["href"] == "data:," if tag == "link" else tag == "a"
            assert ours
    policy = next(one["content"] for tag, one in read.elements if "http-equiv" in one)
    assert policy and policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "\u202e" not in html and "\x1b" not in html
    assert (HOSTILE[:30] in read.text) == (told is hostile)
    assert "prefers-color-scheme:dark" in html and "@media print" in html


def test_a_report_tells_what_was_done_and_why() -> None:
    """The figures, the job, the reason, the comment, the evidence."""
    text = Read(problem_report(whole_story(), "dynatrace", EVIDENCE)).text
    for said in (
        "P-2407114: Process unavailable",
        "a on web01 was down for 1.00 s, from 27 November 2025, 10:00:00.",
        "Salt brought it back and proved that it serves, by one attempt.",
        "salt-run jobs.lookup_jid 20261127104402188945",
        "a person is called",
        "Salt healed\nit",
        "it died",
        "no minion has this host id or name",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"healed_at": None}, "Others ended it, or it ended by itself; Salt made one attempt."),
        (
            {"healed_at": None, "closed": None, "down": [{"from": iso(0), "to": None}]},
            "is down since 27 November 2025, 10:00:00: 1.00 s until now. Salt made one attempt.",
        ),
        ({"down": [], "outages": []}, "Dynatrace names no process that is down and known here."),
        (
            {"down": [{"from": iso(0), "to": iso(1)}, {"from": iso(5), "to": iso(6)}]},
            "was down 2 times, together for 1.00 s",
        ),
    ],
)
def test_the_first_sentence_says_how_it_ended(changes: dict[str, Any], said: str) -> None:
    """And claims nothing that is not known."""
    told = {**whole_story(), **changes}
    assert said in Read(problem_report(told, "dynatrace")).text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", " https://x"])
def test_only_an_address_of_the_web_is_a_link(url: str) -> None:
    """Another one might be a script."""
    html = problem_report({**whole_story(), "url": url}, "dynatrace")
    assert "<a " not in html
    assert "<a " in problem_report(whole_story(), "dynatrace")


def test_of_long_evidence_the_end_is_told() -> None:
    """There the failure stands."""
    parts = {"journal": "old\n" * 50_000 + "it died"}
    html = problem_report(whole_story(), "dynatrace", {"attempt": 1, "minions": {"web01": parts}})
    assert len(html) < 150_000
    assert "it died" in html
    assert "The first 160007 characters are left out." in html


def test_a_span_tells_its_figures() -> None:
    """Each with what it means."""
    text = Read(span_report(figures(), "dynatrace")).text
    for said in (
        "3 problems were seen. Salt ended 1, others ended 1",
        "12minutes saved",
        "1failed again within an hour",
        "Apache on web01",
        "others; a person was called: refused",
        "21 min 00 s",
    ):
        assert said in text


def test_without_a_number_the_reason_stands_there() -> None:
    """Nothing is made up."""
    saved = {"minutes": None, "why": "too few", "problems": 0, "left_out": 1, "medians": []}
    text = Read(span_report(figures(saved=saved), "dynatrace")).text
    assert "No number is said: too few." in text
    assert not re.search(r"\d+minutes saved", text)


def test_a_thousand_problems_are_a_file_of_less_than_a_megabyte() -> None:
    """It can be sent by mail."""
    told = figures()
    told["problems"] = told["problems"][:1] * 1000
    assert len(span_report(told, "dynatrace")) < 1_000_000
