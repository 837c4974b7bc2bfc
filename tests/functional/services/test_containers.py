"""
Containers of real engines in every kind of trouble: the one that is meant is brought back, and no other one is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.services import engines
from tests.functional.services.engines import LOOP, Engine
from tests.functional.services.services import FULL, Services, shipped
from tests.functional.services.test_orders import outcome

TROUBLES = {
    "killed": ("kill", "--signal=KILL"),
    "stopped": ("stop", "--time=1"),
    "paused": ("pause",),
}
GIVEN = {"container": "cart-*", "deadline": 20, "starts_within": 1}
TELLS = "echo 'no database: password=hunter2'; exit 3"
#: What calls itself unhealthy until it is restarted.
SICK = f"touch /well; {LOOP}"
HEALTH = ("--health-cmd=test -e /well", "--health-interval=1s", "--health-retries=1")
OWNED = "/run/owned"
HOSTILE = (
    f"CONTAINER_NAME: cart-hostile; touch {OWNED}",
    f"CONTAINER_NAME: $(touch {OWNED})",
    "CONTAINER_NAME: --all",
    "CONTAINER_NAME: cart-*",
    "CONTAINER_ID: ",
    "CONTAINER_ID: {part}",
)


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: Any, services: Services) -> Iterator[Engine]:
    if missing := engines.lacking(request.param):
        pytest.skip(missing)
    engine = Engine(services.machine, request.param)
    yield engine
    engine.clear()


def not_twice(engine: Engine) -> None:
    """
    Skip what is the same for both engines and takes long, but with FULL=1.
    """
    if engine.name == "podman" and not FULL:
        pytest.skip("only with FULL=1")


@pytest.fixture
def heal(services: Services) -> Any:
    """
    Run the remedy for `cart-*` by an order that names a container so.
    """

    def run(told: str, **settings: Any) -> dict[str, Any]:
        settings = {**GIVEN, **settings}
        return services.ordered(settings, by="technology", container=told)

    return run


def test_the_one_that_is_named_is_brought_back(engine: Engine, heal: Any) -> None:
    """Another main process runs in it; what else fits stays as it is, also what is in the same trouble."""
    engine.add("cart-lives")
    for trouble, words in TROUBLES.items():
        names = [f"cart-{trouble}", f"cart-{trouble}-2", "cart-lives"]
        for name in names[:2]:
            engine.add(name)
            engine.run(*words, name)
        before = [engine.pid(name) for name in names]
        told = heal(f"CONTAINER_NAME: {names[0]}")
        assert outcome(told) == "healed", told
        assert f"container {names[0]} is active" in told["comment"]
        after = [engine.pid(name) for name in names]
        assert engine.state(names[0])["Status"] == "running" and after[0] not in (0, before[0])
        assert after[1:] == before[1:]


def test_one_that_hangs_fails_the_sites_proof(
    engine: Engine, heal: Any, services: Services
) -> None:
    """To its engine it runs."""
    not_twice(engine)
    place = f"127.0.0.1:{engines.PORTS[engine.name]}"
    engine.add("cart-hangs", f"exec httpd -f -p {place}", "--stop-timeout=1")
    proof = {"proof": f"http://{place}/"}
    assert outcome(heal("CONTAINER_NAME: cart-hangs", **proof)) == "healthy"
    main = engine.pid("cart-hangs")
    assert main
    services.machine.run("kill", "-STOP", str(main))
    told = heal("CONTAINER_NAME: cart-hangs", **proof, timeout=3)
    assert (outcome(told), told["changes"]) == ("healed", {"cart-hangs": "restarted"}), told
    assert "fails the site's own proof" in told["comment"]
    assert engine.pid("cart-hangs") not in (0, main)


def test_two_that_fit_are_refused(engine: Engine, heal: Any, services: Services) -> None:
    """Where Dynatrace does not tell which of them."""
    names = ("pair-1", "pair-2")
    for name in names:
        engine.add(name, verb="create")
    told = services.ordered({**GIVEN, "container": "pair-*"}, by="process", container="DOCKER_X: 1")
    assert (outcome(told), told["changes"]) == ("refused", {})
    assert "several containers fit pair-*: pair-1, pair-2" in told["comment"], told
    assert [engine.pid(name) for name in names] == [0, 0]


def test_a_hostile_name_does_nothing(engine: Engine, heal: Any, services: Services) -> None:
    """It is compared with what is there, and is nothing else; a part of an id is no id."""
    not_twice(engine)
    engine.add("cart-hostile", verb="create")
    number = engine.run("inspect", "--type", "container", "--format", "{{.Id}}", "cart-hostile")
    for told in HOSTILE:
        found = heal(told.format(part=number[:1]), container="cart-hostile")
        assert (outcome(found), found["changes"]) == ("refused", {}), (told, found)
    assert engine.pid("cart-hostile") == 0
    services.machine.run("test", "!", "-e", OWNED)
    found = heal(f"CONTAINER_ID: {number[:12]}", container="cart-hostile")
    assert outcome(found) == "healed", found


def test_one_that_does_not_come_up_tells_why(engine: Engine, heal: Any) -> None:
    """What it printed before it died, without its secrets; and what the engine says, where it never ran."""
    engine.add("cart-ends", TELLS, verb="create")
    told = heal("CONTAINER_NAME: cart-ends", stays=3, deadline=1)
    assert outcome(told) == "failed" and "no database" in told["comment"], told
    assert "hunter2" not in told["comment"]
    engine.run("create", "--name=cart-empty", *engines.OPTIONS[engine.name], engines.IMAGE, "/nope")
    told = heal("CONTAINER_NAME: cart-empty")
    assert (outcome(told), told["changes"]) == ("failed", {"cart-empty": "start tried"})
    assert f"{engine.name} start failed" in told["comment"] and "/nope" in told["comment"]


@pytest.fixture
def docker(services: Services) -> Iterator[Engine]:
    if missing := engines.lacking("docker"):
        pytest.skip(missing)
    engine = Engine(services.machine, "docker")
    yield engine
    engine.clear()


def test_one_that_calls_itself_unhealthy_is_restarted(
    docker: Engine, heal: Any, services: Services
) -> None:
    """And is asked until its own test says that it is well."""
    docker.add("cart-sick", SICK, *HEALTH)
    main = docker.pid("cart-sick")

    def health() -> str:
        return str(docker.state("cart-sick")["Health"]["Status"])

    services.machine.wait_for(lambda: health() == "healthy")
    docker.run("exec", "cart-sick", "rm", "/well")
    services.machine.wait_for(lambda: health() == "unhealthy")
    told = heal("CONTAINER_NAME: cart-sick")
    assert (outcome(told), told["changes"]) == ("healed", {"cart-sick": "restarted"}), told
    assert "says of itself that it is unhealthy" in told["comment"]
    assert docker.pid("cart-sick") not in (0, main)


def test_the_same_name_in_both_engines_is_refused(
    docker: Engine, heal: Any, services: Services
) -> None:
    """Dynatrace does not tell which engine it means."""
    if missing := engines.lacking("podman"):
        pytest.skip(missing)
    other = Engine(services.machine, "podman")
    for one in (docker, other):
        one.add("cart-twin", verb="create")
    told = heal("CONTAINER_NAME: cart-twin")
    other.clear()
    assert outcome(told) == "refused" and "(of docker and podman)" in told["comment"], told


def test_a_docker_that_somebody_has_stopped_is_not_started_by_a_question(
    docker: Engine, heal: Any, services: Services
) -> None:
    """systemd would start it for whoever asks at its socket; what is not known of its containers restarts nothing."""
    docker.add("cart-rests")
    services.machine.run("systemctl", "stop", "docker.service")
    told = heal("CONTAINER_NAME: cart-rests")
    assert outcome(told) == "refused" and "Docker does not run" in told["comment"], told
    services.machine.run("systemctl", "start", "plain")
    proof = {"service": "plain", "proof": "container:cart-rests", "starts_within": 1, "deadline": 1}
    told = services.ordered(proof, by="process")
    assert outcome(told) == "refused" and "Docker does not run" in told["comment"], told
    assert services.show("docker.service", "ActiveState") == "inactive"


@pytest.mark.parametrize(("signal", "live_restore"), [("KILL", False), ("STOP", True)])
def test_docker_itself_is_healed_and_its_containers_stay_with_live_restore_only(
    docker: Engine, services: Services, signal: str, live_restore: bool
) -> None:
    """Without it each start of the daemon ends what ran; what has no restart policy stays down."""
    docker.configure(**{"live-restore": live_restore})
    policies = ("no", "always")
    for policy in policies:
        docker.add(policy, LOOP, f"--restart={policy}")
    before = [docker.pid(policy) for policy in policies]
    kill = ("systemctl", "kill", "--kill-who=main", f"--signal={signal}", "docker.service")
    services.machine.run(*kill)
    told = services.ordered(shipped("docker"), by="unit", unit="docker.service")
    assert outcome(told) == "healed", told
    after = [docker.pid(policy) for policy in policies]
    if live_restore:
        assert after == before
    else:
        assert after[0] == 0 and after[1] not in (0, before[1])
