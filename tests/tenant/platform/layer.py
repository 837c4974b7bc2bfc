"""
The layer of the tenant that is the platform: its logins, its workflows, and what Grail keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tests.tenant.core import Switches
from tests.tenant.platform.grail.running import QueryBook
from tests.tenant.platform.grail.tables import Tables
from tests.tenant.platform.workflow_setup import WorkflowSetup

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant


class Platform(WorkflowSetup):
    """
    The layer that answers queries; `bizevents` are the business events that were ingested.
    """

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.queries = QueryBook()
        self.tables = Tables(cast("Tenant", self))
        self.bizevents: list[dict[str, Any]] = []

    def enter_phase(self, phase: int) -> None:
        """
        Let the environment be upgraded; there is no way back.
        """
        if phase < self.switches.phase:
            raise ValueError(f"the environment is in phase {self.switches.phase} already")
        self.switches.phase = phase
        self.log.add("phase entered", phase=phase)

    @property
    def dql(self) -> list[str]:
        """
        The queries that were carried out, in one line each.
        """
        return [one.detail["query"] for one in self.journal if one.what == "query"]
