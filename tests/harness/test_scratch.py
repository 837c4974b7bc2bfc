"""
What Salt's commands print is read whole, also where it is not JSON.
"""

from __future__ import annotations

import pytest

from tests.harness.scratch import NOBODY, documents


@pytest.mark.parametrize(
    ("printed", "values"),
    [
        ("", []),
        ('{"a": true}\n{"b": 1}\n', [{"a": True}, {"b": 1}]),
        # As `salt --static --out=json` prints it while the key of the minion is not accepted yet.
        (NOBODY + "\n{}", [{}]),
    ],
)
def test_the_answers_of_a_command(printed: str, values: list[object]) -> None:
    assert documents(printed) == values
