"""
A container is restarted as such: by its engine, when its name fits, and never as the host's service.

`engine.py` says what stands for an engine here, and what that does not model. Real ones are in trouble in
`services/test_containers.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.remedy.engine import DEAD, RUNNING, Engine
from tests.harness.masterless import order
from tests.unit.minion import loading
from tests.unit.minion.loading import load, named, private

PATIENCE = {"stays": 0.3, "deadline": 1, "starts_within": 1, "timeout": 30, "service_timeout": 60}
_attempts = itertools.count(1)
Heal = Callable[..., dict[str, Any]]


@pytest.fixture(params=["docker", "podman"])
def engine(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Engine(tmp_path, request.param)


@pytest.fixture
def heal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heal]:
    """
    Run the remedy for `cart*` by an order that tells so of the container, or by hand without one.
    """

    def run(told: str | None = None, by: str = "technology", **settings: Any) -> dict[str, Any]:
        pillar: dict[str, Any] = {}
        if told:
            attempt = order(f"{next(_attempts):016x}", {"container": told, "by": by})
            settings = {"container": "cart*", **PATIENCE, **settings}
            attempt["remedy"] = {"name": "cart", "settings": settings}
            pillar, settings = {"dynatrace_attempt": attempt}, {"ordered": True}
        else:
            settings = {"container": "cart*", **PATIENCE, **settings}
        opts = {"cachedir": str(tmp_path / "cache"), "test": False, "id": "scratch"}

        def never(*_: Any) -> None:
            raise AssertionError("the service manager of the host was asked")

        functions = named({"service.start": never, "service.restart": never})
        package = private(opts=opts, salt=functions, grains={"os_family": "Debian"}, pillar=pillar)
        package.remedy.order.others = lambda opts, jid: ""
        # This machine's own Docker is none of it.
        monkeypatch.setattr(package.service.unit, "BOOTED", str(tmp_path / "none"))
        states: Any = load("_states/dynatrace.py")
        with loading.together():
            return dict(states.healed("cart", **settings))

    yield run


def outcome(told: dict[str, Any]) -> str:
    return str(told["dynatrace"]["outcome"])


@pytest.mark.parametrize("told", [None, "CONTAINER_NAME: cart-1", f"CONTAINER_ID: {1:064x}"])
def test_a_dead_one_is_started(engine: Engine, heal: Heal, told: str | None) -> None:
    """By its id, and it is proved by the engine."""
    number = engine.add("cart-1", DEAD)
    engine.add("db", DEAD)
    found = heal(told)
    assert outcome(found) == "healed", found
    assert engine.orders == [f"start {number}"]
    assert found["changes"] == {"cart-1": "started"}
    assert "container cart-1 is active" in found["comment"]


def test_one_that_serves_is_left_alone(engine: Engine, heal: Heal) -> None:
    """It runs, longer than it has to stay."""
    engine.add("cart-1", {**RUNNING, "Health": {"Status": "healthy"}})
    found = heal("CONTAINER_NAME: cart-1")
    assert (outcome(found), engine.orders, found["changes"]) == ("healthy", [], {})


def test_a_test_of_health_that_has_not_ended_restarts_nothing(engine: Engine, heal: Heal) -> None:
    """Nobody knows yet."""
    engine.add("cart-1", {**RUNNING, "Health": {"Status": "starting"}})
    found = heal()
    assert (outcome(found), engine.orders) == ("refused", []), found


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "several containers fit cart*: cart-1, cart-2"),
        ("CONTAINER_IMAGE_NAME: cart", "several containers fit"),
        ("CONTAINER_NAME: cart-3", "no container fits cart*, and Dynatrace tells of"),
        ("CONTAINER_NAME: db", "no container fits"),
        ("KUBERNETES_FULL_POD_NAME: cart-6c9f", "a pod's container"),
    ],
)
def test_what_is_not_clear_is_refused(
    engine: Engine, heal: Heal, told: str | None, said: str
) -> None:
    """Two that fit, none that fits, and one that its cluster brings back."""
    for name in ("cart-1", "cart-2", "db"):
        engine.add(name, DEAD)
    found = heal(told)
    assert (outcome(found), engine.orders, found["changes"]) == ("refused", [], {})
    assert said in found["comment"]


def test_a_technology_needs_the_name_of_the_container(engine: Engine, heal: Heal) -> None:
    """Though only one fits: by its process the catalogue says that it is this one."""
    engine.add("cart-1", DEAD)
    found = heal("isDockerized")
    assert (outcome(found), engine.orders) == ("refused", []) and "no identity" in found["comment"]
    assert outcome(heal("isDockerized", by="process")) == "healed"


def test_a_start_that_hangs_is_bounded(engine: Engine, heal: Heal) -> None:
    """The attempt fails, and does not wait for it."""
    engine.add("cart-1", DEAD, hangs=True)
    found = heal(service_timeout=6)  # Finding it takes a part of them.
    assert outcome(found) == "failed" and "does not answer within" in found["comment"]


def test_the_proof_of_another_container_is_by_its_name(engine: Engine, heal: Heal) -> None:
    """`container:name` is exact."""
    engine.add("cart-1", DEAD)
    engine.add("proxy", RUNNING)
    assert outcome(heal(proof="container:proxy")) == "healed"
    engine.add("cart-9", RUNNING)
    found = heal(container="cart-9", proof=["container:prox"])
    assert outcome(found) == "failed" and "there is no container prox" in found["comment"]


def test_without_an_engine_nothing_is_done(
    heal: Heal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what this minion lacks."""
    monkeypatch.setattr(private().service.unit, "PLACES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = heal()
    assert outcome(found) == "refused", found
