"""
What the engine does with what the subscriber reads: jobs, minions and commands go to the parts that they concern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..master.minion_index import MinionIndex
from ..master.ping import Ping
from ..remediation.job_tracker import JobTracker
from .commands import Commands


@dataclass(frozen=True)
class BusEvents:
    """
    The callbacks of the subscriber, all called in its thread; none waits for anything.
    """

    job_tracker: JobTracker
    minions: MinionIndex
    ping: Ping | None
    commands: Commands
    look_now: Callable[[], None]

    def on_job(self, jid: str, what: str, minion: str | None, data: Mapping[str, Any]) -> None:
        if self.job_tracker.receive(jid, what, minion, data):
            self.look_now()

    def on_minion(self, minion: str) -> None:
        """
        Note that a minion may have started, or that its grains may have changed.
        """
        if self.ping is not None:
            self.ping.started(minion)
        self.minions.touch(minion)

    def on_key(self, minion: str) -> None:
        """
        Note that a minion's key may have been accepted or removed: any minion can fire the event, so the key is looked at.
        """
        self.minions.touch_key(minion)

    def on_command(self, data: Mapping[str, Any]) -> None:
        if self.commands.receive(data):
            self.look_now()

    def on_open(self) -> None:
        """
        Have looked up what passed on the bus while the bus was not read.
        """
        self.job_tracker.reconcile()
        self.minions.touch_keys()
        self.look_now()
