"""
The reports in a real browser: whether they can be read, by whom and where, and that they ask for nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _dynatrace.facts.span import Span
from _dynatrace.pages.report import problem_report, span_report

from tests.functional.page.conftest import DESKTOP, PHONE, Shown, Window
from tests.functional.page.test_page import Axe, fault_free
from tests.unit.engine.test_report import EVIDENCE, figures, hostile, whole_story

SCHEMES, SIZES = ("light", "dark"), (PHONE, DESKTOP)
NAMES = ("healed", "failed", "span", "hostile", "hostile-span")
#: Of each label that is seen, where it is: left, right, top, bottom, text.
LABELS = """
[...document.querySelectorAll('svg')].filter((one) => one.getClientRects().length && one.role === 'img').map((svg) => {
  const box = (one) => { const at = one.getBoundingClientRect(); return [at.left, at.right, at.top, at.bottom, one.textContent]; };
  return [box(svg), ...[...svg.querySelectorAll('text')].map(box)];
})
"""


@pytest.fixture(scope="module")
def reports(shown: Shown, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """
    Return the addresses of reports: of a crowded night, and of hostile facts.
    """
    world, home = shown.world, tmp_path_factory.mktemp("reports")
    stories = [world.engine.story.of(one, world.now) for one in world.ledger.episodes.shown(1000)]
    healed = next(one for one in stories if one["healed_at"])
    failed = next(one for one in stories if len(one["attempts"]) > 1)
    span = Span(world.ledger).of(world.now - 86400, world.now + 1, world.now)
    made = {
        "healed": problem_report(healed, "dynatrace", EVIDENCE),
        "failed": problem_report(failed, "dynatrace", {"error": "no minion has evidence of it"}),
        "span": span_report(span, "dynatrace"),
        "hostile": problem_report(hostile(whole_story()), "dynatrace", hostile(EVIDENCE)),
        "hostile-span": span_report(hostile(figures()), "dynatrace"),
    }
    for name, html in made.items():
        (home / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: (home / f"{name}.html").as_uri() for name in made}


def look(window: Window, url: str, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
    """
    Open a report as a file; it has no script, and what the test asks is one.
    """
    window.look(url, size, scheme, script=False)
    window.tell("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("size", SIZES, ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_accessible_and_fits(
    reports: dict[str, str],
    window: Window,
    tmp_path: Path,
    name: str,
    scheme: str,
    size: tuple[int, int],
) -> None:
    """axe finds nothing, nothing is wider than the window, nothing else is asked for, the console is silent."""
    look(window, reports[name], size, scheme)
    assert [one for one in window.asked() if one != "data:,"] == [reports[name]]
    found = Axe().run(window.driver)
    told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 10
    assert window.run("document.documentElement.scrollWidth <= innerWidth")
    assert window.picture(tmp_path / f"{name}-{scheme}-{size[0]}.png").stat().st_size > 20_000
    fault_free(window)


@pytest.mark.parametrize("size", SIZES, ids=["phone", "desktop"])
@pytest.mark.parametrize("name", NAMES)
def test_no_label_of_a_picture_lies_on_another(
    reports: dict[str, str], window: Window, name: str, size: tuple[int, int]
) -> None:
    """As wide as this browser's font makes them; one picture is seen, which is made for this width."""
    look(window, reports[name], size)
    [(svg, *labels)] = window.run(LABELS.strip())
    assert len(labels) > 8
    for number, (left, right, top, bottom, text) in enumerate(labels):
        assert svg[0] - 1 <= left and right <= svg[1] + 1, text
        for other in labels[:number]:
            beside = right <= other[0] or other[1] <= left
            # The boxes of two lines may touch, as their letters do not.
            apart = bottom - 4 <= other[2] or other[3] - 4 <= top
            assert beside or apart, (text, other[4])


def test_what_is_folded_is_printed(reports: dict[str, str], window: Window) -> None:
    """Evidence is closed on the screen, and on paper nobody opens it."""
    look(window, reports["healed"])
    high = "document.querySelector('details pre').getBoundingClientRect().height"
    assert not window.run(
        f"{high} > 10 && document.querySelector('details pre').checkVisibility({{contentVisibilityAuto: true, visibilityProperty: true}})"
    )
    window.tell("Emulation.setEmulatedMedia", media="print")
    try:
        assert window.run(f"{high} > 10")
        assert window.run("getComputedStyle(document.querySelector('.narrow')).display") == "none"
    finally:
        window.tell("Emulation.setEmulatedMedia", media="")
