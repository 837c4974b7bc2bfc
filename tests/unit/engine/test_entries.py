"""
What is formed wrongly in `engines`, and which engines Salt starts of it.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.config.entries import entries, misplaced

GOOD = {"environment_url": "https://abc12345.live.dynatrace.com", "api_token": "x"}
BELOW = "in `engines` must stand below `- dynatrace:`"


@pytest.mark.parametrize(
    ("engines", "told"),
    [
        ([{"dynatrace": None, **GOOD}], f"`environment_url`, `api_token` {BELOW}"),
        ([{"dynatrace": None}, {"webhook": {"port": 1}}], f"`webhook` {BELOW}"),
        ({"dynatrace": None, "policy": {}}, f"`policy` {BELOW}"),
        ([{"slack": {}, "dynatrace": GOOD}], "one entry of `engines` names `slack`, `dynatrace`"),
        ([{"dynatrace": [GOOD]}], "the options of `dynatrace` are no mapping"),
        ([{"dynatrace": "https://x"}], "the options of `dynatrace` are no mapping"),
    ],
)
def test_what_salt_would_lose_is_said(engines: Any, told: str) -> None:
    """Each with where it belongs."""
    [sentence] = misplaced(engines)
    assert sentence.startswith(told)


@pytest.mark.parametrize(
    "engines",
    [
        None,
        [],
        "dynatrace",
        ["dynatrace", {"dynatrace": GOOD}],
        {"dynatrace": GOOD},
        [{"eu": {"engine_module": "dynatrace", **GOOD}}, {"slack": {"token": "x", "policy": 1}}],
        [{"slack": {}, "other": {}}, 5, None, {}],
    ],
)
def test_what_is_formed_well_or_is_not_ours_is_not_doubted(engines: Any) -> None:
    """Nothing is raised, whatever stands there."""
    assert misplaced(engines) == []


def test_the_engines_are_those_that_salt_starts() -> None:
    """Of an entry the first key, of a mapping all."""
    assert list(entries([{"a": 1, "b": 2}, "c"])) == [("a", 1), ("c", None)]
    assert list(entries({"a": 1, "b": 2})) == [("a", 1), ("b", 2)]
