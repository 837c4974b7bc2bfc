"""
A notification as a frozen value: what names the problem, and what is known of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .problem import Problem


@dataclass(frozen=True)
class Notification:
    """
    ``state`` is OPEN, RESOLVED, MERGED or None; ``problem`` is what the details hold.

    ``old_pid`` is a PID without the ``_<ms>V2`` suffix, as older tenants send it: it cannot be used with the API.
    """

    problem_id: str | None = None
    display_id: str | None = None
    old_pid: str | None = None
    state: str | None = None
    title: str = ""
    test: bool = False
    problem: Problem | None = None

    @property
    def name(self) -> str:
        return self.problem_id or self.display_id or self.old_pid or ""
