"""
One crowded night, for whoever is asked about it later: each problem ended, or stands, in another way.

`Night.problems` has them by what happened, `Night.answers` what a person should be able to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_commands import order
from tests.functional.engine.world import BAD, GOOD, World
from tests.tenant import Problem

POLICY = {"cooldown": 300, "max_attempts": 2, "attempt_window": 3600, "deny": ["web02"]}
CATALOGUE = {
    "apache2": {"on": {"technology": "APACHE_HTTPD"}, "service": "apache2"},
    "nginx": {"on": {"technology": "NGINX"}, "service": "nginx"},
}
HOSTILE = "Process down <script>alert(1)</script> \u202egnp.exe \x1b[31m{{ 7 * 7 }}"
NUMBERS = range(1, 11)
#: So long ago it began, by the machine's clock.
AGO_S = 7200.0


@dataclass
class Night:
    """
    The engine after that night; `now` is its time, and the tenant still shows what it left open.
    """

    world: World
    scene: Scene
    problems: dict[str, Problem] = field(default_factory=dict)

    def name(self, story: str) -> str:
        """
        Return the display id of what happened so.
        """
        return self.problems[story].display_id

    def open(self, story: str, entity: str, ago: float = 5.0, **details: Any) -> None:
        start = self.world.now - ago
        self.problems[story] = self.scene.tenant.open_problem(entity, start=start, **details)

    def close(self, story: str) -> None:
        """
        Let the tenant close a problem at the world's time.
        """
        problem = self.problems[story]
        self.scene.tenant.close_problem(problem)
        problem.end = int(self.world.now * 1000)
        self.world.poll(30)

    def order_of(self, story: str) -> dict[str, Any]:
        """
        Return the event of the latest order about a problem.
        """
        own = [one for one in self.world.events() if one["display_id"] == self.name(story)]
        return [one for one in own if one["attempt"]][-1]

    def attempt(self, story: str, returned: Any, seconds: float = 3.0) -> None:
        """
        Let the latest order about a problem be taken, and return after some seconds.
        """
        ordered = self.order_of(story)
        self.world.take(ordered)
        self.world.cycle(seconds)
        for minion in ordered["minions"]:
            self.world.give(ordered["jid"], minion, returned)
        self.world.cycle(1)


def play(scene: Scene, **config: Any) -> Night:
    """
    Let the night pass, from ten hosts that serve to a pause that is still in force.
    """
    apache = {n: scene.host(f"web{n:02}") for n in NUMBERS}
    redis = scene.tenant.add_process(scene.hosts["web04"], "redis", technology="REDIS")
    stranger = scene.tenant.add_process(scene.tenant.add_host("db01.example.com"), "mysqld")
    world = scene.world(remedies=CATALOGUE, policy=POLICY, **config)
    world.takes = lambda _: False
    world.now -= AGO_S
    world.status.started -= AGO_S
    world.commands.started -= AGO_S
    night = Night(world, scene)
    for part in (_early, _late):
        for _ in part(night, apache, redis, stranger):
            world.cycle(1)
            world.send_comments()
    return night


def _early(night: Night, apache: dict[int, str], redis: str, stranger: str) -> Iterator[None]:
    """
    What is over by the morning: healed at the second attempt, given up, healed by others during a pause.
    """
    world = night.world
    night.open("healed at the second attempt", apache[1], 20.0)
    night.open("given up", apache[3])
    world.poll()
    for story in ("healed at the second attempt", "given up"):
        night.attempt(story, BAD)
        yield
    world.poll(610)
    night.attempt("healed at the second attempt", GOOD)
    night.attempt("given up", BAD)
    yield
    night.close("healed at the second attempt")
    order(world, "pause", reason="change CH-77", who="alice")
    night.open("recovered by others", apache[7])
    world.poll(30)
    world.cycle(570)
    night.close("recovered by others")
    order(world, "resume", who="alice")
    yield


def _late(night: Night, apache: dict[int, str], redis: str, stranger: str) -> Iterator[None]:
    """
    What still stands: forbidden, without a remedy, unknown, under maintenance, healed and not closed, cooling down, at
    work, and paused.
    """
    world = night.world
    night.open("forbidden", apache[2], title=HOSTILE)
    night.open("no remedy", redis)
    night.open("no minion", stranger)
    night.open("maintenance", apache[9], under_maintenance=True)
    night.open("healed, still open", apache[8])
    night.open("cooling down", apache[5])
    night.open("at work", apache[6])
    world.poll(60)
    night.attempt("healed, still open", GOOD)
    night.attempt("cooling down", BAD)
    world.take(night.order_of("at work"))
    yield
    order(world, "pause", reason="database migration, ask bob", who="bob")
    night.open("paused", apache[10])
    world.poll(30)
    yield
