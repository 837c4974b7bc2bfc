"""
The status page in a real browser: what it shows, to whom, and what it does not do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from _dynatrace.pages import status
from _dynatrace.pages.text import shown as visible
from _dynatrace.webhook import page as page_

from tests.functional.page.conftest import (
    DESKTOP,
    HOSTILE,
    PHONE,
    SPARE,
    TOKEN,
    Shown,
    Window,
    wait_for,
)

Axe = pytest.importorskip("axe_core_python.selenium", reason="the extra `tests` brings it").Axe
Keys = pytest.importorskip("selenium.webdriver", reason="the extra `tests` brings it").Keys

SCHEMES, SIZES = ("light", "dark"), (PHONE, DESKTOP)
#: Keeps what moves without a person's doing. A row that glides may be rounded to another pixel; a row that jumps is some hundred
#: times as much.
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (one.value > 0.0001) shifts.push({value: one.value, what: one.sources.map((s) => s.node && s.node.outerHTML)});
}).observe({type: "layout-shift", buffered: true});
"""


def row(problem: Any) -> str:
    """
    Return the expression of a problem's row.
    """
    return f"document.querySelector('tr[data-key^=\"problem-{problem.problem_id}\"]')"


def fault_free(window: Window) -> None:
    """
    Fail where the console says anything: a violation of the policy, a script that failed.
    """
    assert [one["message"] for one in window.logs("browser")] == []


@pytest.mark.parametrize("size", SIZES, ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_is_accessible_and_fits(
    shown: Shown, window: Window, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    """axe finds nothing, nothing is wider than the window, and the console is silent."""
    window.look(shown.url, size, scheme)
    found = Axe().run(window.driver)
    told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 20
    assert window.run("document.documentElement.scrollWidth <= innerWidth")
    assert window.picture(tmp_path / f"{scheme}-{size[0]}.png").stat().st_size > 20_000
    fault_free(window)


def test_it_fits_the_narrowest_phone(shown: Shown, window: Window) -> None:
    """320 pixels, which is 1280 at a zoom of 400 %."""
    window.look(shown.url, (320, 640))
    assert window.run("document.documentElement.scrollWidth <= innerWidth")


def test_it_answers_the_three_questions(shown: Shown, window: Window) -> None:
    """What did it do, why did it not do anything, how do I stop it: all are text on the page."""
    window.look(shown.url)
    text = " ".join(window.run("document.body.innerText").split())
    assert "9 open" in text
    assert "1 for a person" in text
    assert "1 being healed" in text
    assert "Paused bob, since" in text
    assert "database migration, ask bob" in text
    assert "salt-run dynatrace.resume" in text
    for sentence in (
        "All attempts on web03 that the policy allows are used up. The engine does not go on.",
        "Acts on web06 by apache2.",
        "It was proved to serve on web08; Dynatrace has not closed the problem yet.",
        "The policy does not let web02 be acted on",
        "No remedy takes what failed on web04.",
        "No minion is known for mysqld: no minion has this host id, name or address.",
        "Dynatrace has it under maintenance.",
        "The last attempt on web05 is too recent. Not before",
        "Everything is paused.",
        "P-26111 on web01 down for 10 min",
        "11 problems: 1 ended by Salt, 1 by others, 9 open.",
    ):
        assert sentence in text, sentence


def test_a_link_leads_to_the_problem_in_the_configured_environment(
    shown: Shown, window: Window
) -> None:
    """It is made of the configured address and a checked id, and tells nobody where one came from."""
    window.look(shown.url)
    links = window.run("[...document.links].map((one) => [one.href, one.rel])")
    assert len(links) >= 9
    base = f"{shown.scene.tenant.url}/#problems/problemdetails;pid="
    for href, rel in links:
        assert re.fullmatch(re.escape(base) + r"-?\d+_\d+V2", href)
        assert rel == "noreferrer"


def test_it_asks_nobody_else(shown: Shown, window: Window) -> None:
    """Its own server, for itself and its stream; also with hostile texts, see below."""
    window.look(shown.url)
    asked = {
        (urlsplit(one).hostname, urlsplit(one).path) for one in window.asked() if one != "data:,"
    }
    assert asked == {("127.0.0.1", "/"), ("127.0.0.1", "/events")}
    fault_free(window)


def test_it_works_without_a_script(shown: Shown, window: Window, tmp_path: Path) -> None:
    """All is there, and it says that it is of that moment."""
    window.look(shown.url, script=False)
    window.tell("Emulation.setScriptExecutionDisabled", value=False)
    text = window.driver.find_element("tag name", "body").text
    assert "Reload to see newer." in text
    assert "9 open" in text
    assert "Everything is paused." in text
    assert "Live" not in text
    assert window.picture(tmp_path / "without.png").stat().st_size > 20_000


def test_a_browser_that_is_not_logged_in_sees_nothing(shown: Shown) -> None:
    """And is asked for a user and a password."""
    for path in ("", "events"):
        answer = requests.get(f"http://127.0.0.1:{shown.port}/{path}", timeout=10)
        assert (answer.status_code, "P-26" in answer.text) == (401, False)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_it_comes_with_strict_headers(shown: Shown) -> None:
    """Nobody may frame it, keep it, or learn whence one came."""
    answer = requests.get(shown.url, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert TOKEN not in answer.text


def test_the_keyboard_alone_reaches_everything(shown: Shown, window: Window) -> None:
    """Each link and each timeline in its order, and where one is can be seen."""
    window.look(shown.url)
    reachable = (
        "[...document.querySelectorAll('a, summary')].filter((one) => one.checkVisibility())"
    )
    count = window.run(f"{reachable}.map((one, n) => one.number = n).length")
    assert count > 10
    reached = []
    for _ in range(count):
        window.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(window.run("document.activeElement.number"))
        outline = window.run(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"
        )
        assert outline == ["solid", "3px"]
        # The browser scrolls in its own time, and to a part of a pixel.
        window.until(
            "(({top, bottom}) => top >= -1 && bottom <= innerHeight + 1)(document.activeElement.getBoundingClientRect())"
        )
    assert reached == list(range(count))


@pytest.mark.parametrize(
    ("size", "scrolled"), [((1280, 2200), 0), (DESKTOP, 300), (PHONE, 700)], ids=str
)
def test_a_change_is_shown_in_its_place(
    shown: Shown, window: Window, size: tuple[int, int], scrolled: int
) -> None:
    """The rest stays the same element, the focus and the scroll stay, and nothing jumps."""
    last = shown.fail(SPARE[0], severity="PERFORMANCE")
    window.look(shown.url, size)
    window.until(row(last))
    window.driver.execute_script(SHIFTS)
    kept = window.run(
        "[...document.querySelectorAll('tr[data-key]')].map((one, n) => one.mark = n)"
    )
    focus = "document.activeElement"
    window.driver.execute_script(
        f"scrollTo(0, {scrolled}); document.links[3].focus({{preventScroll: true}})"
    )
    time.sleep(1)  # Who scrolls makes things move, for half a second.
    seen = f"[{focus}.href, Math.round({focus}.getBoundingClientRect().top)]"
    before, below = window.run(seen), window.run(f"{row(last)}.getBoundingClientRect().top")
    problem = shown.fail(SPARE[1], title="It came later")
    window.until(row(problem))
    assert "It came later" in window.run(f"{row(problem)}.innerText")
    time.sleep(1)  # What glides has come to rest.
    assert window.run(f"{row(last)}.getBoundingClientRect().top") > below + 30
    assert window.run(seen) == before
    marks = window.run(
        "[...document.querySelectorAll('tr[data-key]')].map((one) => one.mark ?? -1)"
    )
    assert [one for one in marks if one >= 0] == kept
    assert marks.count(-1) == 1
    for one in (problem, last):
        shown.scene.tenant.close_problem(one)
    shown.world.poll(1)
    window.until(f"!{row(problem)} && !{row(last)}")
    time.sleep(1)
    assert window.run(seen) == before
    assert window.run("shifts") == []
    assert window.run("document.title").startswith("9 open, paused")
    fault_free(window)


def test_what_moves_does_not_glide_for_who_wants_no_motion(shown: Shown, window: Window) -> None:
    """It is there at once."""
    window.look(shown.url, motion="reduce")
    problem = shown.fail(SPARE[1], severity="ERROR")
    window.until(row(problem))
    assert window.run("document.getAnimations().length") == 0
    shown.scene.tenant.close_problem(problem)
    shown.world.poll(1)
    window.until(f"!{row(problem)}")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The page calls itself stale after three seconds, and the engine tells more often that it is alive.
    """
    script = status.SCRIPT.replace(
        "STALE_MS = 40000, AGAIN_MS = 5000", "STALE_MS = 3000, AGAIN_MS = 500"
    )
    assert script != status.SCRIPT
    monkeypatch.setattr(status, "SCRIPT", script)
    monkeypatch.setattr(page_, "BEAT_S", 1.0)


def test_a_page_without_news_says_that_it_is_stale(
    shown: Shown, window: Window, impatient: None
) -> None:
    """In words, in its title too, and is live again by itself."""
    window.look(shown.url)
    time.sleep(4)
    assert window.run("document.getElementById('stale').hidden")
    shown.stop()
    window.until("!document.getElementById('stale').hidden")
    assert re.fullmatch(
        r"Stale: no news from the engine since \d\d:\d\d:\d\d UTC\.",
        window.run("document.getElementById('stale').textContent"),
    )
    assert window.run("document.title").startswith("(stale) 9 open")
    assert window.run("document.getElementById('live').textContent").startswith("Not live")
    shown.serve()
    window.until("document.getElementById('stale').hidden")
    assert window.run("document.title").startswith("9 open")


@pytest.fixture(scope="module")
def hostile(shown: Shown) -> Iterator[dict[str, Any]]:
    """
    A problem for each hostile title, and a harmless one.
    """
    titles = {"harmless": "Process unavailable", **HOSTILE}
    open_problem, apaches = shown.scene.tenant.open_problem, shown.scene.apaches
    found = {
        name: open_problem(apaches[minion], title=title, start=shown.world.now - 5)
        for (name, title), minion in zip(titles.items(), SPARE[2:], strict=False)
    }
    assert len(found) == len(titles)
    shown.world.poll(1)
    yield found
    for problem in found.values():
        shown.scene.tenant.close_problem(problem)
    shown.world.poll(1)


def shape(window: Window, problem: Any) -> list[str]:
    """
    Return the elements of a problem's row, in their order.
    """
    window.until(row(problem))
    return list(window.run(f"[...{row(problem)}.querySelectorAll('*')].map((one) => one.tagName)"))


@pytest.mark.parametrize("live", [False, True], ids=["served", "streamed"])
@pytest.mark.parametrize("size", SIZES, ids=["phone", "desktop"])
def test_a_hostile_title_changes_nothing_but_that_text(
    shown: Shown,
    window: Window,
    hostile: dict[str, Any],
    tmp_path: Path,
    live: bool,
    size: tuple[int, int],
) -> None:
    """Served with the page or streamed later: it is text, and what cannot be seen has its name."""
    window.look(shown.url, size)
    if live:
        window.driver.execute_script("document.querySelector('#open tbody').replaceChildren()")
        shown.fail(SPARE[-1])
    usual = shape(window, hostile["harmless"])
    for name, title in HOSTILE.items():
        assert shape(window, hostile[name]) == usual, name
        text = window.run(f"{row(hostile[name])}.querySelector('.title').textContent")
        expected = str(visible(title))
        assert text == expected or (text[-1] == "…" and expected.startswith(text[:-1])), name
        assert len(text) <= 200
    assert window.run("document.scripts.length") == 1
    assert window.run("document.images.length") == 0
    assert "owned" not in window.run("document.title")
    assert window.run("document.documentElement.scrollWidth <= innerWidth")
    window.picture(tmp_path / f"hostile-{size[0]}-{live}.png")
    hosts = {urlsplit(one).hostname for one in window.asked() if one != "data:,"}
    assert hosts == {"127.0.0.1"}
    fault_free(window)


def test_a_stream_survives_what_a_title_holds(shown: Shown, hostile: dict[str, Any]) -> None:
    """No line of a title is a line of the stream."""
    stream = requests.get(f"{shown.url}events", stream=True, timeout=60)
    lines = stream.iter_lines()
    wait_for(lambda: b'"open"' in next(lines))
    stream.close()
    parts = [one.html for one in shown.world.engine.page.parts()]
    for part in parts:
        assert part
    for one in shown.world.engine.page.parts():
        assert one.message.count(b"\n") == 3


def test_a_timeline_that_was_opened_stays_open(shown: Shown, window: Window) -> None:
    """Whatever changes in it; it is opened by the keyboard. The last test: it closes a problem of the night."""
    window.look(shown.url)
    opened = "[...document.querySelectorAll('#heals details')].map((one) => one.open)"
    assert window.run(opened) == [True, False]
    window.driver.execute_script("document.querySelectorAll('#heals summary')[1].focus()")
    window.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert window.run(opened) == [True, True]
    closed = "document.querySelector('#heals svg.timeline').textContent.includes('closed')"
    assert not window.run(closed)
    shown.night.close("healed, still open")
    window.until(closed)
    assert window.run(opened) == [True, True]
    assert window.run("document.activeElement.tagName") == "SUMMARY"
