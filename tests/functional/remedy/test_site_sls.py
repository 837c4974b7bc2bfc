"""
An SLS of the site's own as the remedy: run within our state, told, bounded, and proved.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.masterless import Masterless, Outcome, order

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tree")


@pytest.fixture(scope="module")
def site(tree: Path, minion: Masterless, tmp_path_factory: pytest.TempPathFactory) -> Masterless:
    """
    A minion that has the site's states too.
    """
    site = Masterless(tmp_path_factory.mktemp("site") / "minion", tree=[tree])
    site.take(minion)
    return site


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """
    What has to go.
    """
    path = tmp_path / "full"
    path.write_text("x")
    return path


@pytest.fixture
def run(tree: Path, site: Masterless, full: Path) -> Run:
    """
    Run these states as the site's remedy; it is proved by the end of `full`.
    """

    def run(states: dict[str, Any], test: bool = False, **settings: Any) -> Outcome:
        (tree / "site.sls").write_text("#!json\n" + json.dumps(states))
        remedy = {
            "sls": "site",
            "proof": ["test", "!", "-e", str(full)],
            "deadline": 1,
            "starts_within": 1,
            **settings,
        }
        told = order(uuid.uuid4().hex, {"executable": None, "entity": "HOST-00000000000000A1"})
        told["processes"]["scratch"].update(by="event", container=None)
        told["remedy"] = {"name": "var", "settings": remedy}
        sls = ("state.apply", "dynatrace.remedy", "queue=True", f"test={test}")
        return Outcome(site.call(*sls, pillar={"dynatrace_attempt": told}))

    return run


def gone(path: Path) -> dict[str, Any]:
    return {"free": {"file.absent": [{"name": str(path)}]}}


def test_it_is_run_and_proved(run: Run, full: Path) -> None:
    """Its changes are ours, by the ids of its states."""
    outcome = run(gone(full))
    assert outcome.word == "healed", outcome.comments
    assert outcome.done == {"site": {"free": {"removed": str(full)}}}
    assert "1 of its 1 states ended well" in outcome.comments
    assert not full.exists()


def test_what_holds_already_is_left_alone(run: Run, full: Path, tmp_path: Path) -> None:
    """Nothing is run."""
    full.unlink()
    touched = tmp_path / "touched"
    outcome = run({"touch": {"file.managed": [{"name": str(touched)}, {"contents": "x"}]}})
    assert (outcome.word, outcome.done, touched.exists()) == ("healthy", {}, False)


def test_a_dry_run_is_handed_on(run: Run, full: Path) -> None:
    """It tells what would be done."""
    outcome = run(gone(full), test=True)
    assert outcome.word is None and outcome.good and outcome.done == {}
    assert f"File {full} is set for removal" in outcome.comments
    assert full.exists()


def test_one_that_fails_fails_the_attempt(run: Run, full: Path) -> None:
    """Though the proof would hold after it: what was left undone is told first."""
    states = {**gone(full), "broken": {"cmd.run": [{"name": "exit 3"}, {"order": 1}]}}
    outcome = run(states)
    assert outcome.word == "failed" and not outcome.good
    assert "site did not end well: broken:" in outcome.failures
    assert outcome.done["site"]["free"] == {"removed": str(full)}


def test_one_that_does_not_help_fails_by_the_proof(run: Run, full: Path, tmp_path: Path) -> None:
    """Its good end proves nothing."""
    outcome = run(gone(tmp_path / "another"))
    assert outcome.word == "failed" and "It does not hold within 1 s" in outcome.failures


def test_one_that_is_not_there_says_so(run: Run) -> None:
    """In Salt's words."""
    outcome = run({}, sls="site.no_such")
    assert outcome.word == "failed" and "No matching sls found" in outcome.failures


def test_one_that_hangs_is_ended_with_all_that_would_follow(run: Run, tmp_path: Path) -> None:
    """Neither its command nor its next state goes on when nobody expects it any more."""
    late = tmp_path / "late"
    states = {
        "hangs": {"cmd.run": [{"name": "sleep 987"}, {"order": 1}]},
        "late": {"cmd.run": [{"name": f"touch {late}"}, {"order": 2}]},
    }
    outcome = run(states, service_timeout=4)
    assert outcome.word == "failed" and "did not end within" in outcome.failures
    time.sleep(1)
    assert not late.exists()
    words = [one.info["cmdline"] for one in psutil.process_iter(["cmdline"])]
    assert ["sleep", "987"] not in words


def test_a_proof_that_cannot_be_asked_runs_nothing(run: Run, full: Path) -> None:
    """A misspelt command is no outage."""
    outcome = run(gone(full), proof=["no-such-command-of-the-test"])
    assert (outcome.word, outcome.done) == ("refused", {}) and full.exists()


def test_an_attempt_in_it_is_the_one_that_is_taken(run: Run, full: Path) -> None:
    """A remedy that takes and finishes its attempt itself may be wrapped as it is."""
    states = {
        "taken": {"dynatrace.attempt_taken": [{"order": 1}]},
        **gone(full),
        "finished": {"dynatrace.attempt_finished": [{"order": "last"}]},
    }
    outcome = run(states)
    assert outcome.word == "healed", outcome.comments
    assert outcome.done["site"]["free"] == {"removed": str(full)}
