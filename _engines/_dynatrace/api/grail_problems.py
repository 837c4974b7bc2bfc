"""
Problems by the queries of Grail: ``dt.davis.problems``, and their evidence in ``dt.davis.events``.

The list holds what closed of late too, and what is under maintenance: while nothing changes, a poll is one query. That a
problem is not in a result does not mean that it is closed: a right that is lost empties results without an error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import ApiError, BadRequest, NotFound, Unavailable, UnexpectedResponse
from ..core.problem import DISPLAY_ID, PROBLEM_ID, Problem
from .davis import event_ids, parse_event, parse_record
from .grail import Grail, quoted
from .problems import MAX_EVIDENCE
from .rate_limiter import Kind
from .sources import Listing, OnPage, ignored

#: What is open, or closed within it, is listed and read by id. What is missing is looked for once in all that is kept.
LISTED_H, NEAR_H, FAR_H = 2, 24, 90 * 24
#: Of an open problem that no result shows so long is believed that the tenant does not know it.
ABSENT_S = 600.0
#: Events that began so long ago may be deleted by now; the tenant keeps them for 35 days unless told otherwise.
KEPT_H = 30 * 24
REMEMBERED = 20_000
_EVENT_ID = re.compile(r"-?[0-9]{1,20}_([0-9]{1,15})")
_NO_DUPLICATE = "filter isNull(dt.davis.is_duplicate) or not(dt.davis.is_duplicate)"
_LIST = (
    "event.id, event.kind, display_id, event.name, event.category, event.status, event.start, event.end, "
    "dt.davis.impact_level, affected_entity_ids, affected_entity_names, root_cause_entity_id, root_cause_entity_name, "
    "entity_tags, dt.davis.event_ids, dt.davis.last_reopen_timestamp, dt.davis.mute.status, dt.davis.is_duplicate, "
    "maintenance.is_under_maintenance"
)
_PROBLEM = (
    f"{_LIST}, dt.entity.host, host.name, dt.entity.process_group_instance, related_entity_ids, "
    "dt.entity.container_group_instance, k8s.pod.name"
)
_EVENT = (
    "event.id, event.kind, event.type, event.name, event.category, event.status, event.start, event.end, "
    "dt.source_entity, affected_entity_ids, dt.davis.is_rootcause_relevant, dt.entity.host, dt.entity.process_group, "
    "dt.entity.process_group.name, dt.entity.process_group_instance, dt.entity.process_group_instance.name, "
    "dt.osservice.name, salt_remedy, `Event source`"
)

Events = Mapping[str, Mapping[str, Any]]


class _Cut(Unavailable):
    pass


class GrailProblems:
    """
    Reads the problems of one environment.
    """

    def __init__(self, grail: Grail, clock: Callable[[], float] = time.time) -> None:
        #: Problems of one query. A tenant that takes no query of that length is asked for fewer.
        self.batch = 500
        self._grail = grail
        self._clock = clock
        #: By problem id, the ids of its events as the list showed them.
        self._events: Mapping[str, tuple[str, ...]] = {}
        #: Whether the last list had any row: without the right to a bucket it has none.
        self._shows_any = False
        #: By problem id, since when no result shows it.
        self._absent: dict[str, float] = {}

    def list_open(self, kind: Kind, on_page: OnPage = ignored) -> Listing:
        """
        Return all open problems, without evidence, by one query. What a limit cut, or cannot be read, makes it incomplete.
        """
        result = self._grail.query(
            f"fetch dt.davis.problems, from:now()-{LISTED_H}h | {_NO_DUPLICATE} | fields {_LIST}",
            kind,
        )
        problems: dict[str, Problem] = {}
        unreadable = list(result.cut)
        for record in result.records:
            try:
                problem = _identified(record)
            except UnexpectedResponse as err:
                unreadable.append(str(err))
            else:
                problems[problem.key] = problem
        self._shows_any = bool(problems)
        opened = {key: problem for key, problem in problems.items() if problem.is_open}
        self._events = {
            one["event.id"]: event_ids(one)
            for one in result.records
            if one.get("event.id") in opened
        }
        held = frozenset(key for key, problem in opened.items() if problem.under_maintenance)
        return Listing(tuple(opened.values()), tuple(unreadable), held)

    def in_maintenance(self, kind: Kind) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """
        return self.list_open(kind).in_maintenance or frozenset()

    def problems(self, ids: Iterable[str], kind: Kind) -> dict[str, Problem | ApiError]:
        """
        Return for each id the problem with its evidence, or why it is not known, by one query, or by two if there is more
        evidence than the list showed.
        """
        wanted = [one for one in ids if PROBLEM_ID.fullmatch(one)]
        if not wanted:
            return {}
        try:
            return self._read(wanted, kind)
        except (BadRequest, _Cut) as err:
            # There may be a limit that nothing tells of.
            self.batch = max(min(self.batch, len(wanted) // 5), 1)
            raise Unavailable(str(err)) from err
        except UnexpectedResponse as err:
            raise Unavailable(str(err)) from err  # One by one they would meet the same.

    def problem(self, problem_id: str, kind: Kind) -> Problem:
        """
        Return one problem with its evidence; raises NotFound, and UnexpectedResponse where its evidence is not whole.
        """
        found = self.problems([problem_id], kind).get(problem_id)
        if isinstance(found, Problem):
            return found
        raise found or NotFound(f"{problem_id[:80]!r} is no problem id")

    def find_by_display_id(self, display_id: str, kind: Kind) -> Problem | None:
        """
        Return the newest problem of this id, without evidence: one that is open, or closed today.
        """
        if not DISPLAY_ID.fullmatch(display_id):
            return None
        result = self._grail.query(
            f'fetch dt.davis.problems, from:now()-{NEAR_H}h | filter display_id == "{display_id}"'
            f" | sort timestamp desc | fields {_LIST} | limit 1",
            kind,
        )
        return _identified(result.records[0]) if result.records else None

    def closed(self, hours: int, kind: Kind) -> Listing:
        """
        Return the problems that were open within so many hours and are closed, with what is known of their evidence.
        """
        result = self._grail.query(
            f"fetch dt.davis.problems, from:now()-{hours}h | {_NO_DUPLICATE} | fields {_PROBLEM}",
            kind,
        )
        records = [one for one in result.records if one.get("event.status") != "ACTIVE"]
        named = {event for one in records for event in event_ids(one) if _EVENT_ID.fullmatch(event)}
        events: dict[str, dict[str, Any]] = {}
        ids = sorted(named)
        for begin in range(0, len(ids), self.batch):
            events.update(self._evidence(ids[begin : begin + self.batch], kind))
        found = [self._whole(one, events) for one in records]
        unreadable = (*result.cut, *(str(one) for one in found if isinstance(one, ApiError)))
        return Listing(tuple(one for one in found if isinstance(one, Problem)), unreadable)

    def _read(self, wanted: Sequence[str], kind: Kind) -> dict[str, Problem | ApiError]:
        shown = [event for one in wanted for event in self._events.get(one, ())]
        records, events = self._ask(wanted, shown, NEAR_H, kind)
        # A notification may name anything, and is about what is open or just closed.
        far = [one for one in wanted if one not in records and one not in self._absent]
        if far and kind is not Kind.NOTIFIED:
            records.update(self._ask(far, (), FAR_H, kind)[0])
        opened = [one for one in records.values() if one.get("event.status") == "ACTIVE"]
        named = {event for one in opened for event in event_ids(one) if _EVENT_ID.fullmatch(event)}
        if missing := named - events.keys():
            events.update(self._evidence(missing, kind))
        found: dict[str, Problem | ApiError] = {}
        for one in wanted:
            record = records.get(one)
            found[one] = self._missed(one, kind) if record is None else self._whole(record, events)
        return found

    def _ask(
        self, wanted: Sequence[str], shown: Sequence[str], hours: int, kind: Kind
    ) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        query = (
            f"fetch dt.davis.problems, from:now()-{hours}h"
            f" | filter in(event.id, {quoted(wanted)}) | fields {_PROBLEM}"
        )
        shown = [one for one in shown if _EVENT_ID.fullmatch(one)]
        if shown:
            query += f" | append [ {_events(shown, hours)} ]"
        records = self._records(query, kind)
        asked = set(wanted)
        return (
            {key: one for key, one in records.items() if key in asked},
            {key: one for key, one in records.items() if key not in asked},
        )

    def _evidence(self, ids: Iterable[str], kind: Kind) -> dict[str, dict[str, Any]]:
        hours = max(self._age_h(one) for one in ids) + 2
        return self._records(_events(sorted(ids), min(max(hours, NEAR_H), FAR_H)), kind)

    def _records(self, query: str, kind: Kind) -> dict[str, dict[str, Any]]:
        result = self._grail.query(query, kind)
        if result.cut:
            raise _Cut(f"POST /query:execute: {result.cut[0]}")
        return {str(one.get("event.id")): one for one in result.records}

    def _whole(self, record: Mapping[str, Any], events: Events) -> Problem | ApiError:
        try:
            problem = _identified(record)
        except UnexpectedResponse as err:
            return err
        self._absent.pop(problem.key, None)
        named = event_ids(record)
        missing = [one for one in named if one not in events and self._age_h(one) < KEPT_H]
        if problem.is_open and len(named) > MAX_EVIDENCE:
            return UnexpectedResponse(
                f"the problem {problem.key} has more than {MAX_EVIDENCE} events"
            )
        if problem.is_open and (missing or not named):
            return UnexpectedResponse(
                f"the problem {problem.key} is open, and its evidence is not whole: {len(missing)} of {len(named)} "
                "events are not shown"
            )
        evidence = (parse_event(events[one]) for one in named if one in events)
        return replace(problem, evidence=tuple(filter(None, evidence)))

    def _missed(self, problem_id: str, kind: Kind) -> ApiError:
        now = self._clock()
        if len(self._absent) >= REMEMBERED:
            self._absent.clear()
        since = self._absent.setdefault(problem_id, now)
        what = f"Grail shows no problem {problem_id}"
        if kind is Kind.NOTIFIED or (self._shows_any and now - since >= ABSENT_S):
            return NotFound(what)
        return Unavailable(
            f"{what}, which does not mean that it is closed; see whether the credentials may read the bucket of "
            "dt.davis.problems (storage:buckets:read)"
        )

    def _age_h(self, event_id: str) -> int:
        # An id ends with when its event began, in milliseconds. Of others nothing is known.
        found = _EVENT_ID.fullmatch(event_id)
        return int(self._clock() - int(found[1]) / 1000) // 3600 if found else 0


def _events(ids: Iterable[str], hours: int) -> str:
    return (
        f"fetch dt.davis.events, from:now()-{hours}h | filter in(event.id, {quoted(ids)})"
        f" | sort timestamp desc | dedup event.id | fields {_EVENT}"
    )


def _identified(record: Mapping[str, Any]) -> Problem:
    problem = parse_record(record)
    if problem.problem_id is None:
        raise UnexpectedResponse("a problem has no usable `event.id`")
    return problem
