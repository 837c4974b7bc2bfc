"""
What a service is found to be under a real systemd.
"""

from __future__ import annotations

import os
import signal
import time

from tests.functional.systemd.service import Service
from tests.functional.systemd.troubles import Troubled
from tests.harness.machine import Machine


def test_the_main_process_is_systemds(machine: Machine, apache: Troubled) -> None:
    """With what it runs, since when, and where it listens."""
    before = time.time()
    main = apache.start()
    machine.wait_for(apache.serves)

    seen = Service(machine, pid_file="/nonexistent").look()

    assert (seen["unit"], seen["active"], seen["main"]) == ("apache2.service", "active", main)
    assert seen["executable"] == "/usr/sbin/apache2"
    assert before - 1 < seen["since"] < time.time()
    assert 80 in [port for _, port in seen["listens"]]
    assert (seen["orphans"], seen["outside"], seen["stopped"]) == ([], False, False)
    assert seen["refusal"] is None


def test_a_masked_unit_is_refused_while_it_runs_too(machine: Machine, apache: Troubled) -> None:
    """A restart would end it for good."""
    main = apache.start()
    apache.mask()

    seen = Service(machine).look()

    assert seen["main"] == main
    assert "apache2.service is masked" in seen["refusal"]


def test_a_unit_that_is_missing_is_refused_with_what_is_near(machine: Machine) -> None:
    """The name of another distribution is the usual mistake."""
    seen = Service(machine, service="httpd").look()
    assert "the unit httpd.service is not known to systemd" in seen["refusal"]
    assert "near it are apache2.service" in seen["refusal"]


def test_a_unit_that_cannot_be_loaded_is_refused_with_the_reason(machine: Machine) -> None:
    """What systemd does not understand it does not start."""
    machine.write("/etc/systemd/system/odd.service", "[Service]\nType=simple\n")
    seen = Service(machine, service="odd").look()
    assert "the unit odd.service cannot be loaded (bad-setting)" in seen["refusal"]


def test_orphans_in_the_cgroup_of_the_unit_are_found(machine: Machine, apache: Troubled) -> None:
    """`KillMode=process` leaves them in the cgroup of a unit that is over; they hold its port."""
    apache.drop_in("[Service]\nKillMode=process\nRestart=no\n")
    main = apache.start()
    machine.run("kill", "-KILL", str(main))
    machine.wait_for(lambda: apache.state == "failed/failed")

    seen = Service(machine).look()

    assert seen["main"] is None
    assert seen["orphans"] == apache.pids != []


def test_orphans_outside_of_the_unit_are_found(machine: Machine, apache: Troubled) -> None:
    """They hold its port."""
    orphans = apache.leave_orphans()
    assert Service(machine).look()["orphans"] == sorted(orphans)


def test_a_main_process_outside_of_its_unit_is_seen_as_that(
    machine: Machine, apache: Troubled
) -> None:
    """A person has started it by its own command."""
    main = apache.start_outside()
    seen = Service(machine).look()
    assert (seen["main"], seen["outside"], seen["active"]) == (main, True, "inactive")
    assert seen["refusal"] is None


def test_what_another_service_has_started_is_outside_and_not_that_services(
    machine: Machine, apache: Troubled
) -> None:
    """As a job of cron's or of this minion stays in their unit."""
    start = "APACHE_STARTED_BY_SYSTEMD=1 apache2ctl start; exec sleep 600"
    machine.run("systemd-run", "--quiet", "--unit=cronlike", "sh", "-c", start)
    machine.wait_for(apache.serves)
    seen = Service(machine).look()
    assert (seen["outside"], seen["refusal"]) == (True, None)


def test_the_process_of_another_instance_is_never_ours(machine: Machine, apache: Troubled) -> None:
    """It runs the same executable and has the port that was meant."""
    other = apache.second_instance("foo", 8081)
    main = other.start()
    machine.wait_for(lambda: other.serves("http://127.0.0.1:8081/"))

    seen = Service(machine, pid_file=None, ports=[8081]).look()

    assert seen["main"] is None
    assert (
        f"its main process {main} belongs to another unit, apache2@foo.service" in seen["refusal"]
    )
    assert Service(machine).look()["main"] is None


def test_a_stopped_process_is_seen(machine: Machine, apache: Troubled) -> None:
    """By SIGSTOP, or by the freezer of its cgroup."""
    apache.start()
    apache.freeze()
    assert Service(machine).look()["stopped"] is True
    machine.run("pkill", "-CONT", "--exact", "apache2")
    machine.wait_for(lambda: not Service(machine).look()["stopped"])
    machine.run("systemctl", "freeze", "apache2")
    assert Service(machine).look()["stopped"] is True


def test_a_systemd_that_does_not_answer_is_a_refusal_in_time(machine: Machine) -> None:
    """Its PID 1 hangs: so would each of its tools."""
    os.kill(machine.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        seen = Service(machine).look()
    finally:
        os.kill(machine.pid, signal.SIGCONT)
    assert "does not answer within 5 s" in seen["refusal"]
    assert time.monotonic() - begun < 24
