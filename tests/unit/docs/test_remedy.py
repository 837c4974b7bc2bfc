"""
The remedy that the documentation shows, taken from the page and rendered as it stands there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import REPO, blocks, rows
from tests.unit.minion.loading import load
from tests.unit.minion.signing import signed, write_key
from tests.unit.sls.rendering import render

PAGE = REPO / "docs" / "writing-a-remedy.md"
[REACTOR] = blocks(PAGE, "jinja")
[STATE] = [text for text in blocks(PAGE, "yaml") if text.startswith("#!yaml\n")]
HOSTILE = "x\"\n    - tgt: '*'\n{{ 1 }}"


def rendered(text: str, tmp_path: Path, functions: dict[str, Any], **context: Any) -> Any:
    path = tmp_path / "example.sls"
    path.write_text(text)
    return render(str(path), tmp_path, functions, tmplpath=str(path), **context)


def reaction(tmp_path: Path, **event: Any) -> Any:
    write_key(tmp_path)
    module = load("_modules/dynatrace.py", opts={"cachedir": str(tmp_path), "__role": "master"})
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


def test_each_step_of_the_state_calls_a_state_that_exists(tmp_path: Path) -> None:
    """The story is told with the states that we ship, and with parameters that they take."""
    module = load("_states/dynatrace.py")
    for body in state(tmp_path).values():
        [function] = body
        code = getattr(module, function.removeprefix("dynatrace.")).__code__
        given = arguments(body).keys() - {"require", "onchanges"}
        assert given <= set(code.co_varnames)


def test_each_step_requires_one_before_it(tmp_path: Path) -> None:
    """No step runs after a failure, and the steps come in the order of the page."""
    seen: list[str] = []
    for name, body in state(tmp_path).items():
        for kind in ("require", "onchanges"):
            assert {one["dynatrace"] for one in arguments(body).get(kind, [])} <= set(seen)
        assert not seen or arguments(body)["require"] == [{"dynatrace": seen[-1]}]
        seen.append(name)
    assert len(seen) == 6


def test_the_settings_of_the_page_are_complete_and_known(tmp_path: Path) -> None:
    """What the page says of nginx is enough for the states, with the pillar that it shows."""
    [pillar] = [yaml.safe_load(text) for text in blocks(PAGE, "yaml") if "lookup:" in text]
    asked: list[Any] = []

    def ask(*question: Any) -> Any:
        asked.append(question)
        return {"status": None, "problem": "nobody there"}

    module = load(
        "_states/dynatrace.py",
        utils={"dynatrace_http.ask": ask},
        grains={"os_family": "Debian"},
        pillar=pillar,
        opts={"test": False},
    )
    given = arguments(state(tmp_path)["remedy-nginx-found-not-serving"])
    assert module.found_not_serving(given["name"], given["settings"])["result"]
    assert asked == [("https://127.0.0.1:8443/health", 2, None, False)]


def test_the_table_of_settings_is_the_one_of_the_states() -> None:
    """Each setting has its line, and its default is the one that is used."""
    module = load("_states/dynatrace.py")
    table = {key: cells[1] for key, cells in rows(PAGE) if len(cells) == 2}
    documented = {key: table[key] for key in (*module.REQUIRED, *module.OPTIONAL)}
    for key, default in module.OPTIONAL.items():
        told = documented[key].rpartition("(")[2].removesuffix(")")
        assert told == str(default).lower() or not default
