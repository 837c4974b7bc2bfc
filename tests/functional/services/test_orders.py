"""
What an order may name on a real systemd: units of the catalogue, processes, interpreters; and what is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.services.services import Services, lacking

UNITS = {"units": ["app-*", "worker@*"]}
HEALTH = "/etc/nginx/conf.d/health.conf"
SERVER = "server {{ listen 81; location / {{ return {status}; }} }}\n"


def outcome(told: dict[str, Any]) -> str:
    return str(told["dynatrace"]["outcome"])


def active(services: Services) -> list[str]:
    """
    Return what runs, but for the minion's own job.
    """
    listed = ("list-units", "--type=service", "--state=active", "--plain", "--no-legend")
    lines = services.machine.output("systemctl", *listed).splitlines()
    return sorted(line.split()[0] for line in lines if not line.startswith("job-"))


@pytest.mark.parametrize("name", ["worker@2", "worker@2.service"])
def test_the_instance_that_dynatrace_names_is_healed(services: Services, name: str) -> None:
    """It, and no other of its template."""
    services.machine.run("systemctl", "stop", "worker@1", "worker@2")
    told = services.ordered(UNITS, by="unit", unit=name)
    assert outcome(told) == "healed", told
    assert services.show("worker@2", "ActiveState") == "active"
    assert services.show("worker@1", "ActiveState") == "inactive"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../x", "is no name of a unit"),
        ("plain.service", "is not in the catalogue"),
        ("app-missing", "is not known to systemd"),
    ],
)
def test_any_other_name_does_nothing(services: Services, name: str, said: str) -> None:
    """The reason is told, and no unit of the machine begins or ends."""
    before = active(services)
    told = services.ordered(UNITS, by="unit", unit=name)
    assert (outcome(told), told["changes"]) == ("refused", {})
    assert said in told["comment"]
    assert active(services) == before


def test_a_masked_and_an_empty_unit_are_refused(services: Services) -> None:
    """Its admin has forbidden the one; the other only holds units together."""
    services.machine.run("systemctl", "mask", "--runtime", "app-masked.service")
    told = services.ordered(UNITS, by="unit", unit="app-masked")
    assert outcome(told) == "refused" and "is masked" in told["comment"]
    services.machine.write(
        "/etc/systemd/system/app-bracket.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    )
    services.machine.run("systemctl", "daemon-reload")
    told = services.ordered(UNITS, by="unit", unit="app-bracket")
    assert outcome(told) == "refused" and "has no process of its own" in told["comment"]


def test_a_process_of_the_catalogue_needs_no_more_than_no_contradiction(
    services: Services,
) -> None:
    """An interpreter by its path is no identity by a technology, and none is needed by the process."""
    services.machine.run("systemctl", "stop", "worker@2")
    named = {"executable": "/bin/dash", "entity": "PROCESS_GROUP_INSTANCE-1"}
    settings = {"service": "worker@2", "executable": "/bin/dash"}
    told = services.ordered(settings, by="technology", **named)
    assert outcome(told) == "refused" and "no identity" in told["comment"], told
    told = services.ordered({"service": "worker@2"}, by="process", **named)
    assert outcome(told) == "healed", told
    told = services.ordered({"service": "worker@2"}, by="process", executable="/usr/sbin/nginx")
    assert outcome(told) == "refused" and "another process" in told["comment"], told


def test_the_program_of_a_dead_unit_is_what_it_starts(services: Services) -> None:
    """Without `executable` in the catalogue another build is told from it all the same."""
    services.machine.run("systemctl", "stop", "plain")
    told = services.ordered({"service": "plain"}, by="technology", executable="/opt/x/sleep")
    assert outcome(told) == "refused" and "/opt/x/sleep" in told["comment"], told
    told = services.ordered({"service": "plain"}, by="technology", executable="/usr/bin/sleep")
    assert outcome(told) == "healed", told


def nginx(services: Services, status: int) -> int:
    services.machine.write(HEALTH, SERVER.format(status=status))
    services.machine.run("systemctl", "start", "nginx")
    return services.main("nginx")


@pytest.mark.skipif(bool(lacking("nginx")), reason=lacking("nginx") or "")
def test_a_reload_is_tried_before_a_restart(services: Services) -> None:
    """It helps, and the main process stays."""
    services.machine.run("systemctl", "stop", "nginx")
    main = nginx(services, 503)
    services.machine.write(HEALTH, SERVER.format(status=204))
    settings = {
        "service": "nginx",
        "proof": ["tcp:80", {"url": "http://127.0.0.1:81/", "statuses": [204]}],
        "steps": ["reload", "restart"],
        "configtest": ["nginx", "-t"],
        "starts_within": 1,
        "deadline": 30,
    }
    told = services.ordered(settings, by="process")
    assert (outcome(told), told["changes"]) == ("healed", {"nginx": "reloaded"}), told
    assert services.main("nginx") == main


@pytest.mark.skipif(bool(lacking("nginx")), reason=lacking("nginx") or "")
def test_a_reload_that_does_not_help_is_followed_by_a_restart(services: Services) -> None:
    """In one attempt, and the comment tells both."""
    main = nginx(services, 503)
    settings = {
        "service": "nginx",
        "proof": ["test", "!", "-e", "/run/broken"],
        "steps": ["reload", "restart"],
        "starts_within": 1,
        "deadline": 1,
    }
    services.machine.write(
        "/etc/systemd/system/nginx.service.d/mend.conf",
        "[Service]\nExecStartPre=/bin/rm -f /run/broken\n",
    )
    services.machine.run("systemctl", "daemon-reload")
    services.machine.run("touch", "/run/broken")
    told = services.ordered(settings, by="process")
    assert (outcome(told), told["changes"]) == ("healed", {"nginx": "restarted"}), told
    assert "nginx was reloaded" in told["comment"]
    assert services.main("nginx") not in (0, main)


def test_a_unit_without_a_reload_is_restarted(services: Services) -> None:
    """`reload` is left out, which is said."""
    services.machine.run("systemctl", "start", "plain")
    main = services.main("plain")
    settings = {
        "service": "plain",
        "proof": ["test", "-e", "/run/started"],
        "steps": ["reload", "restart"],
        "starts_within": 1,
        "deadline": 1,
    }
    services.machine.write(
        "/etc/systemd/system/plain.service.d/mend.conf",
        "[Service]\nExecStartPre=/bin/touch /run/started\n",
    )
    services.machine.run("systemctl", "daemon-reload")
    told = services.ordered(settings, by="process")
    assert outcome(told) == "healed", told
    assert "plain was not reloaded: plain.service cannot be reloaded" in told["comment"]
    assert services.main("plain") not in (0, main)


def test_what_dies_again_and_again_is_not_called_healed(services: Services) -> None:
    """It is active each time one looks; its main process does not stay."""
    services.machine.write(
        "/etc/systemd/system/app-dying.service",
        "[Service]\nExecStart=/bin/sh -c 'sleep 0.7'\nRestart=always\nRestartSec=0.1\n",
    )
    # Later in the order than what keeps all others from it.
    services.machine.write(
        "/etc/systemd/system/app-dying.service.d/zz.conf",
        "[Service]\nRestart=always\n[Unit]\nStartLimitIntervalSec=0\n",
    )
    services.machine.run("systemctl", "daemon-reload")
    settings = {**UNITS, "stays": 2, "deadline": 4, "starts_within": 4}
    told = services.ordered(settings, by="unit", unit="app-dying")
    services.machine.run("systemctl", "stop", "app-dying")
    assert outcome(told) == "failed", told


FORKING = "[Service]\nType=forking\nGuessMainPID=no\nExecStart=/usr/local/bin/forks {many}\n"
FORKS = "#!/bin/sh\nfor one in $(seq $1); do setsid sleep 500 & done\n"


def test_a_unit_that_tells_no_main_process_is_not_taken_for_dead(services: Services) -> None:
    """The one process that began the others is it; of two nobody knows, and nothing is done."""
    services.machine.write("/usr/local/bin/forks", FORKS, 0o755)
    for many in (1, 2):
        services.machine.write(f"/etc/systemd/system/app-{many}.service", FORKING.format(many=many))
    services.machine.run("systemctl", "daemon-reload")
    services.machine.run("systemctl", "start", "app-1", "app-2")
    told = services.ordered(UNITS, by="unit", unit="app-1")
    assert outcome(told) == "healthy", told
    told = services.ordered(UNITS, by="unit", unit="app-2")
    assert outcome(told) == "refused" and "nothing tells its main process" in told["comment"], told
    services.machine.run("systemctl", "kill", "--signal=KILL", "app-1")
    services.machine.wait_for(lambda: services.show("app-1", "ActiveState") != "active")
    told = services.ordered(UNITS, by="unit", unit="app-1")
    assert outcome(told) == "healed", told


def test_another_one_that_a_person_has_started_is_not_taken_for_the_service(
    services: Services,
) -> None:
    """It runs the same program, and would be ended for a proof that is not its own."""
    services.machine.run("systemctl", "stop", "plain")
    begin = ("sh", "-c", "setsid sleep 4321 >/dev/null 2>&1 &")
    services.machine.run(*begin)
    proof = {"service": "plain", "proof": ["false"], "starts_within": 1, "deadline": 1}
    told = services.ordered(proof, by="process")
    assert outcome(told) == "refused" and "outside of its unit too" in told["comment"], told
    assert services.machine.output("pgrep", "-f", "^sleep 4321")
    services.machine.run("pkill", "-f", "^sleep 4321")
    told = services.ordered({"service": "plain"}, by="process")
    assert outcome(told) == "healed", told
