"""
Plays the demo and says how it went; the docstring of the package lists the switches.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.demo import own, reporting
from tests.demo.keeping import keep
from tests.demo.saying import DemoError, Interrupted, say
from tests.demo.setting_up import SET_UP, set_up
from tests.demo.timeline import Moment, Probe, Timeline
from tests.harness import ScratchError, apache, switched_on
from tests.harness.logins import LOGINS
from tests.harness.newcomer import Newcomer
from tests.harness.stage import MINION, Stage

STATES = Path(__file__).with_name("states")
PATIENCE_S = 90.0
INSTALL_S = 900.0
#: Who plays with KEEP=1 breaks apache2 more often than a site would stand.
POLICY = {"cooldown": 5, "max_attempts": 100}
#: Which log tells most when a step never came.
LOG_OF = {"serving again": "minion", "proved": "minion"}


@dataclass(frozen=True)
class Healed:
    """
    The seconds of the outage, and the file that tells of it.
    """

    outage: float
    report: Path


def main() -> int:
    """
    Run the demo and return the exit status.
    """
    try:
        apache.become(os.environ.get("SERVICE") or apache.NAME)
        login()
    except (apache.ApacheError, DemoError) as err:
        print(err, file=sys.stderr, flush=True)
        return 2
    if (status := apache.again("tests.demo")) is not None:
        return status
    # What Salt logs in this very process is no news for a user; its daemons have logs of their own.
    logging.getLogger("salt").setLevel(logging.CRITICAL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        healed = play()
    except Interrupted:
        say("Interrupted; everything is cleaned up.")
        return 130
    except (DemoError, ScratchError, apache.ApacheError) as err:
        print(f"\n{err}", file=sys.stderr, flush=True)
        return 1
    except Exception as err:  # noqa: BLE001 - A user gets a sentence, never a traceback.
        print(f"\nThe demo itself failed: {type(err).__name__}: {err}", file=sys.stderr, flush=True)
        return 1
    say(f"{apache.NAME} was out for {healed.outage:.2f} seconds.")
    reporting.announce(healed.report)
    return 0


def login() -> str:
    """
    Return how the tenant is reached; raises DemoError for what it is not.
    """
    wanted = os.environ.get("TENANT") or "classic"
    if wanted not in LOGINS:
        raise DemoError(f"TENANT must be one of {', '.join(LOGINS)}, not {wanted}")
    return wanted


def play() -> Healed:
    """
    Set the stage, let apache2 fail, and watch it being healed.
    """
    webhook = not switched_on("POLL")
    found = own.OwnApache() if own.wanted() else apache.Apache.found()
    try:
        settings: dict[str, Any] = {
            "webhook": webhook,
            "poll_interval": 5 if webhook else 2,
            "options": {"policy": POLICY},
            "states": [STATES],
            "login": login(),
        }
        if isinstance(found, own.OwnApache):
            say("This is not root: an apache2 of this user's own is healed, without systemd.")
            stage: Newcomer = own.OwnStage(found, **settings)
        else:
            stage = Newcomer(**settings)
        try:
            prepare(stage)
            healed = fail_and_heal(stage, webhook)
        except (DemoError, ScratchError) as err:
            if switched_on("KEEP"):
                print(f"\n{err}", file=sys.stderr, flush=True)
                keep(stage)
            raise
        else:
            if switched_on("KEEP"):
                keep(stage)
        finally:
            with undisturbed():
                say("\nStopping Salt and the tenant ...")
                stage.stop()
    finally:
        with undisturbed():
            say(f"Leaving {apache.NAME} as it was found: {found.description} ...")
            found.restore()
    return healed


def prepare(stage: Newcomer) -> None:
    """
    Bring everything from nothing to where apache2 serves and the engine watches.
    """
    began = time.monotonic()
    say(f"Starting salt-master, salt-minion and salt-api in {stage.salt.root} ...")
    stage.start()
    stage.wait_for_engine()
    say(f"  they run, on loopback ports, after {time.monotonic() - began:.1f} s")
    start_apache(stage)
    apache.wait_until_answers(20)
    say(f"  {apache.URL} answers")
    say(
        f"\nThe tenant {stage.login.options['environment_url']} is empty, and no OneAgent is installed. Set up all of it:"
    )
    say(f"  {SET_UP}\n")
    set_up(stage)
    say("\nThe same again changes nothing:\n")
    if changed := set_up(stage):
        raise DemoError(f"The second setup changed something: {', '.join(changed)}")
    stage.watch()
    stage.tenant.log.wait_for(
        lambda: any(entry.what == "monitor started" for entry in stage.tenant.log.entries()), 10
    )


def start_apache(stage: Newcomer) -> None:
    """
    Have an apache2 that serves, installed where that may be.
    """
    if isinstance(stage, own.OwnStage):
        say("Starting apache2 with Salt (service.start apache2) ...")
        stage.salt.api.call("saltutil.sync_modules", tgt=MINION)
        if stage.salt.api.call("service.start", "apache2", tgt=MINION).get(MINION) is not True:
            raise DemoError(f"apache2 did not start:\n{stage.salt.minions[MINION].tail()}")
        return
    state = f"demo.{apache.NAME}"
    say(f"Installing and starting {apache.NAME} with Salt (state.apply {state}) ...")
    states = stage.salt.api.call("state.apply", state, tgt=MINION, timeout=INSTALL_S)
    check_states(states.get(MINION))


def check_states(states: object) -> None:
    """
    Raise `DemoError` with what failed, if any state did.
    """
    if not isinstance(states, dict):
        raise DemoError(f"The demo's state did not run: {states}")
    failed = [str(one.get("comment")) for one in states.values() if one.get("result") is False]
    if failed:
        raise DemoError("The demo's state failed:\n" + "\n".join(failed))


def fail_and_heal(stage: Stage, webhook: bool) -> Healed:
    """
    Stop apache2 and tell each step until Dynatrace has closed the problem.
    """
    probe = Probe()
    timeline = Timeline(probe, stage.tenant, stage.salt.events, MINION, webhook)
    announce()
    probe.start()
    with ThreadPoolExecutor(1) as elsewhere:
        breaking = elsewhere.submit(break_apache, stage)
        try:
            healed = timeline.follow(PATIENCE_S, tell, lambda: _failed(breaking))
        finally:
            probe.stop()
    breaking.result()
    if not healed:
        raise DemoError(explain(stage, timeline))
    if bad := stage.tracebacks_in_logs() + stage.secrets_in_logs():
        raise DemoError("It healed, but a traceback or a secret stands in: " + ", ".join(bad))
    return Healed(timeline.outage, reporting.report(stage, timeline.problem, timeline.since))


def announce() -> None:
    """
    Say what is done to apache2.
    """
    if switched_on("KILL"):
        say(
            f"\nKilling all processes of {apache.NAME} as `kill -9` does; its pid file stays behind.\n"
        )
        return
    say(f"\nStopping {apache.NAME}: POST to salt-api, with an X-Auth-Token,")
    low = f'"client": "local", "tgt": "{MINION}", "fun": "service.stop", "arg": "{apache.NAME}"'
    say(f"  {{{low}}}\n")


def break_apache(stage: Stage) -> None:
    """
    Stop apache2 as the tutorial does, through salt-api, or kill it.
    """
    if switched_on("KILL"):
        apache.kill()
        return
    low = {"client": "local", "tgt": MINION, "fun": "service.stop", "arg": apache.NAME}
    answer = stage.salt.api.post("/", low, {"X-Auth-Token": stage.salt.api.token})
    if answer["return"][0].get(MINION) is not True:
        raise DemoError(f"salt-api could not stop {apache.NAME}, it answered: {answer}")


def tell(moment: Moment, seconds: float) -> None:
    """
    Print one step.
    """
    say(f"{seconds:8.2f} s  {moment.step:<22} {moment.detail}")


def explain(stage: Stage, timeline: Timeline) -> str:
    """
    Say which step never came, what the engine says, and what the log that matters ends with.
    """
    step = timeline.missing[0]
    if step in ("stopped", "noticed", "problem opened", "problem closed"):
        entries = stage.tenant.log.entries()[-10:]
        where, tail = "the tenant's journal", "\n".join(f"{e.what} {e.detail}" for e in entries)
    elif LOG_OF.get(step) == "minion":
        where, tail = "the minion's log", stage.salt.minions[MINION].tail(30)
    else:
        where, tail = "the master's log", stage.salt.master.tail(30)
    said = [f"The engine says {failure}" for failure in timeline.failures()]
    return "\n".join(
        [
            f"Not healed: '{step}' never came within {PATIENCE_S:g} s.",
            *said,
            f"The end of {where}:",
            tail,
        ]
    )


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """
    Let cleaning up finish whatever else arrives.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _failed(future: Future[None]) -> bool:
    return future.done() and future.exception() is not None


def _interrupt(_number: int, _frame: object) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())
