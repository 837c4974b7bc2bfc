"""
The ledger's outbox: events that are recorded before they are fired, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..core.records import Outgoing
from ..core.states import ActionState, AttemptState, sources, sql
from .database import Records

#: Of an attempt whose event is on the bus now, and of one that no job took yet.
_UNFIRED = sql(*sources(AttemptState.FIRED))
_UNTAKEN = sql(*sources(AttemptState.RUNNING))


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

    def waiting(self, limit: int = 500) -> list[Outgoing]:
        query = "SELECT * FROM outbox WHERE fired IS NULL ORDER BY seq LIMIT ?"
        return self._db.all(Outgoing, query, limit)

    def waiting_one(self, seq: int) -> Outgoing | None:
        """
        Return one event as it is now, or None if it has been fired: it may have been disarmed since it was listed.
        """
        query = "SELECT * FROM outbox WHERE seq = ? AND fired IS NULL"
        return self._db.first(Outgoing, query, seq)

    def fired(self, event: Outgoing, now: float) -> None:
        """
        Note that an event is on the bus. The attempt that it orders counts from now: it may have waited for the bus, or
        for an engine, since it was recorded.
        """
        with self.transaction():
            self._db.write("UPDATE outbox SET fired = ? WHERE seq = ?", now, event.seq)
            self.count(f"events_{event.data.get('what', 'other')}")
            self._db.write(
                "UPDATE attempts SET fired = ?1, first_fired = coalesce(first_fired, ?1), state ="
                f" CASE WHEN state IN {_UNFIRED} THEN '{AttemptState.FIRED}' ELSE state END WHERE attempt_id = ?2",
                *(now, event.attempt_id),
            )
            self._db.write(
                f"UPDATE actions SET started = ? WHERE attempt_id = ? AND state = '{ActionState.WAITING}'",
                *(now, event.attempt_id),
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
                    "UPDATE outbox SET fired = NULL WHERE seq = ? AND (attempt_id IS NULL OR attempt_id IN"
                    f" (SELECT attempt_id FROM attempts WHERE state IN {_UNTAKEN}))",
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
