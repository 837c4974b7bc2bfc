"""
The report as a file: where it is written and where not, what is asked for it, what is returned.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.pages import report
from _dynatrace_runner import bus, checkup, evidence, post_mortem, report_file
from salt.exceptions import CommandExecutionError

from tests.unit.engine.test_report import figures, whole_story
from tests.unit.minion.loading import load

NOW = 1764237600.0
LISTS = {"story": ("attempts", "comments", "steps"), "span": ("problems",)}


class Master:
    """
    A master with an engine that knows one problem, and a minion that kept something of it.
    """

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.opts = {"fun": "dynatrace.report", "cachedir": str(home / "cache")}
        self.context: dict[str, Any] = {}
        self.engines = ["dynatrace"]
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.minions: list[Any] = []
        self.kept: Any = {"attempt": 1, "minions": {"web01": {"journal": "it died"}}}
        self.runner = load("_runners/dynatrace.py", opts=self.opts, context=self.context)
        (home / "here").mkdir()
        monkeypatch.chdir(home / "here")
        monkeypatch.setattr(bus, "ask", self._ask)
        monkeypatch.setattr(evidence, "of_attempts", self._evidence)
        monkeypatch.setattr(checkup, "loaded", lambda _: {"report": report})

    def _ask(self, _: Any, command: str, _instance: Any, _timeout: float, args: Any) -> Any:
        self.asked.append((command, args))
        facts = whole_story() if command == "story" else figures()
        facts.pop("evidence", None)
        rows = [{name: row} for name in LISTS[command] for row in facts[name]]
        answer = {"facts": {**facts, **{name: [] for name in LISTS[command]}}, "rows": rows}
        return dict.fromkeys(self.engines, answer)

    def _evidence(self, *given: Any) -> Any:
        self.minions.append(given)
        if isinstance(self.kept, Exception):
            raise self.kept
        return self.kept

    def report(self, *args: Any, **kwargs: Any) -> Any:
        """
        Return what the runner does; it says by its exit code whether that is good.
        """
        told = self.runner.report(*args, **kwargs)
        assert self.context["retcode"] == told.get("retcode", 0)
        return told

    @property
    def files(self) -> list[str]:
        return sorted(one.name for one in (self.home / "here").iterdir())


@pytest.fixture
def master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Master:
    return Master(tmp_path, monkeypatch)


def test_a_report_is_one_file_of_the_masters_user_alone(master: Master) -> None:
    """In the current directory; the answer names it, and nothing else is left there."""
    told = master.report("P-2407114")["dynatrace"]
    path = Path(told["file"])
    assert path == master.home / "here" / "dynatrace-report-P-2407114.html"
    assert master.files == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    html = path.read_text(encoding="utf-8")
    assert "P-2407114: Process unavailable" in html and "it died" in html
    assert told["outage"] == "1.00 s"
    assert told["evidence_of"] == ["web01"]


def test_a_report_is_written_anew(master: Master) -> None:
    """The second time there is more to tell."""
    master.report("P-2407114")
    master.kept = {"error": "it was removed since"}
    told = master.report("P-2407114")["dynatrace"]
    assert "it was removed since" in Path(told["file"]).read_text(encoding="utf-8")
    assert len(master.files) == 1


@pytest.mark.parametrize("content", ["mine", "<!DOCTYPE html><p>mine</p>", ""])
def test_another_file_is_never_overwritten(master: Master, content: str) -> None:
    """Whatever is in it."""
    Path("mine.html").write_text(content)
    told = master.report("P-2407114", file="mine.html")
    assert "is no report of yours" in told["error"]
    assert Path("mine.html").read_text() == content


def test_a_link_is_not_followed(master: Master) -> None:
    """Neither to a report, nor to what is not there yet."""
    first = master.report("P-2407114")["dynatrace"]["file"]
    Path("link.html").symlink_to(first)
    Path("gone.html").symlink_to(master.home / "new.html")
    for name in ("link.html", "gone.html"):
        assert "is no report of yours" in master.report("P-2407114", file=name)["error"]
    assert not (master.home / "new.html").exists()


@pytest.mark.parametrize("name", ["cron", "report.htm", "/etc/cron.d/x"])
def test_a_name_of_another_kind_is_refused(master: Master, name: str) -> None:
    """No other program takes such a file for its own."""
    assert "ends in .html" in master.report("P-2407114", file=name)["error"]
    assert master.files == []


def test_a_directory_that_is_not_there_is_named(master: Master) -> None:
    """And what to do."""
    error = master.report("P-2407114", file="gone/x.html")["error"]
    assert "gone/x.html cannot be written: No such file" in error and "file=" in error


def test_where_nothing_may_be_written_the_report_is_in_the_masters_cache(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salt's user may not write where root calls it."""
    monkeypatch.setattr(report_file.os, "access", lambda *_: False)
    told = master.report("P-2407114")["dynatrace"]
    directory = master.home / "cache" / "dynatrace" / "reports"
    assert Path(told["file"]) == directory / "dynatrace-report-P-2407114.html"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_in_the_root_directory_nothing_is_written(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There daemons live; root may write there."""
    monkeypatch.chdir("/")
    assert report_file.path_of(master.opts, None, "x").startswith(str(master.home))
    monkeypatch.setattr(os, "getcwd", lambda: (_ for _ in ()).throw(FileNotFoundError))
    assert report_file.path_of(master.opts, None, "x").startswith(str(master.home))


@pytest.mark.parametrize(
    "opts", [{"output": "json"}, {"fun": "state.orchestrate"}, {"output": "quiet"}]
)
def test_facts_alone_write_no_file(master: Master, opts: dict[str, str]) -> None:
    """Unless it is asked for."""
    master.opts.update(opts)
    told = master.report("P-2407114")["dynatrace"]
    assert told["file"] is None
    assert master.files == []
    expected = {name: value for name, value in whole_story().items() if name != "evidence"}
    assert {name: told[name] for name in expected} == expected
    assert told["evidence"] == master.kept
    told = master.report("P-2407114", file="x.html")["dynatrace"]
    assert told["file"].endswith("x.html")
    assert master.files == ["x.html"]


def test_a_span_is_told_by_figures(master: Master) -> None:
    """No minion is asked."""
    told = master.report(since="2026-11-01", until="2026-11-08")["dynatrace"]
    assert master.asked == [
        ("span", {"since": "2026-11-01T00:00:00.000Z", "until": "2026-11-08T00:00:00.000Z"})
    ]
    assert (told["problems"], told["minutes_saved"]) == (3, 12)
    assert "minutes saved" in Path(told["file"]).read_text(encoding="utf-8")
    assert master.minions == []


def test_without_evidence_no_minion_is_asked(master: Master) -> None:
    """It may be a thousand miles away."""
    told = master.report("P-2407114", evidence=False)["dynatrace"]
    assert master.minions == []
    assert "Evidence" not in Path(told["file"]).read_text(encoding="utf-8")


def test_minions_that_cannot_be_asked_cost_no_report(master: Master) -> None:
    """It says so in their place."""
    master.kept = OSError("the master does not answer")
    html = Path(master.report("P-2407114")["dynatrace"]["file"]).read_text(encoding="utf-8")
    assert "the minions could not be asked: the master does not answer" in html


def test_each_of_several_engines_has_a_file(master: Master) -> None:
    """A name that is given can be of one alone."""
    master.engines = ["one", "two"]
    told = master.report("P-2407114")
    assert sorted(Path(one["file"]).name for one in told.values() if isinstance(one, dict)) == [
        "dynatrace-report-P-2407114-one.html",
        "dynatrace-report-P-2407114-two.html",
    ]
    assert "instance=" in master.report("P-2407114", file="x.html")["error"]


@pytest.mark.parametrize("args", [{}, {"display_id": "P-1", "since": "7d"}, {"until": "1d"}])
def test_one_of_both_is_asked_for(master: Master, args: dict[str, str]) -> None:
    """A problem, or a time."""
    assert "name a problem" in master.report(**args)["error"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, NOW),
        ("90m", NOW - 5400),
        ("12h", NOW - 43200),
        ("7d", NOW - 604800),
        ("2w", NOW - 1209600),
        ("999999w", 0),
        ("2025-11-27", 1764201600),
        ("2025-11-27T10:00", NOW),
        ("2025-11-27T11:00+01:00", NOW),
        ("2025-11-27T10:00:00Z", NOW),
    ],
)
def test_a_time_is_written_as_people_do(text: str | None, seconds: float) -> None:
    """In UTC, unless it says otherwise."""
    assert post_mortem.moment(text, NOW) == seconds


@pytest.mark.parametrize("text", ["yesterday", "7", "7y", "", "-7d", "2026-13-01", 7])
def test_another_text_is_no_time(text: Any) -> None:
    """It is said what one looks like."""
    with pytest.raises(CommandExecutionError, match="write 7d, 12h"):
        post_mortem.moment(text, NOW)
