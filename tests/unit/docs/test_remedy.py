"""
The remedy that the documentation shows, taken from the page and rendered as it stands there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from _dynatrace.config.catalogue import validate

from tests.unit.docs.pages import REPO, blocks, rows
from tests.unit.minion.loading import load, private
from tests.unit.minion.signing import signed, write_key
from tests.unit.sls.rendering import render

PAGE = REPO / "docs" / "how-to" / "heal-another-service.md"
OWN_STATES = REPO / "docs" / "how-to" / "write-a-remedy.md"
REFERENCE = REPO / "docs" / "reference" / "remedy.md"
[REACTOR] = blocks(OWN_STATES, "jinja")
STATE, STATES = (text for text in blocks(OWN_STATES, "yaml") if text.startswith("#!yaml\n"))
HOSTILE = "x\"\n    - tgt: '*'\n{{ 1 }}"


def rendered(text: str, tmp_path: Path, functions: dict[str, Any], **context: Any) -> Any:
    path = tmp_path / "example.sls"
    path.write_text(text)
    return render(str(path), tmp_path, functions, tmplpath=str(path), **context)


def reaction(tmp_path: Path, **event: Any) -> Any:
    write_key(tmp_path)
    module = load(
        "_modules/dynatrace_master.py", opts={"cachedir": str(tmp_path), "__role": "master"}
    )
    functions = {"dynatrace.genuine": module.genuine, "dynatrace.order": module.order}
    return rendered(REACTOR, tmp_path, functions, data=signed(**event), tag="")


def state(tmp_path: Path) -> Any:
    return rendered(STATE, tmp_path, {}, sls="remedy.nginx")


def arguments(body: Any) -> dict[str, Any]:
    [found] = body.values()
    return {key: value for argument in found for key, value in argument.items()}


def test_the_reactor_starts_the_state_of_the_page(tmp_path: Path) -> None:
    """A nginx that is down is healed by the state that stands below the reactor."""
    high = reaction(tmp_path, technologies={"NGINX": ["web01"]}, title=HOSTILE)
    [body] = high.values()
    told = arguments(body)
    assert told["tgt"] == ["web01"]
    assert told["jid"] == "20240721065959123456"
    [mods, queue, pillar] = told["args"]
    assert (mods, queue) == ({"mods": "remedy.nginx"}, {"queue": True})
    assert pillar["pillar"]["dynatrace_attempt"]["title"] == HOSTILE


@pytest.mark.parametrize("event", [{}, {"technologies": {"NGINX": ["web01"]}, "attempt": 0}])
def test_the_reactor_takes_only_attempts_for_nginx(tmp_path: Path, event: dict[str, Any]) -> None:
    """Another technology, or no attempt, gives no reaction."""
    assert not reaction(tmp_path, **event)


def test_the_reactor_differs_from_ours_only_where_the_page_says(tmp_path: Path) -> None:
    """The copy has another ID, technology and `mods`; a change of ours is missing here at once."""
    ours = (REPO / "reactor" / "apache2.sls").read_text().partition("#}\n")[2]
    for old, new in (
        ("apache2-local", "nginx-local"),
        ("APACHE_HTTPD", "NGINX"),
        ("dynatrace.remedy.apache2", "remedy.nginx"),
    ):
        ours = ours.replace(old, new)
    assert ours == REACTOR


def test_the_state_of_the_page_is_the_one_that_we_ship(tmp_path: Path) -> None:
    """One state, with settings that it takes and that are enough, together with the pillar of the other page."""
    [pillar] = [yaml.safe_load(text) for text in blocks(PAGE, "yaml") if "lookup:" in text]
    [body] = state(tmp_path).values()
    assert list(body) == ["dynatrace.healed"]
    given = arguments(body)
    name = given.pop("name")
    settled = load("_utils/_dynatrace_utils/remedy/settings.py").settled(
        name, given, pillar, "Debian"
    )
    assert (settled["proof"], settled["ports"]) == ("https://127.0.0.1:8443/health", [8443])
    assert settled["configtest"] == ["/usr/sbin/nginx", "-t"]


@pytest.mark.parametrize("page", [PAGE, OWN_STATES], ids=lambda page: str(page.stem))
def test_the_entries_of_the_page_are_good_and_are_taken(page: Path) -> None:
    """Each is one that the engine reads without a fault, and that the state takes."""
    told = [yaml.safe_load(text) for text in blocks(page, "yaml")]
    entries = [one["dynatrace_remedies"] for one in told if one and "dynatrace_remedies" in one]
    assert entries
    for entry in entries:
        catalogue, faults = validate(entry)
        assert faults == []
        for name, remedy in catalogue.remedies.items():
            given = {**remedy.settings, "units": ["x"]}
            load("_utils/_dynatrace_utils/remedy/settings.py").settled(name, given, {}, "Debian")


def test_the_remedy_of_own_states_keeps_its_promises(tmp_path: Path) -> None:
    """It claims the attempt, tests, brings back, proves, finishes the attempt, and each needs the step before."""
    high = rendered(STATES, tmp_path, {}, sls="remedy.orders")
    assert [next(iter(body)) for body in high.values()] == [
        "dynatrace.attempt_taken",
        "cmd.run",
        "service.running",
        "http.wait_for_successful_query",
        "dynatrace.attempt_finished",
    ]
    before = [(next(iter(body)).partition(".")[0], name) for name, body in high.items()]
    for needed, body in zip(before, list(high.values())[1:], strict=False):
        assert arguments(body)["require"] == [dict([needed])]


def test_the_table_of_settings_is_the_one_of_the_state() -> None:
    """Each setting has its line, and its default is the one that is used."""
    module = load("_utils/_dynatrace_utils/remedy/settings.py")
    table = {key: cells[1] for key, cells in rows(REFERENCE) if len(cells) == 2}
    documented = {key: table[key] for key in module.OPTIONAL}
    for key, default in module.OPTIONAL.items():
        told = documented[key].rpartition("(")[2].removesuffix(")")
        written = ", ".join(default) if isinstance(default, list) else str(default).lower()
        assert told == written or not default


def test_the_table_of_outcomes_is_the_one_of_the_state() -> None:
    """Each word that the engine reads has its line, and says whether it is good."""
    table = {key: cells[1] for key, cells in rows(REFERENCE) if len(cells) == 3}
    remedy, states = private().remedy, load("_states/dynatrace.py")
    for outcome in (*remedy.attempts.GOOD, *remedy.attempts.BAD, "repeated"):
        told = remedy.taking.Story("a").told(remedy.taking.End(outcome, "said"))
        assert table[outcome] == ("good" if told["result"] else "bad")
        assert f"``{outcome}``" in states.__doc__
