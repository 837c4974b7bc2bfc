"""
The parts that one engine has, each made once at the start; the loop works with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from _dynatrace_attempts import Attempts
from _dynatrace_bus import Announcer
from _dynatrace_commands import Commands
from _dynatrace_config import Config
from _dynatrace_episodes import Episodes
from _dynatrace_feedback import Feedback
from _dynatrace_hearer import Hearer
from _dynatrace_intake import Intake
from _dynatrace_jobs import Jobs
from _dynatrace_ledger import Ledger
from _dynatrace_status import Status


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
