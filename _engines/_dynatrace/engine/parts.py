"""
The parts that one engine has, each made once at the start; the loop works with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config.config import Config
from ..master.jobs import Jobs
from ..master.outbox_relay import OutboxRelay
from ..master.subscriber import Subscriber
from ..remediation.episodes import Episodes
from ..remediation.feedback import Feedback
from ..remediation.problem_reader import ProblemReader
from ..remediation.scheduler import Scheduler
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
    intake: ProblemReader
    episodes: Episodes
    attempts: Scheduler
    jobs: Jobs
    relay: OutboxRelay
    subscriber: Subscriber
    feedback: Feedback | None
    status: Status
    commands: Commands
