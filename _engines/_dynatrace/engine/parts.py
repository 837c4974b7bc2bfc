"""
The parts that one engine has, each made once at the start; the loop works with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config.config import Config
from ..master.jobs import Jobs
from ..master.outbox_relay import Announcer
from ..master.subscriber import Hearer
from ..remediation.episodes import Episodes
from ..remediation.feedback import Feedback
from ..remediation.problem_reader import Intake
from ..remediation.scheduler import Attempts
from ..store.ledger import Ledger
from .commands import Commands
from .health import Status


@dataclass
class Parts:
    """
    What the loop works with.
    """

    config: Config
    ledger: Ledger
    intake: Intake
    episodes: Episodes
    attempts: Attempts
    jobs: Jobs
    announcer: Announcer
    hearer: Hearer
    feedback: Feedback | None
    status: Status
    commands: Commands
