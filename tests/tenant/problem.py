"""
A problem, and a comment of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.tenant.evidence import Evidence
from tests.tenant.tags import Tag


@dataclass
class Comment:
    """
    A stored comment; `author` is the owner of the token, never the client.
    """

    comment_id: str
    message: str
    context: str
    created_at: int
    author: str = "token-owner@example.com"
    hidden_for: int = 0

    def body(self) -> dict[str, Any]:
        """
        Give the comment as it is read: sent as `message`, it comes back as `content`.
        """
        return {
            "id": self.comment_id,
            "createdAtTimestamp": self.created_at,
            "content": self.message,
            "authorName": self.author,
            "context": self.context,
        }


@dataclass
class Problem:
    """
    A problem. All times are UTC milliseconds; `end` is -1 while it is open.

    `properties` are those of its events beside the usual ones: what a rule or policy adds. `extra` is
    laid over its body: keys of clusters, fields that nobody knows yet, wrong values. `record` is the
    same for its record in Grail and in workflows. `opened` is when it was raised, `updated` when, and `transition` by what, it
    changed last; `muted` says that it was closed by hand.
    """

    number: int
    display_id: str
    title: str
    severity: str
    impact: str
    event_type: str
    start: int
    event_start: int
    affected: list[str]
    root_cause: str | None
    tags: list[Tag] = field(default_factory=list)
    zones: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[Evidence | dict[str, Any]] | None = None
    under_maintenance: bool = False
    suppress_alert: bool = False
    window: str | None = None
    frequent: bool = False
    status: str = "OPEN"
    end: int = -1
    comments: list[Comment] = field(default_factory=list)
    merged_into: Problem | None = None
    hidden_for: int = 0
    detail_hidden: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    opened: int = 0
    updated: int = 0
    transition: str = "CREATED"
    reopened: int | None = None
    muted: bool = False
    record: dict[str, Any] = field(default_factory=dict)

    #: Grows with each change of any problem's attributes; `changed` is what it was after this one's latest.
    changes: ClassVar[int] = 0
    changed: ClassVar[int]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        Problem.changes += 1
        self.__dict__["changed"] = Problem.changes

    @property
    def problem_id(self) -> str:
        """
        The id that the API takes; it holds the time of the first event, not of the problem.
        """
        return f"{self.number}_{self.event_start}V2"
