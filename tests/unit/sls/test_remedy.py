"""
What the remedy for apache2 is made of, on each family of systems.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import salt.utils.data

from tests.unit.sls.rendering import render
from tests.unit.sls.test_reactor import HOSTILE

STORY = [
    "attempt_taken",
    "found_not_serving",
    "configuration_tested",
    "restarted",
    "answers",
    "attempt_finished",
]


def remedy(
    tmp_path: Path, family: str, pillar: dict[str, Any] | None = None, synced: bool = True
) -> Any:
    def pillar_get(key: str, default: Any) -> Any:
        return salt.utils.data.traverse_dict_and_list({"dynatrace": pillar or {}}, key, default)

    def filter_by(lookup: Any, grain: str, merge: Any, base: str) -> Any:
        return salt.utils.data.filter_by(
            lookup, grain, {"os_family": family}, merge, "default", base
        )

    functions: dict[str, Any] = {"pillar.get": pillar_get, "grains.filter_by": filter_by}
    if synced:
        names = ("dynatrace.claim", "dynatrace_http.ask", "dynatrace_service.main_process")
        functions.update(dict.fromkeys(names, lambda: None))
    path = "salt/dynatrace/remedy/apache2.sls"
    return render(path, tmp_path, functions, sls="dynatrace.remedy.apache2", tmplpath=path)


def arguments(high: Any, function: str) -> dict[str, Any]:
    name = "dynatrace-remedy-apache2-dynatrace-" + function.replace("_", "-")
    merged: dict[str, Any] = {}
    for argument in high[name]["dynatrace." + function]:
        merged.update(argument)
    return merged


@pytest.mark.parametrize(
    ("family", "service", "executable", "pid_file", "test"),
    [
        (
            "Debian",
            "apache2",
            "/usr/sbin/apache2",
            "/run/apache2/apache2.pid",
            ["/usr/sbin/apache2ctl", "configtest"],
        ),
        ("RedHat", "httpd", "/usr/sbin/httpd", "/run/httpd/httpd.pid", ["/usr/sbin/httpd", "-t"]),
    ],
)
def test_the_family_decides_names_and_paths(
    tmp_path: Path, family: str, service: str, executable: str, pid_file: str, test: list[str]
) -> None:
    """The same story on both, told in order."""
    high = remedy(tmp_path, family)

    assert [next(iter(state)) for state in high.values()] == ["dynatrace." + step for step in STORY]
    assert arguments(high, "configuration_tested")["command"] == test
    restarted = arguments(high, "restarted")
    assert (restarted["name"], restarted["executable"]) == (service, executable)
    assert (restarted["pid_file"], restarted["ports"]) == (pid_file, [80])
    assert restarted["configtest"] == test
    assert arguments(high, "attempt_taken")["attempt"] is None


def test_each_step_requires_the_one_before(tmp_path: Path) -> None:
    """A failure ends the story, and what comes after says that it was required."""
    high = remedy(tmp_path, "Debian")
    for before, step in itertools.pairwise(STORY):
        [required] = arguments(high, step)["require"]
        assert required["dynatrace"].endswith(before.replace("_", "-"))
        assert "onchanges" in arguments(high, step)


def test_a_site_sets_its_own_values_by_pillar(tmp_path: Path) -> None:
    """What the site does not set stays as it is."""
    lookup = {"url": "https://127.0.0.1:8443/health", "ports": [8443]}
    high = remedy(tmp_path, "Debian", {"lookup": {"apache2": lookup}})
    assert arguments(high, "answers")["url"] == lookup["url"]
    assert arguments(high, "restarted")["ports"] == [8443]
    assert arguments(high, "restarted")["name"] == "apache2"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_pillar_changes_nothing_but_that_text(tmp_path: Path, text: str) -> None:
    """Attempt and lookup are quoted like everything else."""
    attempt = {"id": text, "jid": text, "problem_id": text, "title": text}
    high = remedy(tmp_path, "Debian", {"attempt": attempt, "lookup": {"apache2": {"host": text}}})
    assert [next(iter(state)) for state in high.values()] == ["dynatrace." + step for step in STORY]
    taken = arguments(high, "attempt_taken")
    assert (taken["attempt"], taken["about"]) == (text, {"jid": text, "problem_id": text})
    assert arguments(high, "answers")["host"] == text


def failure(high: Any) -> str:
    [state] = high.values()
    [arguments] = state.values()
    assert list(state) == ["test.fail_without_changes"]
    return next(str(a["comment"]) for a in arguments if "comment" in a)


def test_without_our_modules_the_minion_says_what_to_run(tmp_path: Path) -> None:
    """A failed state tells more than a rendering error."""
    assert "saltutil.sync_all" in failure(remedy(tmp_path, "Debian", synced=False))


def test_an_unknown_family_says_what_to_set(tmp_path: Path) -> None:
    """Nothing is guessed for a system that we have no data for."""
    assert "dynatrace:lookup:apache2:executable" in failure(remedy(tmp_path, "Suse"))
