"""
Minions that are asked the same share one job, and each is known by its own answer alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from _dynatrace.master.minion_queries import MinionQueries
from _dynatrace.master.ping import Ping

NOW = 1_800_000_000.0


class Minions:
    """
    Those that are pinged; `returned` has their answers, and `reads` counts the looks at the job cache.
    """

    def __init__(self) -> None:
        self.returned: dict[str, Any] = {}
        self.jobs: list[list[str]] = []
        self.reads = 0
        self.queries = MinionQueries(
            "test", self._publish, self._returns, lambda: None, lambda: NOW
        )
        self.ping = Ping(self.queries.ask)

    def _publish(self, minions: list[str], *_: str) -> str:
        self.jobs.append(minions)
        return f"job {len(self.jobs)}"

    def _returns(self, _jid: str) -> Mapping[str, Any]:
        self.reads += 1
        return self.returned

    def are_connected(self, *minions: str) -> list[bool]:
        return [self.ping.is_connected(minion, NOW - 60, NOW) for minion in minions]


def test_the_answer_of_another_minion_connects_nobody() -> None:
    """
    An order to a minion that is away would spend an attempt and keep others from being healed.
    """
    minions = Minions()
    assert minions.are_connected("web01", "web02") == [False, False]
    minions.returned["web02"] = {"return": True}
    minions.queries.step()
    assert minions.jobs == [["web01", "web02"]]
    assert minions.ping.has_news()
    assert minions.are_connected("web01", "web02") == [False, True]
    minions.returned["web01"] = {"return": True}
    minions.queries.step()
    assert minions.ping.has_news()
    assert minions.are_connected("web01", "web02") == [True, True]


def test_a_job_is_read_once_however_many_it_asks() -> None:
    """
    In a crowded night hundreds wait for their answers, and each look at the cache lists the whole job.
    """
    minions = Minions()
    minions.are_connected(*(f"web{number:03d}" for number in range(100)))
    minions.queries.step()
    minions.queries.step()
    assert (len(minions.jobs), minions.reads) == (1, 2)
