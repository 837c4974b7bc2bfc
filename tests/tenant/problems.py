"""
Problems, their comments, and what happens to both.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from tests.tenant.alerting import HIDES, SILENCES, Alerting
from tests.tenant.core import Switches
from tests.tenant.entities import type_of
from tests.tenant.evidence import Evidence, usual_event
from tests.tenant.problem import Comment, Problem
from tests.tenant.tags import parse_tag, zone
from tests.tenant.timeframe import milliseconds, now_ms

__all__ = ["Comment", "Problem", "Problems"]


class Problems(Alerting):
    """
    The layer that knows the problems.
    """

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.by_id: dict[str, Problem] = {}
        self._count = 0

    @property
    def problems(self) -> list[Problem]:
        """
        All problems, in the order in which they were raised.
        """
        with self.lock:
            return list(self.by_id.values())

    def open_problem(
        self,
        entity: str | Sequence[str],
        title: str | None = None,
        severity: str | None = None,
        event_type: str | None = None,
        start: float | None = None,
        root_cause: str | None = "group",
        evidence: Iterable[str | dict[str, Any]] | None = None,
        tags: Iterable[str] = (),
        under_maintenance: bool | None = None,
        *,
        impact: str | None = None,
        suppress_alert: bool | None = None,
        frequent: bool = False,
        management_zones: Iterable[str] = (),
        display_id: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> Problem:
        """
        Raise a problem about one entity or several.

        What is left out follows from the first entity's type: "Process unavailable" for a
        process. `root_cause` "group" is the process group, as captured answers have it (a host
        itself, nothing for a service). `evidence` None is what Dynatrace would show; else it is
        exactly this, an entity id standing for a root-cause-relevant event about it. Whether it
        is under maintenance, and silent, say the windows, unless it is given here. It is raised
        whatever settings say; `raise_problem` asks them. `properties` are further ones of its events.
        """
        affected = [entity] if isinstance(entity, str) else list(entity)
        event, usual_title = usual_event(affected[0])
        service = type_of(affected[0]) == "SERVICE"
        begin = milliseconds(start)
        level, window = self.maintenance_of(affected)
        silent = level in (HIDES, SILENCES)
        if under_maintenance is None:
            under_maintenance = level is not None
        else:
            silent, window = under_maintenance, None
        with self.lock:
            self._count += 1
            number = secrets.randbits(62)
            problem = Problem(
                number=-number if self._count % 2 == 0 else number,
                display_id=display_id or self._display_id(begin),
                title=usual_title if title is None else title,
                severity=severity or ("ERROR" if service else "AVAILABILITY"),
                impact=impact or ("SERVICES" if service else "INFRASTRUCTURE"),
                event_type=event_type or event,
                start=begin,
                event_start=begin - (240_000 if service else 0),
                affected=affected,
                root_cause=self._cause(affected[0], root_cause),
                tags=[parse_tag(tag) for tag in tags],
                zones=[zone(name) for name in management_zones],
                under_maintenance=under_maintenance,
                suppress_alert=silent if suppress_alert is None else suppress_alert,
                window=window.short_id if window else None,
                frequent=frequent,
                properties=dict(properties or {}),
                opened=(now := now_ms()),
                updated=now,
            )
            if evidence is not None:
                problem.evidence = [self._evidence(one) for one in evidence]
            if late := self.faults.take("notification_before_list"):
                problem.hidden_for = late.options["calls"]
                problem.detail_hidden = late.options["detail"]
            self.by_id[problem.problem_id] = problem
        self._happened("problem opened", problem, "OPEN")
        return problem

    def raise_problem(self, entity: str, *details: Any, **more: Any) -> Problem | None:
        """
        Raise a problem as Dynatrace itself does: none while a window disables the detection.
        """
        if self.maintenance_of([entity])[0] == HIDES:
            return None
        return self.open_problem(entity, *details, **more)

    def close_problem(self, problem: Problem) -> None:
        """
        Close a problem, as Dynatrace does when all its events are over.
        """
        with self.lock:
            if problem.status == "CLOSED":
                return
            problem.status, problem.end = "CLOSED", now_ms()
            _note(problem, "CLOSED")
        self._happened("problem closed", problem, "RESOLVED")

    def reopen_problem(self, problem: Problem) -> None:
        """
        Open a closed problem again under its old id.
        """
        with self.lock:
            if problem.status == "OPEN":
                return
            problem.status, problem.end, problem.muted = "OPEN", -1, False
            problem.reopened = _note(problem, "REOPENED")
        self._happened("problem reopened", problem, "OPEN")

    def update_problem(self, problem: Problem, **changes: Any) -> None:
        """
        Change attributes of a problem: title, severity, impact, affected, root_cause and so on.
        """
        with self.lock:
            for name, value in changes.items():
                if not hasattr(problem, name) or name == "problem_id":
                    raise ValueError(f"a problem has no attribute {name} to change")
                setattr(
                    problem, name, [parse_tag(tag) for tag in value] if name == "tags" else value
                )
            _note(problem, "UPDATED")
        self._happened("problem updated", problem, None, changed=sorted(changes))

    def merge_problem(self, problem: Problem, into: Problem) -> None:
        """
        Merge a problem into another one, which ends it. Synthetic: no capture of it is known.
        """
        with self.lock:
            problem.status, problem.end, problem.merged_into = "CLOSED", now_ms(), into
            _note(problem, "CLOSED")
        self._happened("problem merged", problem, "MERGED", into=into.display_id)

    def forget_problem(self, problem: Problem) -> None:
        """
        Drop a problem: from then on it is not found.
        """
        with self.lock:
            self.by_id.pop(problem.problem_id, None)
        self._happened("problem forgotten", problem, None)

    def comments(self, problem: Problem) -> list[Comment]:
        """
        Give the stored comments, oldest first, also those that a fault hides from the API.
        """
        with self.lock:
            return list(problem.comments)

    def add_comment(self, problem: Problem, message: str, context: str = "") -> Comment:
        """
        Store a comment.
        """
        with self.lock:
            number = secrets.randbits(63) - 2**62
            comment = Comment(f"{number}_{problem.event_start}", message, context, now_ms())
            if late := self.faults.take("comment_delayed_visibility"):
                comment.hidden_for = late.options["calls"]
            problem.comments.append(comment)
        self.log.add("comment added", problem=problem.display_id, message=message, context=context)
        return comment

    def close_by_hand(self, problem: Problem, message: str) -> Comment:
        """
        Close a problem as a client does: a comment at once, the status after `close_lag`.
        """
        comment = self.add_comment(problem, message, "dynatrace-problem-close")
        problem.muted = True
        if self.switches.close_lag:
            timer = threading.Timer(self.switches.close_lag, self.close_problem, [problem])
            timer.daemon = True
            timer.start()
        else:
            self.close_problem(problem)
        return comment

    def _happened(self, what: str, problem: Problem, state: str | None, **detail: Any) -> None:
        self.log.add(
            what,
            problem=problem.display_id,
            problem_id=problem.problem_id,
            title=problem.title,
            **detail,
        )

    def _display_id(self, begin: int) -> str:
        month = datetime.fromtimestamp(begin / 1000, timezone.utc).strftime("%y%m")
        return f"P-{month}{self._count}"

    def _cause(self, entity: str, asked: str | None) -> str | None:
        if asked != "group":
            return asked
        if type_of(entity) == "HOST":
            return entity
        known = self.entities.get(entity)
        groups = known.links.get("isInstanceOf", []) if known else []
        return groups[0] if groups else None

    def _evidence(self, one: str | dict[str, Any]) -> Evidence | dict[str, Any]:
        return one if isinstance(one, dict) else Evidence("EVENT", one, True, *usual_event(one))


def _note(problem: Problem, transition: str) -> int:
    problem.updated, problem.transition = now_ms(), transition
    return problem.updated
