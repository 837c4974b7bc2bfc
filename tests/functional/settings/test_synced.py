"""
What a minion has after `saltutil.sync_all`, without a master: states reach what is private, and nobody else does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.masterless import Masterless, MasterlessError

#: What once could be called by whom an ACL lets call `dynatrace.*`, with what it was given.
ONCE = [
    ("dynatrace_bounded.call", "5", "cmd.run", "touch {mark}"),
    ("dynatrace_tenant_http.call", "DELETE", "/api/v2/settings/objects/x", "settings.write"),
    ("dynatrace.claim", "9f0c2a41d7e85b36"),
    ("_dynatrace_utils.tenant.http.call", "GET", "/", "x"),
]


@pytest.fixture(scope="module")
def minion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Masterless]:
    """
    A minion that has what the file server has.
    """
    minion = Masterless(tmp_path_factory.mktemp("minion") / "own")
    assert "utils._dynatrace_utils.tenant.http" in minion.sync()["utils"]
    yield minion


def test_states_and_their_functions_find_what_is_private(minion: Masterless) -> None:
    """Each says what only a private module knows."""
    assert minion.call("dynatrace_tenant.asked", "webhook") == {"problem": None, "entries": []}
    assert minion.call("dynatrace_oneagent.installed") is False
    call = ("state.single", "dynatrace_tenant.webhook_present", "x", "url=https://m.example.com/")
    [told] = minion.call(*call).values()
    assert "dynatrace:webhook_token is not set" in told["comment"]


@pytest.mark.parametrize("given", ONCE, ids=lambda given: given[0])
def test_what_acts_by_its_arguments_is_no_function_of_a_minion(
    minion: Masterless, tmp_path: Path, given: tuple[str, ...]
) -> None:
    """Salt says that there is none, and nothing is done."""
    mark = tmp_path / "mark"
    with pytest.raises(MasterlessError, match="is not available"):
        minion.call(*(one.format(mark=mark) if "mark" in one else one for one in given))
    assert not mark.exists()
