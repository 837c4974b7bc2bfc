"""
What the demo and the tests promise of an apache2 that they were allowed to stop.
"""

from __future__ import annotations

import pytest

from tests.functional.remedy.conftest import Apache
from tests.harness import apache as machine

pytestmark = pytest.mark.apache


def test_an_apache2_that_was_killed_meanwhile_is_put_back(apache: Apache) -> None:
    """It was serving when it was found, and its pid file is left behind."""
    apache.start()
    found = machine.Apache(frozenset({"apache2"}), was_serving=True)
    machine.end_by_force()
    assert not machine.answers()
    found.restore()
    assert machine.answers()
