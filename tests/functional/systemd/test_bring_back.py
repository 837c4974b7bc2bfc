"""
How apache2 is brought back by a real systemd, out of every trouble; and that nothing goes on afterwards.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.functional.systemd.service import Service
from tests.functional.systemd.troubles import PID_FILE, Troubled
from tests.harness.machine import Machine

#: An init script as packages bring them.
SCRIPT = """#!/bin/sh
### BEGIN INIT INFO
# Provides:          served
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: serves nobody
### END INIT INFO
case $1 in
start) setsid /usr/local/bin/served 600 >/dev/null 2>&1 & echo $! >/run/served.pid ;;
stop) kill "$(cat /run/served.pid)"; rm /run/served.pid ;;
restart) "$0" stop; "$0" start ;;
esac
exit 0
"""
ROOM = "[Service]\nTimeoutStopSec=600\n"


def test_a_stopped_one_is_started(machine: Machine, apache: Troubled) -> None:
    """The plain case."""
    told = Service(machine).bring_back()
    assert told == {
        "ok": True,
        "refused": False,
        "by_others": False,
        "done": {"apache2": "started"},
        "why": None,
    }
    assert apache.state == "active/running"


def test_a_killed_one_is_started_without_its_stale_pid_file(
    machine: Machine, apache: Troubled
) -> None:
    """Its own start would take whoever has the pid now for itself."""
    apache.start()
    apache.kill()
    told = Service(machine).bring_back()
    assert told["ok"]
    assert told["done"] == {"stale pid file removed": PID_FILE, "apache2": "started"}


def test_one_that_came_back_meanwhile_is_left_alone(machine: Machine, apache: Troubled) -> None:
    """It was dead when the remedy looked, and is not any more."""
    main = apache.start()
    told = Service(machine).bring_back("start")
    assert told == {"ok": True, "refused": False, "by_others": False, "done": {}, "why": None}
    assert apache.main == main


def test_orphans_are_ended_and_told(machine: Machine, apache: Troubled) -> None:
    """They would hold the port."""
    orphans = apache.leave_orphans()
    told = Service(machine).bring_back()
    assert told["ok"]
    assert told["done"]["orphans ended"] == sorted(orphans)
    assert not set(orphans) & set(apache.pids)


def test_what_a_unit_leaves_on_purpose_is_left(machine: Machine, apache: Troubled) -> None:
    """`KillMode=process` is for containers, sessions and jobs that outlive their service."""
    stay = "setsid sleep 700 >/dev/null 2>&1 &"
    apache.drop_in(f'[Service]\nKillMode=process\nRestart=no\nExecStartPost=/bin/sh -c "{stay}"\n')
    main = apache.start()
    machine.run("kill", "-KILL", str(main))
    machine.wait_for(lambda: apache.state == "failed/failed")
    workers = apache.pids
    assert workers

    told = Service(machine).bring_back()

    assert told["ok"], told
    assert told["done"]["orphans ended"] == sorted(workers)
    assert len(machine.output("pgrep", "-f", "^sleep 700").split()) == 2


def test_who_holds_the_port_is_named_with_the_own_words(machine: Machine, apache: Troubled) -> None:
    """Salt's module raises on a failed start, and all that was known got lost."""
    taker = apache.take_port()
    told = Service(machine).bring_back()
    assert not told["ok"]
    assert told["done"] == {"apache2": "start tried"}
    assert "port 80 is held by python" in told["why"]
    assert f"(pid {taker}, taker-80.service)" in told["why"]
    assert "(98)Address already in use: AH00072" in told["why"]
    assert apache.rests(1) == "failed/failed"


def test_orphans_and_a_taken_port_are_both_told(machine: Machine, apache: Troubled) -> None:
    """What was changed is told on a bad end too."""
    orphans = apache.leave_orphans()
    apache.machine.run(
        "sed", "-i", "s/^Listen 80$/Listen 80\\nListen 81/", "/etc/apache2/ports.conf"
    )
    taker = apache.take_port(81)
    told = Service(machine, ports=[80, 81]).bring_back()
    assert not told["ok"]
    assert told["done"] == {
        "orphans ended": sorted(orphans),
        "stale pid file removed": PID_FILE,
        "apache2": "start tried",
    }
    assert f"(pid {taker}, taker-81.service)" in told["why"]


def test_what_it_writes_before_any_log_is_open_is_told(machine: Machine, apache: Troubled) -> None:
    """The test of its configuration finds nothing, and its error log has nothing."""
    apache.listen_nowhere()
    told = Service(machine).bring_back()
    assert not told["ok"]
    assert "(99)Cannot assign requested address: AH00072" in told["why"]
    assert apache.rests(1) == "failed/failed"


def test_a_broken_configuration_is_told_by_its_own_words(
    machine: Machine, apache: Troubled
) -> None:
    """With file and line."""
    apache.break_configuration()
    told = Service(machine).bring_back()
    assert "Invalid command 'NoSuchDirectiveOfTheTest'" in told["why"]


def test_words_of_an_earlier_run_are_not_told(machine: Machine, apache: Troubled) -> None:
    """They would name a cause that is no more."""
    apache.break_configuration()
    assert not Service(machine).bring_back()["ok"]
    machine.run("rm", "/etc/apache2/conf-enabled/zz-broken.conf")
    apache.listen_nowhere()
    told = Service(machine).bring_back()
    assert "AH00072" in told["why"]
    assert "NoSuchDirectiveOfTheTest" not in told["why"]


def test_what_controls_a_terminal_is_not_told(machine: Machine, apache: Troubled) -> None:
    """Its words go into comments and logs."""
    say = r"printf 'red \033[31mboom\007\n' >&2; exit 3"
    apache.drop_in(f'[Service]\nExecStart=\nExecStart=/bin/sh -c "{say}"\n')
    told = Service(machine).bring_back()
    assert "red [31mboom" in told["why"]
    assert told["why"].replace("\n", "").isprintable()


@pytest.mark.parametrize("how", ["start", "restart"])
def test_a_masked_unit_is_refused(machine: Machine, apache: Troubled, how: str) -> None:
    """Nothing is touched."""
    apache.mask()
    told = Service(machine).bring_back(how)
    assert (told["ok"], told["refused"], told["done"]) == (False, True, {})
    assert "is masked" in told["why"]


def test_a_missing_unit_is_refused(machine: Machine, apache: Troubled) -> None:
    """Another attempt would not find it either."""
    apache.remove_unit()
    told = Service(machine).bring_back()
    assert (told["refused"], told["done"]) == (True, {})
    assert "apache2.service is not known to systemd" in told["why"]


def test_a_start_limit_is_reset(machine: Machine, apache: Troubled) -> None:
    """Systemd refuses to start it, whatever was repaired."""
    apache.hit_start_limit()
    told = Service(machine).bring_back()
    assert told["ok"], told
    assert told["done"] == {"start limit reset": "apache2.service", "apache2": "started"}


def test_one_that_waits_for_its_restart_is_restarted_now(
    machine: Machine, apache: Troubled
) -> None:
    """A start is a no-op then, and waits as long as systemd does."""
    apache.await_auto_restart(60)
    begun = time.monotonic()
    told = Service(machine).bring_back()
    assert told["ok"], told
    assert time.monotonic() - begun < 40
    assert apache.state == "active/running"


def test_a_frozen_one_is_resumed_and_restarted(machine: Machine, apache: Troubled) -> None:
    """A stopped process cannot take its leave: systemd would wait for 180 s."""
    main = apache.start()
    apache.freeze()
    told = Service(machine).bring_back("restart")
    assert told["ok"], told
    assert main in told["done"]["stopped processes resumed"]
    assert told["done"]["apache2"] == "restarted"
    assert apache.main != main


def test_one_in_a_frozen_cgroup_is_thawed_and_restarted(machine: Machine, apache: Troubled) -> None:
    """No signal reaches it."""
    apache.start()
    machine.run("systemctl", "freeze", "apache2")
    told = Service(machine).bring_back("restart")
    assert told["ok"], told
    assert told["done"] == {"frozen unit thawed": "apache2.service", "apache2": "restarted"}


def test_a_wedged_one_is_restarted(machine: Machine, apache: Troubled) -> None:
    """Its main process is well, its workers are stopped."""
    apache.start()
    apache.wedge()
    told = Service(machine).bring_back("restart")
    assert told["ok"], told
    machine.wait_for(apache.serves)


def test_one_outside_of_its_unit_is_ended_and_started_in_it(
    machine: Machine, apache: Troubled
) -> None:
    """Else systemd's own has no port."""
    main = apache.start_outside()
    told = Service(machine).bring_back("restart")
    assert told["ok"], told
    assert main in told["done"]["processes outside of the unit ended"]
    assert apache.state == "active/running"


def test_a_stop_command_that_hangs_is_ended_in_time(machine: Machine, apache: Troubled) -> None:
    """Systemd then goes on by itself: TERM, and the start."""
    apache.hang_stop()
    main = apache.start()
    told = Service(machine).bring_back("restart", 10)
    assert told["ok"], told
    assert "hanging stop command ended" in told["done"]
    assert apache.main not in (0, main)
    assert apache.jobs() == ""


def test_a_stop_that_takes_long_is_waited_for(machine: Machine, apache: Troubled) -> None:
    """No force as long as there is time."""
    apache.hang_stop("2")
    apache.start()
    told = Service(machine).bring_back("restart", 30)
    assert told == {
        "ok": True,
        "refused": False,
        "by_others": False,
        "done": {"apache2": "restarted"},
        "why": None,
    }


def test_what_does_not_obey_term_is_killed_before_the_time_is_over(
    machine: Machine, apache: Troubled
) -> None:
    """As systemd does after 90 s."""
    deaf = "trap '' TERM; while :; do sleep 1; done"
    apache.drop_in(
        f'[Service]\nType=simple\nExecStop=\nExecStart=\nExecStart=/bin/sh -c "{deaf}"\n'
    )
    main = apache.start()
    told = Service(machine).bring_back("restart", 10)
    assert told["ok"], told
    assert told["done"]["ended by KILL, after it did not obey TERM"] == main


def test_one_that_asks_for_more_time_to_stop_is_not_cut_short(
    machine: Machine, apache: Troubled
) -> None:
    """A database that writes has a reason; our own order is cancelled, and nothing starts it later."""
    apache.drop_in(ROOM)
    apache.hang_stop("9")
    main = apache.start()
    told = Service(machine).bring_back("restart", 6)
    assert not told["ok"]
    assert "systemd's job cancelled" in told["done"]
    assert "goes on by its own TimeoutStopSec (10min), and nothing is started" in told["why"]
    assert apache.jobs() == ""
    assert apache.main == main
    machine.wait_for(lambda: apache.state.startswith("inactive"))
    assert apache.rests(1) == "inactive/dead"


def test_a_start_that_hangs_is_ended_with_its_job(machine: Machine, apache: Troubled) -> None:
    """It may not come up when nobody expects it any more."""
    apache.hang_start()
    told = Service(machine).bring_back("start", 6)
    assert not told["ok"]
    assert told["done"]["hanging start ended"] == "apache2.service"
    assert "systemd had it as activating (start-pre)" in told["why"]
    assert apache.jobs() == ""
    assert apache.rests(2) == "failed/failed"


def test_a_start_that_hangs_and_ignores_its_end_is_killed(
    machine: Machine, apache: Troubled
) -> None:
    """Within the same time, where systemd itself waits for 90 s."""
    deaf = "trap '' TERM; while :; do sleep 1; done"
    apache.drop_in(f'[Service]\nExecStartPre=/bin/sh -c "{deaf}"\n')
    begun = time.monotonic()
    told = Service(machine).bring_back("start", 8)
    assert not told["ok"]
    assert time.monotonic() - begun < 40
    assert apache.rests(1) == "failed/failed"


def test_one_that_lives_and_does_not_say_so_is_left_alive(
    machine: Machine, apache: Troubled
) -> None:
    """A slow start is no reason to end it; the cause is told."""
    run = "/usr/sbin/apache2ctl -DFOREGROUND -k start"
    apache.drop_in(f"[Service]\nType=notify\nExecStart=\nExecStart={run}\n")
    told = Service(machine).bring_back("start", 5)
    assert told["ok"]
    assert "its unit ends it after 1min 30s unless it tells that it started" in told["why"]
    assert apache.jobs() == ""
    assert apache.main
    assert apache.rests(1) == "activating/start"


def test_a_stop_of_somebody_else_is_left_alone(machine: Machine, apache: Troubled) -> None:
    """A person is just stopping it."""
    apache.hold_stop()
    apache.start()
    machine.run("systemctl", "--no-block", "stop", "apache2")
    told = Service(machine).bring_back("restart")
    apache.release_stop()
    assert (told["ok"], told["done"]) == (False, {})
    assert told["by_others"]
    assert "somebody else stops apache2.service" in told["why"]
    machine.wait_for(lambda: apache.state == "inactive/dead")
    assert apache.rests(1) == "inactive/dead"


def test_one_that_is_stopped_meanwhile_stays_stopped(machine: Machine, apache: Troubled) -> None:
    """A person's order comes after ours and replaces it."""
    apache.hang_stop("3")
    apache.start()
    service = Service(machine)
    begun = service.begin("restart")
    machine.wait_for(apache.jobs)
    apache.stop()
    told = service.end(begun)
    assert not told["ok"]
    assert "somebody else" in told["why"]
    assert apache.rests(1) == "inactive/dead"


def test_one_that_is_stopped_while_it_starts_is_told_as_that(
    machine: Machine, apache: Troubled
) -> None:
    """Systemd has its start as failed, by a signal: the one of that stop."""
    apache.hang_start()
    service = Service(machine)
    begun = service.begin("start")
    machine.wait_for(lambda: apache.state == "activating/start-pre")
    apache.stop()
    told = service.end(begun)
    assert not told["ok"]
    assert told["by_others"]
    assert "somebody else has stopped it meanwhile" in told["why"]
    assert "systemd's job cancelled" not in told["done"]
    assert apache.jobs() == ""


def test_a_job_that_fails_for_another_unit_is_told(machine: Machine, apache: Troubled) -> None:
    """The unit itself knows nothing of it."""
    machine.write(
        "/etc/systemd/system/needed.service", "[Service]\nExecStart=/bin/false\nType=oneshot\n"
    )
    apache.drop_in("[Unit]\nRequires=needed.service\nAfter=needed.service\n")
    told = Service(machine).bring_back()
    assert not told["ok"]
    assert "A dependency job for apache2.service failed" in told["why"]


def test_a_systemd_that_hangs_meanwhile_is_told(machine: Machine, apache: Troubled) -> None:
    """What it will do when it goes on nobody can take back then, and it is said."""
    apache.hang_stop("1")
    apache.start()
    service = Service(machine)
    begun = service.begin("restart", 8)
    machine.wait_for(lambda: apache.state == "deactivating/stop")
    os.kill(machine.pid, signal.SIGSTOP)
    try:
        told = service.end(begun)
    finally:
        os.kill(machine.pid, signal.SIGCONT)
    assert not told["ok"]
    assert "does not answer within" in told["why"]
    assert "systemd may carry out its restart once it answers again" in told["why"]


def test_a_start_of_somebody_else_is_waited_for(machine: Machine, apache: Troubled) -> None:
    """Two orders at once would undo each other."""
    apache.hang_start("2")
    machine.run("systemctl", "--no-block", "start", "apache2")
    told = Service(machine).bring_back("start")
    assert told == {"ok": True, "refused": False, "by_others": False, "done": {}, "why": None}
    assert apache.state == "active/running"


def test_an_init_script_that_systemd_runs_is_brought_back(machine: Machine) -> None:
    """Its unit is made by systemd, stays active without a process, and names none as the main one."""
    machine.run("cp", "/bin/sleep", "/usr/local/bin/served")
    machine.write("/etc/init.d/served", SCRIPT, 0o755)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "served")
    place = {"executable": "/usr/local/bin/served", "pid_file": "/run/served.pid", "ports": []}
    service = Service(machine, service="served", **place)
    seen = service.look()
    assert (seen["active"], seen["outside"], bool(seen["main"])) == ("active", False, True)
    machine.run("kill", "-KILL", str(seen["main"]))
    machine.wait_for(lambda: service.look()["main"] is None)

    told = service.bring_back()

    assert told["ok"], told
    assert service.look()["main"] not in (None, seen["main"])


def test_a_condition_that_does_not_hold_is_told(machine: Machine, apache: Troubled) -> None:
    """Systemd calls a start that it skips a good one."""
    apache.drop_in("[Unit]\nConditionPathExists=/nonexistent\n")
    told = Service(machine).bring_back()
    assert not told["ok"]
    assert "a condition of its unit does not hold" in told["why"]
    assert "ConditionPathExists=/nonexistent" in told["why"]


def test_what_it_said_is_found_afterwards(machine: Machine, apache: Troubled) -> None:
    """For a proof that fails when it was brought back."""
    begun = time.time()
    say = "echo it is not my day >&2; exec sleep 600"
    apache.drop_in(f'[Service]\nType=simple\nExecStart=\nExecStart=/bin/sh -c "{say}"\n')
    service = Service(machine)
    assert service.bring_back()["ok"]
    machine.wait_for(lambda: "it is not my day" in (service.words(begun) or ""))
    assert service.words(time.time() + 60) is None
