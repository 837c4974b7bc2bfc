"""
What salt-api's hook received, and whoever else fires its tag: any accepted minion can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import _dynatrace_assembly as assembly
import _dynatrace_echo as echo_
import _dynatrace_minions as minions_
import pytest
from _dynatrace_config import load

from tests.unit.engine.bodies import PID

TAG = "salt/netapi/hook/dynatrace"
API = {"environment_url": "https://abc12345.live.dynatrace.com", "api_token": "dt0c01.x.y"}
ALONE = {"webhook": {"token": "a-secret"}}


@pytest.mark.parametrize(
    ("config", "is_heard"),
    [
        (API, False),
        ({**API, "hook_tag": TAG}, True),
        ({**ALONE, "hook_tag": TAG}, False),
    ],
)
def test_the_hook_is_not_heard_unless_it_is_asked_for(
    config: dict[str, Any], is_heard: bool
) -> None:
    """
    And never without an API, when it would be believed.
    """
    minions = minions_.Minions(lambda: [], lambda _: None, lambda: 0.0)
    hearer = assembly._hearer("test", load(config), _no_bus, minions, None, echo_.Echo())
    heard: list[Mapping[str, Any]] = []
    hearer.wire(lambda *_: None, heard.append, lambda _: None, lambda: None)
    hearer.hear(TAG, {"post": {"PID": PID}})
    assert bool(heard) is is_heard


def _no_bus() -> Any:
    raise ConnectionError("there is none")
