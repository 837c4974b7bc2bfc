"""
The troubles are what they say, or the tests of the remedy that use them prove nothing.
"""

from __future__ import annotations

from tests.functional.systemd.troubles import PID_FILE, Troubled
from tests.harness.machine import Machine
from tests.harness.masterless import Masterless


def test_salt_manages_services_by_systemd(minion: Masterless) -> None:
    """Else the tests here would prove nothing about systemd."""
    assert minion.call("test.provider", "service") == "systemd_service"


def test_debians_apache2_runs_with_its_defaults(apache: Troubled) -> None:
    """It comes up by its unit, serves, and rests."""
    assert apache.state == "inactive/dead"

    main = apache.start()

    assert apache.serves()
    assert main in apache.pids
    assert apache.show("FragmentPath", "DropInPaths") == {
        "FragmentPath": "/lib/systemd/system/apache2.service",
        "DropInPaths": "",
    }
    assert apache.rests(0.5) == "active/running"


def test_killed_is_failed(apache: Troubled) -> None:
    """Nothing of it is left, and systemd does not start it again."""
    apache.start()
    apache.kill()
    assert apache.pids == []
    assert apache.rests(1) == "failed/failed"


def test_orphans_hold_the_port_and_belong_to_no_unit(apache: Troubled) -> None:
    """Their main process is gone, and they answer still."""
    orphans = apache.leave_orphans()
    assert orphans and apache.serves()
    assert (apache.state, apache.main) == ("inactive/dead", 0)
    assert int(apache.machine.output("cat", PID_FILE)) not in apache.pids


def test_a_start_beside_the_unit_leaves_the_unit_inactive(apache: Troubled) -> None:
    """It serves, and systemd knows nothing of it."""
    main = apache.start_outside()
    assert main in apache.pids
    assert apache.state == "inactive/dead"


def test_who_takes_the_port_answers_or_is_deaf(apache: Troubled) -> None:
    """Both are no apache2."""
    assert apache.take_port() > 0
    assert apache.serves()
    assert apache.take_port(81, answers=False) > 0
    assert apache.status("http://127.0.0.1:81/") is None
    assert apache.pids == []


def test_the_start_limit_refuses_what_would_start(apache: Troubled) -> None:
    """Only `reset-failed` helps."""
    apache.hit_start_limit()
    assert apache.machine.run("systemctl", "start", "apache2", status=None).returncode != 0
    apache.machine.run("systemctl", "reset-failed", "apache2")
    apache.start()
    assert apache.serves()


def test_auto_restart_waits(apache: Troubled) -> None:
    """It is neither active nor failed, and nothing serves."""
    apache.await_auto_restart()
    assert not apache.serves()


def test_frozen_and_wedged_accept_and_do_not_answer(apache: Troubled) -> None:
    """The main process of the one is stopped, that of the other is not."""
    apache.start()
    main = apache.wedge()
    assert apache.status() is None
    assert not apache.is_stopped(main)
    assert apache.freeze() == main
    assert apache.is_stopped(main)
    assert apache.state == "active/running"


def test_a_second_instance_runs_beside_the_first(apache: Troubled) -> None:
    """One executable, two units."""
    apache.start()
    second = apache.second_instance()
    main = second.start()
    assert main not in (0, apache.main)
    assert second.serves("http://127.0.0.1:8081/")


def test_tls_only_answers_on_443_alone(apache: Troubled) -> None:
    """With a certificate that nobody knows."""
    apache.serve_tls_only()
    apache.start()
    assert apache.serves("https://127.0.0.1/")
    assert not apache.serves()


def test_a_masked_and_a_missing_unit_are_what_systemd_calls_so(
    apache: Troubled, machine: Machine
) -> None:
    """`LoadState` tells them apart."""
    apache.mask()
    assert apache.show("LoadState") == {"LoadState": "masked"}
    machine.run("systemctl", "unmask", "apache2")
    apache.remove_unit()
    assert apache.show("LoadState") == {"LoadState": "not-found"}


def test_a_stop_and_a_start_that_hang_go_on_in_systemd(apache: Troubled) -> None:
    """Their jobs stay when nobody waits for them."""
    apache.start()
    apache.hang_stop()
    apache.machine.run("systemctl", "stop", "--no-block", "apache2")
    assert apache.machine.wait_for(lambda: apache.state == "deactivating/stop")
    assert "apache2.service" in apache.jobs()
