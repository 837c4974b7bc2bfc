"""
The remedy for apache2 against a real apache2 in real trouble.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.functional.remedy.conftest import (
    EXECUTABLE,
    PID_FILE,
    Apache,
    Outcome,
    family,
    port_is_taken,
    wait_for,
)

Remedy = Callable[..., Outcome]
Running = Callable[..., "subprocess.Popen[bytes]"]


def fresh_attempt() -> str:
    return uuid.uuid4().hex


def second_instance(tmp_path: Path, port: int) -> psutil.Process:
    """
    Start another apache2 of the same executable, with a main process of its own.
    """
    conf = tmp_path / "second.conf"
    modules = "/usr/lib/apache2/modules"
    conf.write_text(
        f"ServerName second\nServerRoot {tmp_path}\nListen 127.0.0.1:{port}\n"
        f"PidFile {tmp_path}/second.pid\n"
        f"ErrorLog {tmp_path}/second.log\nLoadModule mpm_event_module {modules}/mod_mpm_event.so\n"
        f"LoadModule authz_core_module {modules}/mod_authz_core.so\nDefaultRuntimeDir {tmp_path}\n"
        "User www-data\nGroup www-data\nStartServers 1\n"
    )
    subprocess.run([str(EXECUTABLE), "-f", str(conf), "-k", "start"], check=True)
    wait_for(lambda: port_is_taken(port) and (tmp_path / "second.pid").exists())
    second = psutil.Process(int((tmp_path / "second.pid").read_text()))
    wait_for(second.children)
    return second


def test_a_stopped_apache_serves_again(apache: Apache, remedy: Remedy) -> None:
    """A cleanly stopped service is started, and its answer is the proof."""
    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert outcome.done == {"apache2": "started"}
    assert apache.serves()
    assert outcome.word == "healed"
    assert f"(pid {apache.main().pid}, since " in outcome.comments


def test_orphaned_workers_are_ended_before_the_start(apache: Apache, remedy: Remedy) -> None:
    """After kill -9 of the main process its workers hold port 80 and even answer; they go."""
    apache.start()
    workers = apache.kill_main()
    assert port_is_taken(80)

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert outcome.done["orphans ended"] == sorted(worker.pid for worker in workers)
    assert outcome.done["stale pid file removed"] == str(PID_FILE)
    assert not set(workers) & set(family())
    assert apache.serves()


def test_orphaned_workers_are_found_without_a_pid_file(apache: Apache, remedy: Remedy) -> None:
    """Without the pid file, the port that they hold tells the orphans."""
    apache.start()
    workers = apache.kill_main()
    PID_FILE.unlink()

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert outcome.done["orphans ended"] == sorted(worker.pid for worker in workers)
    assert apache.serves()


def test_a_stale_pid_file_is_removed(apache: Apache, remedy: Remedy) -> None:
    """A pid file that names nobody does not keep the service down."""
    PID_FILE.parent.mkdir(exist_ok=True)
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    PID_FILE.write_bytes(gone.stdout)

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert outcome.done == {"stale pid file removed": str(PID_FILE), "apache2": "started"}
    assert apache.serves()


def test_the_program_that_took_over_a_stale_pid_survives(
    apache: Apache, remedy: Remedy, running: Running
) -> None:
    """A pid file that names another program never leads to a signal to that program."""
    bystander = running("sleep", "300")
    PID_FILE.parent.mkdir(exist_ok=True)
    PID_FILE.write_text(f"{bystander.pid}\n")

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert bystander.poll() is None
    assert apache.serves()
    assert apache.main().pid != bystander.pid


def test_a_broken_configuration_stops_nothing(apache: Apache, remedy: Remedy) -> None:
    """Even an apache2 that hangs stays as it is, and the outcome says why."""
    apache.start()
    frozen = apache.freeze()
    apache.break_configuration()

    outcome = remedy(fresh_attempt())

    assert not outcome.good
    assert "Nothing has been stopped" in outcome.comments
    assert "NoSuchDirectiveOfTheTest" in outcome.failures
    assert {process.pid for process in family()} == {process.pid for process in frozen}
    assert all(process.status() == psutil.STATUS_STOPPED for process in frozen)


def test_a_stopped_apache_with_a_broken_configuration_says_why(
    apache: Apache, remedy: Remedy
) -> None:
    """Where nothing can be stopped the start does the test, and its failure names the reason."""
    apache.break_configuration()

    outcome = remedy(fresh_attempt())

    assert not outcome.good
    assert "NoSuchDirectiveOfTheTest" in outcome.comments
    assert not family()


def test_orphans_with_a_broken_configuration_go_on_serving(apache: Apache, remedy: Remedy) -> None:
    """Workers without a main process are better than nothing, when nothing else would start."""
    apache.start()
    workers = apache.kill_main()
    apache.break_configuration()

    outcome = remedy(fresh_attempt())

    assert not outcome.good
    assert "Nothing has been stopped" in outcome.comments
    assert set(workers) == set(family())
    assert apache.serves()


def test_a_foreign_program_on_the_port_is_named_and_lives(
    apache: Apache, remedy: Remedy, running: Running
) -> None:
    """Another server that answers on port 80 is no proof, and is not ended."""
    foreign = running(sys.executable, "-m", "http.server", "80", "--bind", "0.0.0.0")
    wait_for(lambda: port_is_taken(80))

    outcome = remedy(fresh_attempt())

    assert not outcome.good
    assert f"(pid {foreign.pid})" in outcome.comments
    assert "port 80 is held by" in outcome.comments
    assert foreign.poll() is None
    assert not family()


def test_an_attempt_runs_once(apache: Apache, remedy: Remedy) -> None:
    """A finished attempt that is asked for again succeeds and touches nothing."""
    attempt = fresh_attempt()
    assert remedy(attempt).good
    apache.clear()

    outcome = remedy(attempt)

    assert outcome.good, outcome.failures
    assert "well finished at" in outcome.comments
    assert not any(state["changes"] for state in outcome.states.values())
    assert not family()


def test_a_failed_attempt_does_not_run_again(apache: Apache, remedy: Remedy) -> None:
    """What did not finish well fails when it is asked for again, and changes nothing."""
    attempt = fresh_attempt()
    apache.break_configuration()
    assert not remedy(attempt).good
    apache.clear()

    outcome = remedy(attempt)

    assert not outcome.good
    assert "has not finished well" in outcome.failures
    assert not family()


def test_a_second_instance_is_not_touched(apache: Apache, remedy: Remedy, tmp_path: Path) -> None:
    """An apache2 with a living main process of its own survives the cleaning up beside it."""
    os.chmod(tmp_path, 0o755)
    second = second_instance(tmp_path, 8099)
    untouched = {second, *second.children()}
    assert len(untouched) > 1
    apache.start()
    apache.kill_main()

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert untouched <= set(family())
    assert apache.serves()


def test_a_second_instance_in_the_pid_file_is_not_taken_for_ours(
    apache: Apache, remedy: Remedy, tmp_path: Path
) -> None:
    """A stale pid that went to a worker of another instance is no main process."""
    os.chmod(tmp_path, 0o755)
    second = second_instance(tmp_path, 8099)
    untouched = {second, *second.children()}
    PID_FILE.parent.mkdir(exist_ok=True)
    PID_FILE.write_text(str(second.children()[0].pid))

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert untouched <= set(family())
    assert apache.serves()


def test_a_hung_apache_is_restarted(apache: Apache, remedy: Remedy) -> None:
    """A main process that lives and does not answer (SIGSTOP) is replaced."""
    frozen = apache.freeze() if apache.start() else []

    outcome = remedy(fresh_attempt())

    assert outcome.good, outcome.failures
    assert outcome.done["apache2"] == "restarted"
    assert apache.serves()
    assert not set(frozen) & set(family())


def test_a_dry_run_changes_nothing(apache: Apache, remedy: Remedy) -> None:
    """With test=True the plan is told, and neither process nor attempt nor pid file changes."""
    attempt = fresh_attempt()
    apache.start()
    workers = apache.kill_main()
    pid_file = PID_FILE.read_bytes()

    outcome = remedy(attempt, test=True)

    assert outcome.good, outcome.failures
    assert outcome.states["healed"]["result"] is None
    assert str(workers[0].pid) in outcome.comments
    assert set(workers) == set(family())
    assert PID_FILE.read_bytes() == pid_file
    assert remedy(attempt).done["apache2"] == "started"


def test_a_run_by_hand_needs_no_attempt(apache: Apache, remedy: Remedy) -> None:
    """Without an attempt the remedy heals, and again when it is asked again."""
    assert remedy().done["apache2"] == "started"
    apache.clear()
    assert remedy().done["apache2"] == "started"
