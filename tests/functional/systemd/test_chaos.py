"""
The outage on purpose, on a machine that runs systemd.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.functional.systemd.troubles import Troubled
from tests.harness.machine import Machine
from tests.harness.masterless import Masterless

REMEDY = "dynatrace.remedy.apache2"
# Of Salt, for what waits behind another state run.
QUEUES = ("state_queue", "job_queue")


@pytest.fixture
def minion(machine: Machine, synced: Masterless) -> Masterless:
    """
    A minion that allows chaos, by its own file.
    """
    minion = Masterless(machine.shared / "minion", machine, dynatrace_chaos=True)
    minion.take(synced)
    return minion


def outage(minion: Masterless, how: str = "stop") -> dict[str, Any]:
    told = minion.call("dynatrace.outage", REMEDY, "timeout=1", how=how)
    assert isinstance(told, dict), told
    return told


def test_what_nobody_heals_is_brought_back_by_its_remedy(
    apache: Troubled, minion: Masterless
) -> None:
    """A unit that was stopped is started by nobody else."""
    apache.start()
    before = apache.main
    told = outage(minion, how="stop")
    assert (told["healed"], told["serves"]) == (False, True)
    assert "the remedy was applied: " in told["restored"]
    assert apache.serves()
    assert apache.main != before


def test_what_was_killed_may_be_brought_back_by_systemd(
    apache: Troubled, minion: Masterless
) -> None:
    """Debian's unit is restarted after an unclean signal: that is told as somebody else's doing."""
    apache.start()
    before = apache.main
    told = outage(minion, how="kill")
    assert (told["serves"], told["restored"] is None) == (True, told["healed"])
    assert apache.main != before


def test_behind_another_state_run_the_remedy_waits_and_is_applied(
    apache: Troubled, minion: Masterless, machine: Machine
) -> None:
    """Salt's `queue=True` only leaves a file for a minion, which runs nothing of what is called in its own job."""
    apache.start()
    ended = machine.shared / "ended"
    # It goes on for a while after the outage began, however long that takes to begin.
    runs = f"while systemctl --quiet is-active apache2; do sleep 0.1; done; sleep 5; touch {ended}"
    program = str(Path(sys.executable).parent / "salt-call")
    command = [program, "--local", "-c", str(minion.conf), "state.single", "cmd.run", runs]
    with machine.popen(*command):
        machine.wait_for(lambda: any((minion.root / "cache" / "proc").glob("*")), 60)
        told = outage(minion, how="stop")
        # The process may still be leaving.
        assert ended.exists()
    assert (told["healed"], told["serves"]) == (False, True)
    assert "the remedy was applied: " in told["restored"]
    cache = minion.root / "cache"
    assert [path for name in QUEUES for path in (cache / name).glob("*.p")] == []


def test_a_minion_that_says_nothing_of_chaos_is_left_alone(
    apache: Troubled, machine: Machine, synced: Masterless
) -> None:
    """Whatever pillar says, which the master gives."""
    apache.start()
    before = apache.main
    minion = Masterless(machine.shared / "other", machine)
    minion.take(synced)
    pillar = minion.root / "pillar"
    pillar.mkdir()
    (pillar / "top.sls").write_text("base: {'*': [site]}")
    (pillar / "site.sls").write_text("dynatrace_chaos: true\ndynatrace: {chaos: {allow: ['*']}}")
    assert "this minion does not allow chaos" in outage(minion)["refused"]
    assert apache.main == before
