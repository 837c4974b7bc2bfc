"""
The tables that there are, who may read them, and their rows.

That a credential without the scope of a table gets NOT_AUTHORIZED_FOR_TABLE is what a client met.
Without `storage:buckets:read` the tables of events are empty: so it is remembered, not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError
from tests.tenant.platform.dql.query import NoSuchTable
from tests.tenant.platform.dql.rows import Context, Row
from tests.tenant.platform.dql.values import Timestamp
from tests.tenant.platform.grail.entity_tables import entity_fields, entity_rows
from tests.tenant.platform.grail.event_records import event_records
from tests.tenant.platform.grail.problem_records import problem_record
from tests.tenant.platform.grail.smartscape import node_rows
from tests.tenant.platform.logins import Token
from tests.tenant.platform.phases import has_entity_ids
from tests.tenant.problem import Problem

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

PROBLEMS, EVENTS, BIZEVENTS = "dt.davis.problems", "dt.davis.events", "bizevents"
_NODES = "smartscape."
_BUCKETS = "storage:buckets:read"
_SCOPES = {
    PROBLEMS: "storage:events:read",
    EVENTS: "storage:events:read",
    BIZEVENTS: "storage:bizevents:read",
}


class Tables:
    """
    The tables of a tenant, for whoever has a token.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._kept: dict[str, tuple[int, dict[str, Any]]] = {}
        self._latest: tuple[Hashable, dict[str, Any]] | None = None

    def catalogue(self, table: str) -> frozenset[str] | None:
        """
        Give the fields of a table, None for any; raises `NoSuchTable`.
        """
        switches = self._tenant.switches
        if table in _SCOPES:
            return None
        if table.startswith(_NODES):
            if not switches.smartscape:
                raise NoSuchTable("smartscapeNodes")
            return None
        there = switches.grail_entity_tables and has_entity_ids(switches)
        fields = entity_fields(table, self._tenant) if there else None
        if fields is None:
            raise NoSuchTable(table)
        return fields

    def authorize(self, tables: Iterable[str], token: Token) -> None:
        """
        Refuse the first table that a token may not read.
        """
        for table in tables:
            if not token.may(_scope_of(table)):
                name = "smartscapeNodes" if table.startswith(_NODES) else table
                details = {"arguments": [f"`{name}`"]}
                raise ApiError(403, "NOT_AUTHORIZED_FOR_TABLE", details=details)

    def kept(
        self,
        asked: Hashable,
        tables: Iterable[str],
        token: Token,
        make: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """
        Give a result; for crowds the latest one again while no problem has changed.
        """
        if not self._tenant.switches.keep_bodies or not {PROBLEMS, EVENTS}.issuperset(tables):
            return make()
        state = (asked, token.may(_BUCKETS), Problem.changes, len(self._tenant.by_id))
        if self._latest is None or self._latest[0] != state:
            self._latest = (state, make())
        return self._latest[1]

    def rows(self, table: str, context: Context, token: Token) -> Iterable[Row]:
        """
        Give the rows of a table in a timeframe.
        """
        if table.startswith(_NODES):
            return node_rows(table.removeprefix(_NODES), context, self._tenant)
        if table not in _SCOPES:
            return entity_rows(table, context, self._tenant)
        if not token.may(_BUCKETS):
            return ()
        return {PROBLEMS: self._problems, EVENTS: self._events, BIZEVENTS: self._bizevents}[table](
            context
        )

    def _problems(self, context: Context) -> Iterator[Row]:
        known = self._tenant.by_id
        wanted = [known[one] for one in context.wanted or () if one in known]
        for problem in self._tenant.problems if context.wanted is None else wanted:
            record = self._record(problem)
            end = record.get("event.end", Timestamp(context.end))
            inside = record["event.start"] < context.end and end >= context.begin
            if inside and not _hides(problem, listed=context.wanted is None):
                yield Row(record)

    def _events(self, context: Context) -> Iterator[Row]:
        for problem in self._of_events(context.wanted):
            for record in event_records(problem, self._tenant, context.now // 10**6):
                if context.begin <= record["timestamp"] <= context.end:
                    yield Row(record)

    def _of_events(self, wanted: frozenset[Any] | None) -> list[Problem]:
        """
        Give the problems that may have these events: most are named like their problem.
        """
        known = self._tenant.by_id
        if wanted is None or any(f"{one}V2" not in known for one in wanted):
            return self._tenant.problems
        return [known[f"{one}V2"] for one in wanted]

    def _bizevents(self, context: Context) -> Iterator[Row]:
        for record in list(self._tenant.bizevents):
            if context.begin <= record["timestamp"] <= context.end:
                yield Row(record)

    def _record(self, problem: Problem) -> dict[str, Any]:
        if not self._tenant.switches.keep_bodies:
            return problem_record(problem, self._tenant)
        known = self._kept.get(problem.problem_id)
        if known is None or known[0] != problem.changed:
            known = (problem.changed, problem_record(problem, self._tenant))
            self._kept[problem.problem_id] = known
        return known[1]


def _hides(problem: Problem, *, listed: bool) -> bool:
    """
    Say whether a problem is not to be seen yet: in a list, or by its id as well.
    """
    if not problem.hidden_for:
        return False
    if listed:
        problem.hidden_for -= 1
    return listed or problem.detail_hidden


def _scope_of(table: str) -> str:
    if table in _SCOPES:
        return _SCOPES[table]
    return "storage:smartscape:read" if table.startswith(_NODES) else "storage:entities:read"
