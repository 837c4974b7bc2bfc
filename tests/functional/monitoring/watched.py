"""
Two engines that a real Prometheus scrapes by both ways of docs/how-to/monitor.md, with the shipped rules: one after a
crowded night, and one with all its threads, to which nothing happens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.functional.engine.conftest import Scene
from tests.functional.engine.night import Night, play
from tests.functional.engine.test_commands import order
from tests.functional.engine.test_metrics import lasting
from tests.functional.engine.test_promises import open_body
from tests.functional.engine.test_threads import Engined
from tests.functional.engine.world import GOOD, World
from tests.harness.ports import free_ports
from tests.harness.prometheus import Prometheus
from tests.harness.started import Started
from tests.tenant import Tenant
from tests.unit.docs import monitoring as shipped
from tests.unit.docs.pages import REPO, blocks

PAGE = REPO / "docs" / "how-to" / "monitor.md"
TOKEN = "a-token-for-tests"
#: Prometheus scrapes and evaluates each second: a rate needs two scrapes.
INTERVAL = "1s"
#: What Grafana puts in; the night is over in seconds, and the tests are within these minutes.
VARIABLES = {"$engine": ".*", "$__rate_interval": "15m", "$__range": "15m"}
WITHIN_S = 90.0


def configurations() -> list[dict[str, Any]]:
    """
    Return the scrape jobs of the page, by the webhook and by a port of its own.
    """
    read = [yaml.safe_load(text) for text in blocks(PAGE, "yaml")]
    return [job for one in read for job in one.get("scrape_configs", [])]


def filled(expression: str) -> str:
    """
    Return a query of the dashboard as Grafana sends it.
    """
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


class Watched(Started):
    """
    The engines and their Prometheus; `night` is the world of the one, `quiet` the other.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.webhook, self.other = free_ports(2)
        self._parts: list[Any] = []

    def start(self) -> None:
        self.quiet = Engined(self._tenant(), self._own("quiet"))
        self.exporter = self.quiet.engine.config.get("metrics.port")
        self.prometheus = Prometheus(self._configuration())
        self._parts.append(self.prometheus)
        self.prometheus.start()
        scene = Begun(self._tenant(), self._own("night"), self._is_seen)
        webhook = {"port": self.webhook, "token": TOKEN}
        self.story: Night = play(scene, webhook=webhook, metrics={"port": self.other})
        self.night = self.story.world
        self._morning(scene)

    def stop(self) -> None:
        for part in reversed(self._parts):
            part.stop()

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """
        Let the engine of the night poll until a condition holds; the other one does by itself.
        """
        deadline = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {what}"
            world = self.night
            world.now = time.time()
            world.reconciler._next_poll = 0.0
            world.reconciler.step()
            world.fire()
            time.sleep(0.5)

    def samples(self, query: str) -> list[float]:
        """
        Return the numbers that a query of the dashboard gives, without those that are none.
        """
        found = [float(one["value"][1]) for one in self.prometheus.query(filled(query))]
        return [value for value in found if not math.isnan(value)]

    def exposition(self, port: int, token: str = "") -> requests.Response:
        """
        Return what an engine's port answers.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=30)

    def _tenant(self) -> Tenant:
        tenant = Tenant()
        tenant.start()
        self._parts.append(tenant)
        tenant.login = "classic"  # type: ignore[attr-defined]
        return tenant

    def _own(self, name: str) -> Path:
        (self.directory / name).mkdir()
        return self.directory / name

    def _is_seen(self, world: World) -> None:
        """
        Have an engine scraped before anything happens: of what begins with the first scrape nobody sees that it grew.
        """
        serve(world)
        up = f'up{{instance="127.0.0.1:{self.webhook}"}} == 1'
        deadline = time.monotonic() + WITHIN_S
        while not self.prometheus.query(up):
            assert time.monotonic() < deadline, self.prometheus.query("up")
            time.sleep(0.2)

    def _morning(self, scene: Scene) -> None:
        """
        What the night has not seen: a return that tells how long it took, a notification, and a tenant that fails once.
        """
        world = self.night
        order(world, "resume", who="bob")
        self.story.attempt("paused", lasting(GOOD, 1500.5))
        order(world, "pause", reason="for the panel", who="bob")
        problem = scene.tenant.open_problem(scene.apaches["web01"], start=world.now - 5)
        world.notify(open_body(problem))
        world.cycle(1)
        world.send_comments()
        scene.tenant.fault("server_error", times=1, path="/problems")
        world.poll(30)

    def _configuration(self) -> Mapping[str, Any]:
        by_webhook, by_port = configurations()
        token = self.directory / "token"
        token.write_text(TOKEN)
        by_webhook["authorization"]["credentials_file"] = str(token)
        # The listener of the test has no certificate.
        by_webhook["scheme"] = "http"
        jobs = []
        for number, (job, port) in enumerate(
            ((by_webhook, self.webhook), (by_port, self.exporter))
        ):
            # One job cannot be named twice; the rules see them as one.
            static = {"targets": [f"127.0.0.1:{port}"], "labels": {"job": job["job_name"]}}
            own = {"job_name": str(number), "scrape_interval": INTERVAL, "static_configs": [static]}
            jobs.append({**job, **own})
        return {
            "global": {"evaluation_interval": INTERVAL},
            "rule_files": [str(shipped.ALERTS)],
            "scrape_configs": jobs,
        }


class Begun(Scene):
    """
    A scene that tells of each engine before anything happens to it.
    """

    def __init__(self, tenant: Tenant, directory: Path, begun: Callable[[World], None]) -> None:
        super().__init__(tenant, directory)
        self._begun = begun

    def world(self, **config: Any) -> World:
        world = super().world(**config)
        self._begun(world)
        return world


def serve(world: World) -> None:
    """
    Start the threads of an engine that serve; what it decides is the test's to call.
    """
    loops = world.engine.loops
    wanted = ("recorder", "listener", "exporter")
    world.engine.threads.start({name: loops[name] for name in wanted if name in loops})
