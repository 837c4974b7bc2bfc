"""
The remedy that the documentation shows, taken from the page and rendered as it stands there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.utils.data

from tests.unit.docs.pages import REPO, blocks
from tests.unit.minion.loading import load
from tests.unit.minion.signing import signed, write_key
from tests.unit.sls.rendering import render

PAGE = REPO / "docs" / "writing-a-remedy.md"
REACTOR, STATE = blocks(PAGE, "jinja")
HOSTILE = "x\"\n    - tgt: '*'\n{{ 1 }}"


def rendered(text: str, tmp_path: Path, functions: dict[str, Any], **context: Any) -> Any:
    path = tmp_path / "example.sls"
    path.write_text(text)
    return render(str(path), tmp_path, functions, tmplpath=str(path), **context)


def reaction(tmp_path: Path, **event: Any) -> Any:
    write_key(tmp_path)
    module = load("_modules/dynatrace.py", opts={"cachedir": str(tmp_path)})
    functions = {"dynatrace.genuine": module.genuine}
    return rendered(REACTOR, tmp_path, functions, data=signed(**event), tag="")


def state(tmp_path: Path, pillar: dict[str, Any]) -> Any:
    def pillar_get(key: str, default: Any) -> Any:
        return salt.utils.data.traverse_dict_and_list({"dynatrace": pillar}, key, default)

    return rendered(STATE, tmp_path, {"pillar.get": pillar_get}, sls="remedy.nginx")


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
    assert pillar["pillar"]["dynatrace"]["attempt"]["title"] == HOSTILE


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
    for body in state(tmp_path, {"attempt": {"id": "9f0c2a41d7e85b36", "jid": "1"}}).values():
        [function] = body
        code = getattr(module, function.removeprefix("dynatrace.")).__code__
        given = arguments(body).keys() - {"require", "onchanges"}
        assert given <= set(code.co_varnames)


def test_each_step_requires_one_before_it(tmp_path: Path) -> None:
    """No step runs after a failure, and the steps come in the order of the page."""
    seen: list[str] = []
    for name, body in state(tmp_path, {}).items():
        for kind in ("require", "onchanges"):
            assert {one["dynatrace"] for one in arguments(body).get(kind, [])} <= set(seen)
        assert not seen or arguments(body)["require"] == [{"dynatrace": seen[-1]}]
        seen.append(name)
    assert len(seen) == 6


def test_a_site_sets_its_own_values_by_pillar(tmp_path: Path) -> None:
    """Pillar wins, and a hostile value stays one value."""
    high = state(tmp_path, {"lookup": {"nginx": {"url": HOSTILE}}})
    assert arguments(high["remedy-nginx-answers"])["url"] == HOSTILE
