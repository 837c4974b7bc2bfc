"""
The remedy on a real systemd, with the defaults of systemd, of Debian's apache2 and of the remedy.

Each trouble is healed, or the outcome names its cause; and nothing goes on after the outcome was told.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional.systemd.troubles import BROKEN, CONF, Troubled
from tests.harness.masterless import Outcome

Remedy = Callable[..., Outcome]
Trouble = Callable[[Troubled], object]


def attempt() -> str:
    return uuid.uuid4().hex


def broken(apache: Troubled) -> None:
    apache.break_configuration()
    apache.machine.run("systemctl", "start", "apache2", status=None)


def stopped(apache: Troubled) -> None:
    apache.start()
    apache.stop()


def running(then: Trouble) -> Trouble:
    """
    Return a trouble that comes over an apache2 that serves.
    """

    def trouble(apache: Troubled) -> object:
        apache.start()
        return then(apache)

    return trouble


HEALED: dict[str, Trouble] = {
    "never started": lambda apache: None,
    "stopped": stopped,
    "killed": running(Troubled.kill),
    "orphans": Troubled.leave_orphans,
    "failed before": lambda apache: (broken(apache), apache.machine.run("rm", BROKEN)),
    "start limit": Troubled.hit_start_limit,
    "frozen": running(Troubled.freeze),
    "auto-restart in 60 s": Troubled.await_auto_restart,
    "auto-restart of a broken one that was repaired": lambda apache: (
        apache.await_auto_restart(),
        apache.break_configuration(),
        apache.machine.run("rm", BROKEN),
    ),
    "its start takes 5 s": lambda apache: apache.hang_start("5"),
    "another instance serves": lambda apache: apache.second_instance().start(),
}


@pytest.mark.parametrize("trouble", HEALED)
def test_it_is_healed_and_rests(apache: Troubled, remedy: Remedy, trouble: str) -> None:
    """It serves by its own unit, something was done for it, and nothing goes on."""
    HEALED[trouble](apache)

    outcome = remedy(attempt())

    assert outcome.word == "healed", outcome.comments
    assert outcome.good
    assert outcome.done
    assert apache.serves()
    assert apache.main in apache.pids
    assert apache.rests() == "active/running"


def test_a_wedged_one_is_healed(apache: Troubled, remedy: Remedy) -> None:
    """It takes connections and says nothing, and it is older than its start may take."""
    apache.start()
    main = apache.wedge()

    outcome = remedy(attempt(), starts_within=1)

    assert outcome.word == "healed", outcome.comments
    assert main not in apache.pids
    assert apache.serves()
    assert apache.rests() == "active/running"


def taken_with_orphans(apache: Troubled) -> None:
    """
    Orphans on 81 and another program on 80, and both ports are apache2's.
    """
    apache.machine.write(f"{CONF}/ports.conf", "Listen 81\n")
    apache.leave_orphans("http://127.0.0.1:81/")
    apache.machine.write(f"{CONF}/ports.conf", "Listen 80\nListen 81\n")
    apache.take_port()


#: By trouble: how it is made, the outcome's word, and what the comment must name.
NOT_HEALED: dict[str, tuple[Trouble, str, list[str]]] = {
    "port taken": (Troubled.take_port, "failed", ["port 80 is held by python", "AH00072"]),
    "port taken by one that is deaf": (
        lambda apache: apache.take_port(answers=False),
        "failed",
        ["port 80 is held by python", "AH00072"],
    ),
    "orphans and port taken": (
        taken_with_orphans,
        "failed",
        ["port 80 is held by python", "AH00072"],
    ),
    "broken configuration": (broken, "failed", ["NoSuchDirectiveOfTheTest"]),
    "listens nowhere": (Troubled.listen_nowhere, "failed", ["AH00072", "192.0.2.1"]),
    "masked": (Troubled.mask, "refused", ["masked"]),
    "unit missing": (Troubled.remove_unit, "refused", ["apache2.service"]),
    "a broken module": (
        lambda apache: apache.machine.write(
            f"{CONF}/conf-enabled/zz-module.conf", "LoadModule no_module /nowhere/mod_no.so\n"
        ),
        "failed",
        ["/nowhere/mod_no.so"],
    ),
    "its program fails": (
        lambda apache: apache.drop_in(
            "[Service]\nExecStartPre=/bin/sh -c 'echo no-luck; exit 9'\n"
        ),
        "failed",
        ["no-luck"],
    ),
    "it may not be started by its condition": (
        lambda apache: apache.drop_in("[Unit]\nConditionPathExists=/nowhere\n"),
        "failed",
        ["condition"],
    ),
}


@pytest.mark.parametrize("trouble", NOT_HEALED)
def test_what_cannot_be_healed_is_named_and_rests(
    apache: Troubled, remedy: Remedy, trouble: str
) -> None:
    """A person reads the cause in the comment, and is not surprised by what happens after it."""
    make, word, named = NOT_HEALED[trouble]
    make(apache)

    outcome = remedy(attempt())

    assert outcome.word == word, outcome.comments
    assert [text for text in named if text not in outcome.failures] == []
    assert apache.main == 0
    apache.rests()


@pytest.mark.parametrize("trouble", ["masked", "unit missing"])
def test_a_dry_run_refuses_what_a_run_refuses(
    apache: Troubled, remedy: Remedy, trouble: str
) -> None:
    """Who tries it before the night wants to know."""
    make, word, named = NOT_HEALED[trouble]
    make(apache)

    outcome = remedy(attempt(), test=True)

    assert outcome.word == word, outcome.comments
    assert all(text in outcome.failures for text in named)


def test_the_orphans_that_were_ended_are_told_when_the_end_is_bad(
    apache: Troubled, remedy: Remedy
) -> None:
    """Who reads the failure must know what was done."""
    taken_with_orphans(apache)
    orphans = apache.pids

    outcome = remedy(attempt())

    assert outcome.word == "failed"
    assert outcome.done["orphans ended"] == orphans


def frozen_and_broken(apache: Troubled) -> None:
    apache.start()
    apache.freeze()
    apache.break_configuration()


#: What lives is not stopped: how it is made, the outcome's word, what the comment must name.
LEFT_ALONE: dict[str, tuple[Trouble, str, list[str]]] = {
    "serves": (Troubled.start, "healthy", ["serves"]),
    "serves with a broken configuration": (
        running(Troubled.break_configuration),
        "healthy",
        ["serves"],
    ),
    "frozen with a broken configuration": (
        frozen_and_broken,
        "failed",
        ["NoSuchDirectiveOfTheTest", "Nothing has been stopped"],
    ),
    "started outside of its unit": (Troubled.start_outside, "healthy", ["serves"]),
    "serves on 443 alone": (
        lambda apache: (apache.serve_tls_only(), apache.start()),
        "healthy",
        ["443"],
    ),
    "masked and serving": (running(Troubled.mask), "healthy", ["serves"]),
}


@pytest.mark.parametrize("trouble", LEFT_ALONE)
def test_what_lives_is_left_alone(apache: Troubled, remedy: Remedy, trouble: str) -> None:
    """The same processes go on, and the outcome says what was found."""
    make, word, named = LEFT_ALONE[trouble]
    make(apache)
    before = apache.pids
    assert before

    outcome = remedy(attempt())

    assert outcome.word == word, outcome.comments
    assert [text for text in named if text not in outcome.comments] == []
    assert outcome.done == {}
    assert apache.pids == before
    apache.rests()


def test_a_stop_that_hangs_is_waited_for_as_its_unit_says(apache: Troubled, remedy: Remedy) -> None:
    """Its stop command and its main process have the time of the unit, each."""
    apache.hang_stop()
    apache.drop_in("[Service]\nTimeoutStopSec=4\n", "patience")
    apache.start()
    apache.wedge()

    outcome = remedy(attempt(), timeout=1, starts_within=1)

    assert outcome.word == "healed", outcome.comments
    assert apache.serves()
    assert apache.rests(3) == "active/running"


def test_nothing_starts_after_a_stop_that_hangs_longer_than_there_is_time(
    apache: Troubled, remedy: Remedy
) -> None:
    """systemd's own job is cancelled: what it began is told, and no start follows."""
    apache.hang_stop()
    apache.drop_in("[Service]\nTimeoutStopSec=600\n", "patience")
    apache.start()
    main = apache.wedge()

    outcome = remedy(attempt(), timeout=1, starts_within=1, service_timeout=6)

    assert outcome.word == "failed", outcome.comments
    assert "did not end within" in outcome.failures
    assert "TimeoutStopSec" in outcome.failures
    assert apache.main == main
    apache.rests(3)


def test_a_start_that_hangs_is_ended(apache: Troubled, remedy: Remedy) -> None:
    """It would come up when nobody expects it any more."""
    apache.hang_start()

    outcome = remedy(attempt(), service_timeout=6)

    assert outcome.word == "failed", outcome.comments
    assert "did not end within" in outcome.failures
    assert apache.pids == []
    assert apache.rests(3) in ("inactive/dead", "failed/failed")


def test_what_a_person_stops_meanwhile_stays_stopped(apache: Troubled, remedy: Remedy) -> None:
    """The person has the last word, and the comment says so."""
    apache.hang_start("5")
    with ThreadPoolExecutor(1) as beside:
        told = beside.submit(remedy, attempt())
        apache.machine.wait_for(lambda: apache.state == "activating/start-pre", 60)
        apache.stop()
        outcome = told.result()

    assert outcome.word in ("failed", "unproved"), outcome.comments
    assert "somebody" in outcome.failures
    assert apache.pids == []
    assert apache.rests(3) in ("inactive/dead", "failed/failed")


def test_an_attempt_runs_once_under_systemd(apache: Troubled, remedy: Remedy) -> None:
    """It is told twice and starts once."""
    told = attempt()
    assert remedy(told).word == "healed"
    apache.stop()

    assert remedy(told).word == "repeated"
    assert apache.rests(3) == "inactive/dead"


@pytest.mark.parametrize("named", [{"config": f"{CONF}-foo/apache2.conf"}, {"unit": "apache2@foo"}])
def test_the_instance_that_dynatrace_does_not_name_is_left_alone(
    apache: Troubled, remedy: Remedy, named: dict[str, str]
) -> None:
    """Both are down, of one executable; neither is started for the other."""
    second = apache.second_instance()

    outcome = remedy(attempt(), process=named)

    assert outcome.word == "refused", outcome.comments
    assert "apache2-foo" in outcome.failures or "apache2@foo" in outcome.failures
    assert apache.pids == []
    assert (apache.rests(), second.state) == ("inactive/dead", "inactive/dead")
