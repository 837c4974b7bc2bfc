"""
Which machine is meant: what is only called like the host is reported, and not acted on.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_commands import order
from tests.functional.engine.world import World

NAMED = {"host": "web01", "fqdn": "web01.example.com", "nodename": "web01"}
ADDRESSED = {"host": "web01", "nodename": "web01", "ipv4": ["192.0.2.10"]}
BY_ANYTHING = {"act_on": ["host_id", "property", "name", "address"]}


def hearsay(scene: Scene, grains: dict[str, Any], **config: Any) -> World:
    """
    Start an engine whose minion web01 does not know the id of its host, and open a problem about its apache2.
    """
    apache = scene.host("web01")
    scene.grains = {"web01": grains}
    world = scene.world(**config)
    scene.tenant.open_problem(apache)
    world.poll()
    return world


def reasons(data: dict[str, Any]) -> list[tuple[str, str]]:
    """
    Return who is held, and why.
    """
    return [(one["minion"], one["reason"]) for one in data["held"]]


def test_a_minion_that_is_matched_by_name_is_not_acted_on(scene: Scene) -> None:
    """
    It is reported with the evidence, held for hours, and nobody is called for it.
    """
    world = hearsay(scene, NAMED)
    (opened,) = world.events()
    assert [(one["minion"], one["matched_by"]) for one in opened["targets"]] == [("web01", "name")]
    assert (opened["minions"], opened["technologies"], opened["attempt"]) == ([], {}, 0)
    assert reasons(opened) == [("web01", "matched by name only")]
    for _ in range(100):
        world.poll(120)
    assert world.whats() == ["open"]
    assert world.ledger.attempts.in_progress.busy_minions() == set()


def test_what_is_matched_by_name_takes_no_capacity(scene: Scene) -> None:
    """
    With room for one, the one that is proved is healed.
    """
    proved = scene.host("web02")
    world = hearsay(scene, NAMED, policy={"max_minions": 1})
    scene.tenant.open_problem(proved)
    world.poll()
    assert [data["minions"] for data in world.events("open")] == [[], ["web02"]]


@pytest.mark.parametrize(("grains", "step"), [(NAMED, "name"), (ADDRESSED, "address")])
def test_a_site_may_act_on_names_and_addresses(
    scene: Scene, grains: dict[str, Any], step: str
) -> None:
    """
    Whoever knows that the names of the network tell the truth says so.
    """
    if step == "address":
        host = scene.tenant.add_host("localhost")
        scene.apaches["web01"] = scene.tenant.add_process(host)
        scene.grains = {"web01": grains}
        world = scene.world(policy=BY_ANYTHING)
        scene.tenant.open_problem(scene.apaches["web01"])
        world.poll()
    else:
        world = hearsay(scene, grains, policy=BY_ANYTHING)
    (opened,) = world.events()
    assert [(one["minion"], one["matched_by"]) for one in opened["targets"]] == [("web01", step)]
    assert opened["minions"] == ["web01"]


def test_a_property_proves_a_minion(scene: Scene) -> None:
    """
    An admin wrote on the host which minion it is.
    """
    host = scene.tenant.add_host("a.example.com", properties={"salt_minion": "web01"})
    scene.grains = {"web01": {"nodename": "b"}}
    world = scene.world()
    scene.tenant.open_problem(scene.tenant.add_process(host))
    world.poll()
    assert world.events("open")[0]["minions"] == ["web01"]


def test_a_retry_does_not_make_a_name_a_proof(scene: Scene) -> None:
    """
    The command forgives what was tried, not who is meant.
    """
    world = hearsay(scene, NAMED)
    order(world, "retry", display_id=world.events()[0]["display_id"])
    for _ in range(5):
        world.poll(31)
    assert world.whats() == ["open"]


def test_a_minion_whose_grain_appears_is_acted_on(scene: Scene) -> None:
    """
    Modules are synced while the problem is open: what was hearsay is proved.
    """
    world = hearsay(scene, NAMED)
    world.minions["web01"] = {**NAMED, "dynatrace": {"host_id": scene.hosts["web01"]}}
    world.index.touch("web01")
    world.poll(31)
    world.poll(31)
    assert [data["minions"] for data in world.events("retry")] == [["web01"]]


def test_a_minion_that_becomes_known_is_acted_on_at_once(scene: Scene) -> None:
    """
    Whoever waits for a minion is looked at again as soon as the index has news, and not when its time is up.
    """
    apache = scene.host("web01")
    world = scene.world()
    grains = world.minions.pop("web01")
    world.index.touch_key("web01")
    scene.tenant.open_problem(apache)
    world.poll(10)
    assert [data["minions"] for data in world.events("open")] == [[]]
    world.minions["web01"] = grains
    world.index.touch_key("web01")
    world.cycle(6)
    assert [data["minions"] for data in world.events("retry")] == [["web01"]]


@pytest.mark.parametrize("what", ["policy", "grain"])
def test_an_order_of_before_is_not_fired_for_what_is_only_hearsay_now(
    scene: Scene, what: str
) -> None:
    """
    Recorded and not fired when the master was restarted: with another `act_on`, or knowing the minion less well.
    """
    apache = scene.host("web01")
    scene.grains = {} if what == "grain" else {"web01": NAMED}
    world = scene.world(**({} if what == "grain" else {"policy": BY_ANYTHING}))
    scene.tenant.open_problem(apache)
    world.bus.refuse = True
    world.poll()
    assert [attempt.state for attempt in world.ledger.attempts.open()] == ["planned"]
    world.bus.refuse = False
    world.given.pop("policy", None)
    world.minions["web01"] = NAMED
    world.restart()
    if what == "policy":
        world.fire()
    for _ in range(20):
        world.poll(25)
    assert [data["minions"] for data in world.events() if data["minions"]] == []
    assert world.events()[0]["what"] == "open"
    assert world.ledger.attempts.open() == []


def test_an_order_that_no_job_took_is_not_given_again_for_hearsay(scene: Scene) -> None:
    """
    A second firing of the same order is asked as strictly as the first.
    """
    world = hearsay(scene, NAMED, policy=BY_ANYTHING)
    assert world.events()[0]["minions"] == ["web01"]
    del world.given["policy"]
    world.restart()
    for _ in range(20):
        world.poll(15)
    assert [data["what"] for data in world.events() if data["minions"]] == ["open"]
    assert world.ledger.attempts.open() == []
    assert "escalated" not in world.whats()


def test_a_stale_reverse_name_orders_nothing_where_names_are_acted_on(scene: Scene) -> None:
    """
    Reverse DNS calls db01 like web07, which is no minion: db01 is not touched for it, whatever a site allows.
    """
    host = scene.tenant.add_host("web07.example.com", ip=["10.1.0.7"])
    stale = {"host": "web07", "fqdn": "web07.example.com", "nodename": "db01"}
    scene.grains = {"db01": {**stale, "ipv4": ["10.1.0.21", "127.0.0.1"]}}
    world = scene.world(policy=BY_ANYTHING)
    scene.tenant.open_problem(scene.tenant.add_process(host))
    for _ in range(20):
        world.poll(60)
    (opened,) = world.events()
    assert (opened["minions"], opened["targets"], opened["attempt"]) == ([], [], 0)
    (unmatched,) = opened["unmatched"]
    assert "db01 fits by name, but its names contradict each other" in unmatched["reason"]


def test_a_cache_that_is_away_neither_ends_the_engine_nor_forgets_a_minion(scene: Scene) -> None:
    """
    Known before, it is healed while neither its grains nor the accepted keys can be read.
    """
    apache = scene.host("web01")
    world = scene.world()

    def away(*_: str) -> Any:
        raise RuntimeError("the cache is away")

    world.index.grains = world.index.accepted = away
    world.index.touch("web01")
    world.index.touch_keys()
    scene.tenant.open_problem(apache)
    world.poll(60)
    assert world.events("open")[0]["minions"] == ["web01"]
