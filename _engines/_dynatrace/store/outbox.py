"""
The ledger's outbox: events that are recorded before they are fired, in their order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..core.records import Outgoing
from ..core.states import ActionState, AttemptState, sources, sql
from .table import Records

#: So many events are read, fired and recorded together: a commit costs as much as firing ten, an order waits for no more
#: than these, and no more are fired twice when the engine is killed in between.
BATCH = 64
#: Of an attempt whose event is on the bus now, and of one that no job took yet.
_UNFIRED = sql(*sources(AttemptState.FIRED))
_UNTAKEN = sql(*sources(AttemptState.RUNNING))
#: Which orders may be fired: none while all is paused, and none that is stale.
_MAY_BE_FIRED = "fired IS NULL AND fresh_until >= ? AND NOT EXISTS (SELECT 1 FROM settings WHERE key = 'paused')"


class Outbox(Records):
    """
    Events that wait for the bus, and with them the orders of attempts.
    """

    def add(
        self,
        problem_key: str,
        tag: str,
        data: dict[str, Any],
        now: float,
        fresh_until: float | None = None,
    ) -> None:
        """
        Put an event at the end of the outbox; with ``fresh_until`` it orders an attempt and must not be fired later.
        """
        orders = data.get("attempt_id") if fresh_until is not None else None
        self._db.write(
            "INSERT INTO outbox (problem_key, tag, data, attempt_id, fresh_until, created) VALUES (?, ?, ?, ?, ?, ?)",
            *(problem_key, tag, json.dumps(data), orders, fresh_until, now),
        )

    def orders(self, now: float, after: int = 0, limit: int = BATCH) -> list[Outgoing]:
        """
        Return orders that may be fired, oldest first, from one number on: none while all is paused, and none that is stale.
        """
        return self._db.all(
            Outgoing,
            # By expressions of the number, or sqlite would look for orders among all reports.
            f"SELECT * FROM outbox WHERE {_MAY_BE_FIRED} AND +seq > ? ORDER BY +seq LIMIT ?",
            *(now, after, limit),
        )

    def orders_ahead(self, now: float, limit: int) -> int:
        """
        Return how many orders wait that may be fired, as ``orders`` lists them; more than ``limit`` are not counted.
        """
        return int(
            self._db.value(
                f"SELECT count(*) FROM (SELECT 1 FROM outbox WHERE {_MAY_BE_FIRED} LIMIT ?)",
                *(now, limit),
            )
        )

    def oldest_order(self) -> float | None:
        """
        Return when the first order was recorded that waits to be fired.
        """
        return self._oldest("fresh_until IS NOT NULL")

    def oldest_report(self) -> float | None:
        """
        Return when the first event was recorded that orders nothing and waits to be fired.
        """
        return self._oldest("fresh_until IS NULL")

    def _oldest(self, which: str) -> float | None:
        query = f"SELECT created FROM outbox WHERE fired IS NULL AND {which} ORDER BY seq LIMIT 1"
        created: float | None = self._db.value(query)
        return created

    def before(self, order: Outgoing) -> list[Outgoing]:
        """
        Return what waits about the same problem and must be fired before an order: events about one problem come in order.
        """
        query = (
            "SELECT * FROM outbox WHERE problem_key = ? AND seq < ? AND fired IS NULL ORDER BY seq"
        )
        return self._db.all(Outgoing, query, order.problem_key, order.seq)

    def reports(self, limit: int = BATCH) -> list[Outgoing]:
        """
        Return events that order nothing, oldest first, without those that must wait for an order about the same problem.
        """
        return self._db.all(
            Outgoing,
            "SELECT * FROM outbox AS report WHERE fired IS NULL AND fresh_until IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM outbox AS earlier WHERE earlier.problem_key = report.problem_key"
            " AND earlier.seq < report.seq AND earlier.fired IS NULL AND earlier.fresh_until IS NOT NULL)"
            " ORDER BY seq LIMIT ?",
            limit,
        )

    def waiting_one(self, seq: int) -> Outgoing | None:
        """
        Return one event as it is now, or None if it has been fired: it may have been disarmed since it was listed.
        """
        query = "SELECT * FROM outbox WHERE seq = ? AND fired IS NULL"
        return self._db.first(Outgoing, query, seq)

    def fired(self, events: Sequence[Outgoing], now: float) -> None:
        """
        Note in one commit that events are on the bus; if that is lost, they are fired again under the same ids. An attempt
        that one of them orders counts from now: it may have waited for the bus, or for an engine, since it was recorded.
        """
        with self.transaction(soon=True):
            self._db.write(
                "UPDATE outbox SET fired = ? WHERE seq IN (SELECT value FROM json_each(?))",
                *(now, json.dumps([event.seq for event in events])),
            )
            kinds = Counter(event.data.get("what", "other") for event in events)
            for what, count in kinds.items():
                self.count("events", what, by=count)
            for event in events:
                if event.attempt_id is not None:
                    self._order_fired(event.attempt_id, now)

    def _order_fired(self, attempt_id: str, now: float) -> None:
        self._db.write(
            "UPDATE attempts SET fired = ?1, first_fired = coalesce(first_fired, ?1), state ="
            f" CASE WHEN state IN {_UNFIRED} THEN '{AttemptState.FIRED}' ELSE state END WHERE attempt_id = ?2",
            *(now, attempt_id),
        )
        self._db.write(
            f"UPDATE actions SET started = ? WHERE attempt_id = ? AND state = '{ActionState.WAITING}'",
            *(now, attempt_id),
        )

    def unfire(self, seqs: Sequence[int]) -> None:
        """
        Let events be fired again that may be lost with the bus that took them.

        An attempt among them stays fired: a reactor may have it, and may execute it until its validity has passed.
        """
        with self.transaction():
            for seq in seqs:
                # An order that a job took was not lost, and nobody would give it again once it is too old.
                self._db.write(
                    "UPDATE outbox SET fired = NULL WHERE seq = ? AND (attempt_id IS NULL OR EXISTS (SELECT 1 FROM"
                    f" attempts WHERE attempts.attempt_id = outbox.attempt_id AND state IN {_UNTAKEN}))",
                    seq,
                )
                self._db.write(
                    "UPDATE attempts SET first_fired = NULL WHERE first_fired = fired AND attempt_id ="
                    " (SELECT attempt_id FROM outbox WHERE seq = ?)",
                    seq,
                )

    def order_taken(self, attempt_id: str, now: float) -> None:
        """
        Note that a job took an order: it was fired, even if the engine was killed before it could write that down.
        """
        with self.transaction():
            self._db.write(
                "UPDATE outbox SET fired = ? WHERE attempt_id = ? AND fired IS NULL",
                now,
                attempt_id,
            )
            self._db.write(
                f"UPDATE attempts SET state = '{AttemptState.RUNNING}', started = ?1, fired = coalesce(fired, ?1),"
                f" first_fired = coalesce(first_fired, ?1) WHERE attempt_id = ?2 AND state IN {_UNTAKEN}",
                *(now, attempt_id),
            )

    def refire(self, attempt_id: str, fresh_until: float) -> None:
        """
        Let the event that orders an attempt be fired (again), under the same ids.
        """
        query = "UPDATE outbox SET fired = NULL, fresh_until = ? WHERE attempt_id = ?"
        self._db.write(query, fresh_until, attempt_id)

    def disarm(self, attempt_id: str, data: dict[str, Any]) -> None:
        """
        Make the event that ordered an attempt a mere report, where it waits to be fired; once fired it is not repeated.
        """
        self._db.write(
            "UPDATE outbox SET data = ?, attempt_id = NULL, fresh_until = NULL,"
            " fired = (SELECT first_fired FROM attempts WHERE attempts.attempt_id = outbox.attempt_id)"
            " WHERE attempt_id = ? AND fired IS NULL",
            *(json.dumps(data), attempt_id),
        )

    def event_of(self, attempt_id: str) -> dict[str, Any] | None:
        data = self._db.value(
            "SELECT data FROM outbox WHERE attempt_id = ? ORDER BY seq DESC LIMIT 1", attempt_id
        )
        return json.loads(data) if data else None
