"""
What all pages have in common: nothing from outside becomes markup, nothing is asked for elsewhere, and all can be read.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata

import pytest
from _dynatrace.pages.document import document, rendered, template
from _dynatrace.pages.style import COLOURS, STATES
from _dynatrace.pages.text import cut, moment, shown, state
from markupsafe import Markup

BODY = Markup("<main><h1>Good</h1></main>")
SCRIPT = "document.title = '<&>';"


def digest(text: str) -> str:
    """
    Return how a policy names a text that is allowed.
    """
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def between(html: str, name: str) -> str:
    """
    Return the text of the one element with a name.
    """
    found = re.findall(f"<{name}>(.*?)</{name}>", html, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_a_policy_allows_the_documents_own_style_and_script_and_nothing_else() -> None:
    """By their digests; a request goes to the server itself at most, and no other site may frame it."""
    html, policy = document("A title", BODY, SCRIPT, style=".own{color:red}")
    said = dict(one.split(" ", 1) for one in policy.split("; "))
    assert said == {
        "default-src": "'none'",
        "style-src": digest(between(html, "style")),
        "script-src": digest(SCRIPT),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert between(html, "script") == SCRIPT
    assert between(html, "style").endswith(".own{color:red}")


def test_a_document_without_a_script_allows_none() -> None:
    """It asks nobody either, and names the policy itself, for whoever opens it as a file."""
    html, policy = document("A title", BODY)
    assert "script-src" not in policy
    assert "connect-src" not in policy
    assert "<script" not in html
    named = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert named
    within = named[1].replace("&#39;", "'")
    assert f"{within}; frame-ancestors 'none'" == policy


def test_a_text_from_outside_is_never_markup() -> None:
    """Neither in a template nor in a title."""
    bad = "</title><script>alert('1')</script>\" onload=\"x"
    html, _ = document(
        bad, rendered(template('<p title="{{ text }}">{{ text }}</p>'), text=bad), SCRIPT
    )
    assert html.count("<script>") == 1
    assert 'onload="' not in html
    assert html.count("&lt;script&gt;alert(&#39;1&#39;)") == 3


def test_what_cannot_be_seen_is_shown_by_its_name() -> None:
    """Controls, what turns the direction of a text, what has no width, and what UTF-8 cannot hold."""
    made = rendered(template("{{ text }}"), text="a\u202eb\x1b[31mc\u200bd\ud800e\x00f")
    assert made == "a⟨U+202E⟩b⟨U+001B⟩[31mc⟨U+200B⟩d⟨U+D800⟩e⟨U+0000⟩f"
    made.encode()


def test_nothing_that_turns_a_text_or_controls_anything_is_left() -> None:
    """Of all characters there are; but tab and line feed, which are blanks, and the joiner of emoji."""
    left = [
        char
        for char in map(chr, range(0x110000))
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF")
        or unicodedata.bidirectional(char) in ("LRI", "RLI", "FSI", "PDI")
        if shown(char) == char
    ]
    assert left == ["\t", "\n"]


@pytest.mark.parametrize("text", ["Prozess nicht verfügbar", "服务", "👩‍💻 down", "שרת", "a\tb\nc"])
def test_a_readable_text_stays_as_it_is(text: str) -> None:
    """In any script."""
    assert shown(text) == text


def test_what_is_no_text_or_markup_already_stays_as_it_is() -> None:
    """Numbers, nothing, and what another template made."""
    assert [shown(one) for one in (3, None)] == [3, None]
    assert shown(Markup("<b>\u200b</b>")) == "<b>\u200b</b>"


def test_a_long_text_says_that_it_was_cut() -> None:
    """By an ellipsis, within its length."""
    assert (cut("a" * 11, 10), cut("a" * 10, 10)) == ("a" * 9 + "…", "a" * 10)


@pytest.mark.parametrize(
    "at", [1774574327.9, "2026-03-27T01:18:47.900Z", "2026-03-27T02:18:47+01:00"]
)
def test_a_time_is_told_in_utc(at: float | str) -> None:
    """Whole for machines, and the time of day first for people."""
    assert moment(at) == (
        '<time datetime="2026-03-27T01:18:47Z">01:18:47 <span class="day">27 Mar</span></time>'
    )


def test_the_date_of_today_is_not_told() -> None:
    """Only of another day one needs it."""
    assert "day" not in moment("2026-03-27T01:18:47Z", "2026-03-27")
    assert "day" in moment("2026-03-28T01:18:47Z", "2026-03-27")


def test_a_state_is_told_by_a_word_and_a_shape() -> None:
    """Each kind has a shape of its own, so that colour tells nothing alone."""
    made = [state("<word>", kind) for kind in STATES]
    assert all("&lt;word&gt;</span>" in one for one in made)
    assert len({re.sub(r"\w+-ink", "", one) for one in made}) == len(STATES)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """
    Return the contrast of two colours by WCAG.
    """
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_has_the_contrast_of_aa(scheme: int) -> None:
    """On the page, on a card, and in its own soft colour; 3 is enough for the line of a plot."""
    seen = {name: both[scheme] for name, both in COLOURS.items()}
    for name in ("ink", "link", *STATES):
        behind = ["ground", "card", *(f"{state}-soft" for state in STATES if name == "ink")]
        # Words of any state stand on a card of any.
        behind += [f"{state}-soft" for state in STATES if name in STATES]
        for ground in behind:
            assert contrast(seen[name], seen[ground]) >= 4.5, (name, ground)
    assert contrast(seen["edge"], seen["card"]) >= 3
