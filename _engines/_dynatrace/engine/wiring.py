"""
Puts the engine's parts together and starts its threads, with what ``dynatrace.py`` hands in of Salt.

It decides nothing but which parts there are: without a token no client, without a job cache no question to a minion,
without ``webhook`` no listener.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..api import client as client_
from ..api import rate_limiter as budget_
from ..config.config import Config
from ..core import errors
from ..master import delivery as echo_
from ..master import job_cache
from ..master import minions as minions_
from ..master import outbox_relay as bus
from ..master import ping as presence_
from ..master import reactors as takers_
from ..master import recall as recall_
from ..master import signing_key as key_
from ..master import subscriber as hearer_
from ..master.jobs import Jobs
from ..remediation import dispatch as orders_
from ..remediation import episodes as episodes_
from ..remediation import feedback as feedback_
from ..remediation import problem_reader as intake_
from ..remediation import reports as reports_
from ..remediation import scheduler as attempts_
from ..store import ledger as ledger_
from . import clock as clock_
from . import commands as commands_
from . import health as status_
from . import reconciler as loop_
from . import ways
from .parts import Parts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Master:
    """
    What is taken from Salt. ``directory`` is the engine's own; ``grains`` and ``jobs`` are called once, at the start.
    """

    directory: Path
    firing_side: Callable[[], bus.EventSide]
    hearing_side: Callable[[], bus.EventSide]
    accepted: Callable[[], Iterable[str]]
    grains: Callable[[], Callable[[str], minions_.Grains | None]]
    reactors: Callable[[], Any]
    served: Callable[[str], str | None]
    ping: Callable[[list[str]], str]
    recall: Callable[[str, list[str]], str]
    jobs: Callable[[], Jobs]


def build(instance: str, config: Config, master: Master) -> loop_.Reconciler:
    """
    Put the parts together, start the threads, and return the loop.

    Raises DynatraceError or OSError when something cannot work.
    """
    key = key_.signing_key(master.directory)
    ledger = _ledger(instance, config, master.directory)
    client = client_for(config)
    policy = config.policy
    minions = minions_.Minions(master.accepted, master.grains(), time.monotonic, instance)
    intake = intake_.ProblemReader(instance, ledger, client)
    entities = intake_.Entities(client, time.monotonic, intake.read_budget) if client else None
    episodes = episodes_.Episodes(
        instance,
        ledger,
        episodes_.matcher(entities, minions.find),
        config.get("lookback"),
        policy.dry_run,
    )
    feedback = (
        feedback_.Feedback(instance, ledger, client) if client and config.get("feedback") else None
    )
    jobs = job_cache.watched(master.jobs(), instance)
    # Without a job cache nothing proves who answered; then nobody is asked.
    presence = presence_.Presence(instance, master.ping, jobs.returns) if jobs.cached else None
    recall = recall_.Recall(instance, master.recall, jobs) if jobs.cached else None
    attempts = attempts_.Scheduler(
        instance,
        ledger,
        policy,
        accepted=lambda: len(minions),
        is_accepted=minions.__contains__,
        reread=episodes_.rereader(intake, episodes, ledger),
        rematch=episodes.rematch,
        untaken=takers_.Reactors(master.reactors, master.served).why_untaken,
        comments=feedback is not None and config.get("feedback.comment"),
        reports=_reports(config, ledger) if feedback is not None else None,
        sent_to=jobs.minions if jobs.cached else None,
        presence=presence,
        recall=recall,
    )
    delivery = echo_.DeliveryConfirmation()
    held = orders_.holder(ledger, policy)
    relay = bus.OutboxRelay(
        instance,
        ledger,
        master.firing_side,
        key,
        attempts_.TAKE_S,
        delivery,
        held,
        policy.outcome_timeout,
    )
    status = status_.Status(
        instance, float(config.get("poll_interval")) if client else 0.0, time.time()
    )
    subscriber = _subscriber(instance, config, master.hearing_side, minions, presence, delivery)
    commands = commands_.Commands(instance, ledger, policy, status, key, relay.say)
    parts = Parts(
        config=config,
        ledger=ledger,
        intake=intake,
        episodes=episodes,
        attempts=attempts,
        jobs=jobs,
        relay=relay,
        subscriber=subscriber,
        feedback=feedback,
        status=status,
        commands=commands,
    )
    loop = loop_.Reconciler(instance, parts, steady=clock_.steady)
    hook = ways.hook(instance, config, ledger, loop.look_now)
    on_hook = hook.hear if hook is not None else lambda _: None
    subscriber.wire(loop.job, on_hook, loop.command, loop.reconcile)
    relay.wire(loop.look_now)
    probe = status_.Probe(status, ledger, lambda: relay.healthy, lambda: len(minions))
    if presence is not None:
        presence.on_answer = loop.look_now
    if recall is not None:
        recall.on_answer = loop.look_now
    threads = [
        relay,
        subscriber,
        feedback,
        presence,
        recall,
        hook,
        *ways.listening(instance, config, ledger, loop.look_now, probe),
    ]
    minions.refresh()
    for thread in filter(None, threads):
        thread.start()
    _say(instance, config, ledger, len(minions))
    return loop


def _ledger(instance: str, config: Config, directory: Path) -> ledger_.Ledger:
    path = config.get("ledger") or directory / instance / "ledger.db"
    ledger = wait_for_ledger(instance, path)
    if ledger.moved_aside:
        log.error(
            "%s: the ledger was damaged; it is kept as %s and a new one begun, as on a first start",
            instance,
            ledger.moved_aside,
        )
    return ledger


def wait_for_ledger(instance: str, path: Path) -> ledger_.Ledger:
    """
    Open the ledger when an earlier process of the same engine has let go of it and the disk has room; raises if another
    engine has it, or a newer version wrote it.
    """
    said = False
    while True:
        try:
            return ledger_.Ledger(path, instance)
        except errors.LedgerNewer:
            raise
        except errors.LedgerError as err:
            if isinstance(err, errors.LedgerInUse) and err.owner not in ("", instance):
                raise
            if not said:
                log.warning("%s: waiting, said once: %s", instance, err)
            said = True
            time.sleep(1)


def client_for(config: Config) -> client_.Client | None:
    """
    Return access to the tenant as it is configured; None without a token: nothing is asked of it then.
    """
    if not config.get("api_token"):
        return None
    return client_.Client(
        config.get("environment_url"),
        config.get("api_token"),
        config.get("ca_bundle"),
        config.get("proxy"),
        config.get("problem_selector"),
        budget_.RateLimiter(config.get("calls_per_minute")),
    )


def _reports(config: Config, ledger: ledger_.Ledger) -> reports_.Reports:
    close_after = config.get("feedback.close_after") if config.get("feedback.close") else None
    return reports_.Reports(ledger, config.get("feedback.event"), close_after)


def _subscriber(
    instance: str,
    config: Config,
    connect: Callable[[], bus.EventSide],
    minions: minions_.Minions,
    presence: presence_.Presence | None,
    delivery: echo_.DeliveryConfirmation,
) -> hearer_.Subscriber:
    def touched(minion: str | None) -> None:
        if minion is not None and presence is not None:
            presence.heard(minion)
        if minion is None or minion not in minions:
            minions.touch_keys()
        else:
            minions.touch(minion)

    return hearer_.Subscriber(instance, connect, touched, ways.hook_tag(config), delivery)


def _say(instance: str, config: Config, ledger: ledger_.Ledger, minions: int) -> None:
    """
    Announce the start on the bus and in the log, without any secret.
    """
    ways = []
    if config.get("api_token"):
        interval = config.get("poll_interval")
        ways.append(f"polls every {interval:g} s" if interval else "never polls")
    if config.has_webhook:
        scheme = "https" if config.get("webhook.ssl_crt") else "http"
        ways.append(
            f"listens on {scheme}://{config.get('webhook.address')}:{config.get('webhook.port')}"
            f"{config.get('webhook.path')}"
        )
    mode = " in dry run" if config.get("policy.dry_run") else ""
    log.info(
        "%s: version %s started%s: %s; %s minions",
        instance,
        status_.VERSION,
        mode,
        " and ".join(ways),
        minions,
    )
    data = {"what": "started", "instance": instance, "version": status_.VERSION}
    try:
        ledger.add_event("engine", "dynatrace/engine/started", data, time.time())
    except errors.LedgerError as err:  # The loop waits until it works, and nobody waits for this.
        log.warning("%s: its start is not announced: %s", instance, err)
