"""
Starts real things for the tests, the demo and the benchmarks, and ends every one of them.

    with ScratchSalt(included={"engines.conf": {"engines": [{"dynatrace": {...}}]}}) as salt:
        event = salt.events.wait_for("dynatrace/problem/open/*")

Nothing here touches /etc/salt, a Salt that runs already, or anything beyond the loopback.
"""

from tests.harness import apache
from tests.harness.api import Api
from tests.harness.listener import Event, Listener
from tests.harness.ports import free_ports
from tests.harness.scratch import ScratchError, ScratchSalt, scratch_root
from tests.harness.switches import switched_on

__all__ = [
    "Api",
    "Event",
    "Listener",
    "ScratchError",
    "ScratchSalt",
    "apache",
    "free_ports",
    "scratch_root",
    "switched_on",
]
