"""
What the remedy for apache2 is made of, and what its states make of it on each family of systems.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.minion.loading import load, source
from tests.unit.sls.rendering import render
from tests.unit.sls.test_reactor import HOSTILE

PATH = "salt/dynatrace/remedy/apache2.sls"
STORY = [
    "attempt_taken",
    "found_not_serving",
    "configuration_tested",
    "restarted",
    "answers",
    "attempt_finished",
]
DEBIAN = {
    "service": "apache2",
    "executable": "/usr/sbin/apache2",
    "pid_file": "/run/apache2/apache2.pid",
    "configtest": ["/usr/sbin/apache2ctl", "configtest"],
}
REDHAT = {
    "service": "httpd",
    "executable": "/usr/sbin/httpd",
    "pid_file": "/run/httpd/httpd.pid",
    "configtest": ["/usr/sbin/httpd", "-t"],
}


def remedy(tmp_path: Path, **context: Any) -> Any:
    return render(PATH, tmp_path, {}, sls="dynatrace.remedy.apache2", tmplpath=PATH, **context)


def arguments(high: Any, function: str) -> dict[str, Any]:
    name = "dynatrace-remedy-apache2-dynatrace-" + function.replace("_", "-")
    merged: dict[str, Any] = {}
    for argument in high[name]["dynatrace." + function]:
        merged.update(argument)
    return merged


class Minion:
    """
    The states on a minion where apache2 is stopped; ``calls`` keeps what they asked for.
    """

    def __init__(
        self, family: str, pillar: Any = None, lacks: str = "", attempt: Any = None
    ) -> None:
        self.calls: dict[str, Any] = {}
        answers = {
            "cmd.run_all": {"retcode": 0, "stdout": ""},
            "dynatrace.claim": True,
            "dynatrace_http.ask": {"status": None, "problem": "nobody there"},
            "dynatrace_http.port": 80,
            "dynatrace_service.end_leftovers": [],
            "dynatrace_service.forget_stale_pid_file": False,
            "dynatrace_service.holders": [],
            "dynatrace_service.lives": True,
            "dynatrace_service.main_process": 4711,
            "dynatrace_service.thaw": [],
            "service.restart": True,
        }
        functions = {key: self._keeping(key, answer) for key, answer in answers.items()}
        shared = {key: functions.pop(key) for key in answers if "dynatrace_" in key}
        shared["dynatrace_bounded.call"] = lambda _, function, *args, spare=None, **kwargs: (
            function(*args, **kwargs)
        )
        functions.pop(lacks, None)
        shared.pop(lacks, None)
        self.states = load(
            "_states/dynatrace.py",
            salt=functions,
            utils=shared,
            grains={"os_family": family},
            pillar={"dynatrace": pillar or {}, "dynatrace_attempt": attempt},
            opts={"test": False, "cachedir": "/nonexistent"},
        )

    def _keeping(self, name: str, answer: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] = (args, kwargs)
            return answer

        return call

    def run(self, high: Any, function: str) -> Any:
        """
        Return what a state of the story returns.
        """
        given = arguments(high, function)
        wanted = {key: given[key] for key in ("name", "settings") if key in given}
        return getattr(self.states, function)(**wanted)


def test_the_story_is_told_in_order(tmp_path: Path) -> None:
    """One state a step."""
    high = remedy(tmp_path)
    assert [next(iter(state)) for state in high.values()] == ["dynatrace." + step for step in STORY]


def test_it_is_yaml_without_a_template(tmp_path: Path) -> None:
    """What it says does not depend on anything but itself, so no hostile text can change it."""
    text = source(PATH)
    assert text.startswith("#!yaml\n")
    assert remedy(tmp_path, pillar={"dynatrace": HOSTILE}) == yaml.safe_load(text)


def test_each_step_requires_the_one_before(tmp_path: Path) -> None:
    """A failure ends the story, and what comes after says that it was required."""
    high = remedy(tmp_path)
    for before, step in itertools.pairwise(STORY):
        [required] = arguments(high, step)["require"]
        assert required["dynatrace"].endswith(before.replace("_", "-"))
        assert "onchanges" in arguments(high, step)


def test_each_step_is_given_the_same_settings(tmp_path: Path) -> None:
    """What is asked first is what is proved last."""
    high = remedy(tmp_path)
    given = [arguments(high, step).get("settings") for step in STORY[1:-1]]
    assert given == [given[0]] * 4


@pytest.mark.parametrize(("family", "own"), [("Debian", DEBIAN), ("RedHat", REDHAT)])
def test_the_family_decides_names_and_paths(
    tmp_path: Path, family: str, own: dict[str, Any]
) -> None:
    """The same story on both: its own test is run, its own service is restarted."""
    high, minion = remedy(tmp_path), Minion(family)

    assert minion.run(high, "configuration_tested")["result"]
    assert minion.calls["dynatrace_service.lives"] == ((own["executable"],), {})
    assert minion.calls["cmd.run_all"][0] == (own["configtest"],)

    assert minion.run(high, "restarted")["changes"] == {own["service"]: "restarted"}
    assert minion.calls["service.restart"] == ((own["service"],), {})
    place = {"executable": own["executable"], "pid_file": own["pid_file"], "ports": [80]}
    assert minion.calls["dynatrace_service.main_process"] == ((), place)


def test_a_site_sets_its_own_values_by_pillar(tmp_path: Path) -> None:
    """What the site does not set stays as it is."""
    lookup = {"url": "https://127.0.0.1:8443/health", "ports": [8443]}
    high, minion = remedy(tmp_path), Minion("Debian", {"lookup": {"apache2": lookup}})
    assert lookup["url"] not in str(minion.run(high, "found_not_serving")["comment"])
    assert minion.calls["dynatrace_http.ask"][0] == (lookup["url"], 2, None, False)
    assert minion.run(high, "restarted")["changes"] == {"apache2": "restarted"}
    assert minion.calls["dynatrace_service.main_process"][1]["ports"] == [8443]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_pillar_changes_nothing_but_that_text(tmp_path: Path, text: str) -> None:
    """Attempt and lookup are values, whatever they hold."""
    attempt = {"id": text or "x", "jid": text, "problem_id": text, "title": text}
    pillar = {"lookup": {"apache2": {"host": text}}}
    high, minion = remedy(tmp_path), Minion("Debian", pillar, attempt=attempt)
    minion.run(high, "attempt_taken")
    about = {"jid": text, "problem_id": text}
    assert minion.calls["dynatrace.claim"] == ((text or "x", about), {})
    minion.run(high, "found_not_serving")
    assert minion.calls["dynatrace_http.ask"][0] == ("http://127.0.0.1/", 2, text, False)


@pytest.mark.parametrize("pillar", [*HOSTILE, [], 7, None, {"lookup": "x"}])
def test_a_pillar_of_another_form_is_as_none(tmp_path: Path, pillar: Any) -> None:
    """Nothing is raised, and the remedy runs as by hand."""
    minion = Minion("Debian", pillar, attempt=pillar)
    assert minion.run(remedy(tmp_path), "attempt_taken")["changes"] == {"attempt": "by hand"}
    assert minion.run(remedy(tmp_path), "found_not_serving")["changes"]


@pytest.mark.parametrize(
    "lacking",
    [
        "dynatrace.claim",
        "dynatrace_bounded.call",
        "dynatrace_http.ask",
        "dynatrace_service.main_process",
    ],
)
def test_without_our_modules_the_minion_says_what_to_run(tmp_path: Path, lacking: str) -> None:
    """The first state fails, and tells which function is missing."""
    minion = Minion("Debian", lacks=lacking)
    outcome = minion.run(remedy(tmp_path), "attempt_taken")
    assert outcome["result"] is False
    assert lacking in outcome["comment"]
    assert "saltutil.sync_all" in outcome["comment"]


@pytest.mark.parametrize("step", STORY[1:-1])
def test_an_unknown_family_says_what_to_set(tmp_path: Path, step: str) -> None:
    """Nothing is guessed for a system that we have no data for, and nothing is done there."""
    minion = Minion("Suse")
    outcome = minion.run(remedy(tmp_path), step)
    assert outcome["result"] is False
    for key in ("service", "executable", "configtest"):
        assert f"dynatrace:lookup:apache2:{key}" in outcome["comment"]
    assert minion.calls == {}


@pytest.mark.parametrize("step", STORY[1:-1])
@pytest.mark.parametrize(
    ("lookup", "said"),
    [({"prots": [80]}, "has no setting prots"), ({"configtest": "true"}, "a list of words")],
)
def test_a_wrong_setting_is_named_before_anything_is_done(
    tmp_path: Path, step: str, lookup: dict[str, Any], said: str
) -> None:
    """A misspelt key would otherwise be a remedy that acts on the wrong port at night."""
    minion = Minion("Debian", {"lookup": {"apache2": lookup}})
    outcome = minion.run(remedy(tmp_path), step)
    assert outcome["result"] is False
    assert said in outcome["comment"]
    assert minion.calls == {}
