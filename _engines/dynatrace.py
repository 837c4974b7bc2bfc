"""
Learns of Dynatrace problems and has them healed through Salt's reactor.

A service on a host dies and Dynatrace opens a problem. This engine learns of it (it polls the Problems API v2, and a
webhook tells it to look at once), finds the minion and process that are meant, asks its policy whether that minion may
be acted on now, and fires ``dynatrace/problem/open/…``. A reactor maps the event to a state, which restarts the service
and proves that it serves. The engine records how the job ended, comments on the problem, and tries again or calls a
person. It only reports: nothing is acted on until ``master.d/reactor.conf`` is included.

:maintainer: the salt-dynatrace authors
:maturity: new
:depends: requests and tornado, which Salt brings
:platform: any that runs a salt-master

Event description
-----------------

``dynatrace/problem/<what>/<severity>/<display id>``, such as ``dynatrace/problem/open/availability/P-2407114``; lower
case but for the id. ``what`` is ``open``, ``retry``, ``changed``, ``healed``, ``failed``, ``escalated`` or
``resolved``. ``dynatrace/notification/test`` is fired for a test notification, ``dynatrace/engine/started`` once the
engine runs. All keys of the data are described in ``docs/events.md``. Each event is signed with a key that only the
master's user can read; a reactor that acts must begin with ``{% if salt['dynatrace.genuine'](data) %}``.

Configuration
-------------

The least that works:

.. code-block:: yaml

    engines:
      - dynatrace:
          environment_url: https://abc12345.live.dynatrace.com
          api_token: sdb://mysecrets/dynatrace_token    # problems.read, problems.write, entities.read

With notifications, which save the wait for the next poll:

.. code-block:: yaml

    engines:
      - dynatrace:
          environment_url: https://abc12345.live.dynatrace.com
          api_token: sdb://mysecrets/dynatrace_token
          webhook:
            address: 0.0.0.0
            port: 8765
            token: sdb://mysecrets/dynatrace_webhook     # sent as Authorization: Bearer <token>
            ssl_crt: /etc/salt/pki/dynatrace.crt
            ssl_key: /etc/salt/pki/dynatrace.key

All keys with their defaults stand in ``master.d/dynatrace.conf`` and ``docs/configuration.md``. Several tenants are
several entries with ``engine_module: dynatrace`` and a name of their own each. A configuration that cannot be used is
reported once, whole, as one ERROR; the engine then stays asleep until the master is restarted.

Does it run?
------------

Salt says nothing when an engine cannot be loaded. This shows a line when it runs::

    ps ax | grep -F 'Engine(salt.loaded.ext.engines.dynatrace)'
"""

import logging
import os
import re
import signal
import time
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

# Siblings are imported here and nowhere later: their directory is on sys.path only while this module loads.
import _dynatrace_attempts as attempts_
import _dynatrace_budget as budget_
import _dynatrace_bus as bus
import _dynatrace_client as client_
import _dynatrace_clock as clock_
import _dynatrace_commands as commands_
import _dynatrace_config as configuration
import _dynatrace_echo as echo_
import _dynatrace_episodes as episodes_
import _dynatrace_errors as errors
import _dynatrace_events as events
import _dynatrace_feedback as feedback_
import _dynatrace_hearer as hearer_
import _dynatrace_intake as intake_
import _dynatrace_jobs as jobs_
import _dynatrace_ledger as ledger_
import _dynatrace_listener as listener_
import _dynatrace_loop as loop_
import _dynatrace_minions as minions_
import _dynatrace_notifications as notifications
import _dynatrace_policy as policy_
import _dynatrace_presence as presence_
import _dynatrace_recorder as recorder_
import _dynatrace_reports as reports_
import _dynatrace_status as status_
import _dynatrace_web as web_
import salt.cache
import salt.client
import salt.key
import salt.loader
import salt.minion
import salt.utils.event
from _dynatrace_parts import Parts

log = logging.getLogger(__name__)

__virtualname__ = "dynatrace"


def __virtual__():
    return __virtualname__


def start(**config):
    """
    Run the engine; never returns, since Salt would start it again every few seconds for ever.

    Takes the keys of the configuration as keyword arguments, so that an unknown one is reported and not a TypeError.
    """
    instance = _instance(config)
    try:
        loop = _build(instance, configuration.load(config))
    except errors.ConfigError as err:
        log.error(
            "%s: the engine does not run: its configuration cannot be used:\n%s\n"
            "Correct it and restart the salt-master.",
            instance,
            "\n".join(f"  - {problem}" for problem in err.problems),
        )
        _sleep()
    except (errors.DynatraceError, OSError) as err:
        log.error(
            "%s: the engine does not run: %s. Correct it and restart the salt-master.",
            instance,
            err,
        )
        _sleep()
    loop.run()
    # Only with a damaged ledger. Salt starts the engine again within ten seconds, whatever threads still run here.
    os._exit(1)


def _instance(config):
    """
    Return the name that the entry in ``engines`` has; Salt does not hand it on, so it is found by its options.
    """
    for entry in __opts__.get("engines") or []:
        for name, options in entry.items() if isinstance(entry, Mapping) else ():
            if (
                options == config
                and name != __virtualname__
                and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", str(name))
            ):
                return str(name)
    return __virtualname__


def _sleep():
    while True:
        signal.pause()


def _build(instance, config):
    """
    Put the parts together, start the threads, and return the loop; raises when something cannot work.
    """
    base = Path(__opts__["cachedir"]) / "dynatrace"
    key = bus.signing_key(base)
    ledger = _ledger(instance, config, base)
    client = _client(config)
    policy = policy_.Policy.from_config(config)
    minions = minions_.Minions(_accepted, _grains(), time.monotonic)
    entities = intake_.Entities(client, time.monotonic) if client else None
    intake = intake_.Intake(instance, ledger, client)
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
    jobs = _jobs()
    # Without a job cache nothing proves who answered; then nobody is asked.
    presence = presence_.Presence(instance, _ping, jobs.returns) if jobs.cached else None
    attempts = attempts_.Attempts(
        instance,
        ledger,
        policy,
        accepted=lambda: len(minions),
        is_accepted=minions.__contains__,
        reread=episodes_.rereader(intake, episodes, ledger),
        rematch=episodes.rematch,
        reacts=_reacts,
        comments=feedback is not None and config.get("feedback.comment"),
        reports=_reports(config, ledger) if feedback is not None else None,
        sent_to=jobs.minions if jobs.cached else None,
        presence=presence,
    )
    echo = echo_.Echo()
    announcer = bus.Announcer(instance, ledger, _firing_side, key, attempts_.TAKE_S, echo)
    status = status_.Status(
        instance, float(config.get("poll_interval")) if client else 0.0, time.time()
    )
    hearer = _hearer(instance, config, minions, presence, echo)
    commands = commands_.Commands(instance, ledger, policy, status, key, announcer.say)
    parts = Parts(
        config=config,
        ledger=ledger,
        intake=intake,
        episodes=episodes,
        attempts=attempts,
        jobs=jobs,
        announcer=announcer,
        hearer=hearer,
        feedback=feedback,
        status=status,
        commands=commands,
    )
    loop = loop_.Loop(instance, parts, steady=clock_.steady)
    hearer.wire(loop.job, _hook(instance, config, ledger, loop), loop.command, loop.reconcile)
    announcer.wire(loop.look_now)
    probe = status_.Probe(status, ledger, lambda: announcer.healthy, lambda: len(minions))
    if presence is not None:
        presence.on_answer = loop.look_now
    threads = [
        announcer,
        hearer,
        feedback,
        presence,
        *_listening(instance, config, ledger, loop, probe),
    ]
    minions.refresh()
    for thread in filter(None, threads):
        thread.start()
    _say(instance, config, ledger, len(minions))
    return loop


def _ledger(instance, config, base):
    path = config.get("ledger") or base / instance / "ledger.db"
    ledger = _wait_for_ledger(instance, path)
    if ledger.moved_aside:
        log.error(
            "%s: the ledger was damaged; it is kept as %s and a new one begun, as on a first start",
            instance,
            ledger.moved_aside,
        )
    return ledger


def _wait_for_ledger(instance, path):
    """
    Open the ledger, as soon as an earlier process of the same engine has let go of it; raises if another engine has it.
    """
    said = False
    while True:
        try:
            return ledger_.Ledger(path, instance)
        except errors.LedgerInUse as err:
            if err.owner not in ("", instance):
                raise
            if not said:
                log.warning("%s: waiting, said once: %s", instance, err)
            said = True
            time.sleep(1)


def _client(config):
    if not config.get("api_token"):
        return None
    return client_.Client(
        config.get("environment_url"),
        config.get("api_token"),
        config.get("ca_bundle"),
        config.get("proxy"),
        config.get("problem_selector"),
        budget_.Budget(config.get("calls_per_minute")),
    )


def _reports(config, ledger):
    close_after = config.get("feedback.close_after") if config.get("feedback.close") else None
    return reports_.Reports(ledger, config.get("feedback.event"), close_after)


def _hearer(instance, config, minions, presence, echo):
    def touched(minion):
        if minion is not None and presence is not None:
            presence.heard(minion)
        if minion is None or minion not in minions:
            minions.touch_keys()
        else:
            minions.touch(minion)

    # Any minion can fire the hook's tag. With an API that only means a look; without one it would be believed.
    hook_tag = config.get("hook_tag") if config.get("api_token") else None
    return hearer_.Hearer(instance, _hearing_side, touched, hook_tag, echo)


def _hook(instance, config, ledger, loop):
    def hear(data):
        """
        Take what salt-api's hook received: ``{"body": raw text, "post": decoded, "headers": …}``.
        """
        try:
            notice = notifications.parse_data(data.get("post") or data, config.get("webhook.keys"))
        except errors.NotificationError as err:
            log.warning("%s: a body from salt-api's hook is refused: %s", instance, err)
            return
        if not notice.test:
            ledger.add_notices([(time.time(), notice)])
            loop.look_now()

    return hear


def _listening(instance, config, ledger, loop, probe):
    """
    Return the threads of the webhook, none if it is left out.
    """
    if not config.has_webhook:
        return []

    def on_test(_notice):
        log.info("%s: a test notification arrived", instance)
        ledger.add_event(
            "test", events.TEST_TAG, {"what": "test", "instance": instance}, time.time()
        )
        loop.look_now()

    recorder = recorder_.Recorder(instance, ledger, loop.look_now)
    health = web_.Health(probe.health, probe.metrics)
    return [recorder, listener_.Listener(instance, config, recorder, on_test, health)]


def _say(instance, config, ledger, minions):
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
    ledger.add_event("engine", "dynatrace/engine/started", data, time.time())


# -- what is taken from Salt -------------------------------------------------------------------------------------------


def _firing_side():
    return salt.utils.event.get_event("master", opts=__opts__, listen=False)


def _hearing_side():
    """
    Return an event object that is connected; Salt gives one that is not when the publisher has no socket.
    """
    side = salt.utils.event.get_event("master", opts=__opts__, listen=True)
    if not side.cpub:
        side.destroy()
        raise ConnectionError("the event publisher cannot be reached")
    return side


def _accepted():
    found = salt.key.get_key(__opts__).list_status("accepted").get("minions", [])
    return [minion for minion in found if isinstance(minion, str)]


def _grains():
    """
    Return the function that reads a minion's grains from the master's cache, in the layout of 3008 or of before.

    Salt's own ``get_minion_data`` makes a cache object at each call, which takes longer than the reading.
    """
    cache = salt.cache.factory(__opts__)

    def read(minion):
        if not __opts__.get("minion_data_cache", True):
            return None
        return cache.fetch("grains", minion) or (
            cache.fetch(f"minions/{minion}", "data") or {}
        ).get("grains")

    return read


def _reacts(tag):
    """
    Tell whether a reactor is configured for a tag; read each time, since ``reactor`` may also be a path.
    """
    reactor = __opts__.get("reactor")
    if not isinstance(reactor, list):
        return bool(reactor)
    globs = [glob for item in reactor if isinstance(item, Mapping) for glob in item]
    return any(fnmatch(tag, str(glob)) for glob in globs)


def _ping(minions):
    """
    Ask minions whether they are there, without waiting for an answer; return the job's id.
    """
    with salt.client.get_local_client(mopts=dict(__opts__)) as client:
        return client.cmd_async(minions, "test.ping", tgt_type="list")


def _jobs():
    """
    Return access to the master's job cache, through the returner that the master writes it with.
    """
    name = __opts__.get("ext_job_cache") or __opts__.get("master_job_cache") or "local_cache"
    cached = bool(__opts__.get("job_cache", True) or __opts__.get("ext_job_cache"))
    returners = salt.minion.MasterMinion(
        __opts__, states=False, rend=False, matcher=False, whitelist=[name]
    ).returners

    def ask(function, jid):
        try:
            return returners[f"{name}.{function}"](jid) or {}
        except Exception as err:  # noqa: BLE001 - What a returner raises is its own; the job may be half written.
            log.debug("the job cache does not give %s of %s yet: %s", function, jid, err)
            return {}

    def sent_to(jid):
        load = ask("get_load", jid)
        if not load:
            return None if cached else []
        found = load.get("Minions") or load.get("minions") or load.get("tgt") or []
        return [found] if isinstance(found, str) else list(found)

    def returns(jid):
        return ask("get_jid", jid)

    return jobs_.Jobs(sent_to, returns, cached)
