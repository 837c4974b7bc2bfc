"""
Asks minions whether they are connected: only those whose last job never returned, before they are given another.

A job that is published while a minion is not connected is lost, since Salt's publisher keeps nothing for it. An order
would then only wait for its timeout, keep others from being healed, and spend an attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from .minion_queries import Query

#: One that did not answer is asked again after this time.
AGAIN_S = 60.0


class Ping:
    """
    What is known of minions that did not return. All but ``started`` belongs to the reconciler's thread.
    """

    def __init__(self, ask: Callable[[Query], None]) -> None:
        self._ask = ask
        #: By minion: the query, when it was asked, and after which loss; and the loss after which it answered. Losses
        #: are told apart by their times, and never compared with a clock, which may have been set.
        self._asked: dict[str, tuple[Query, float, float]] = {}
        self._answered: dict[str, float] = {}

    def is_connected(self, minion: str, lost_at: float, now: float) -> bool:
        """
        Tell whether a minion answered since its job was lost; if that is not known it is asked, and is not connected yet.
        """
        if self.answered(minion, lost_at):
            return True
        _, asked, after = self._asked.get(minion, (None, 0.0, None))
        # A clock that was set back must not silence the question.
        if after != lost_at or not 0 <= now - asked < AGAIN_S:
            query = Query(("test.ping",), frozenset([minion]))
            self._asked[minion] = query, now, lost_at
            self._ask(query)
        return False

    def answered(self, minion: str, lost_at: float) -> bool:
        """
        Tell whether it is known that a minion answered since its job was lost. Any thread may call it.
        """
        return self._answered.get(minion) == lost_at

    def started(self, minion: str) -> None:
        """
        Note that a minion seems to have started: if it is waited for, it is asked as soon as may be.
        """
        if asked := self._asked.get(minion):
            self._ask(asked[0])

    def has_news(self) -> bool:
        """
        Tell whether anybody answered since this was asked last.
        """
        answered = {
            minion: lost_at for minion, (query, _, lost_at) in self._asked.items() if query.returns
        }
        self._answered.update(answered)
        for minion in answered:
            del self._asked[minion]
        return bool(answered)


class Unasking(Ping):
    """
    What another knows of minions that did not return, by which nobody is asked.
    """

    def __init__(self, known: Ping) -> None:
        super().__init__(lambda _: None)
        self._known = known

    def is_connected(self, minion: str, lost_at: float, now: float) -> bool:
        return self._known.answered(minion, lost_at)
