"""
Learns of Dynatrace problems and has them healed through Salt's reactor.

A service on a host dies and Dynatrace opens a problem. This engine polls, and a webhook tells it to look at once. It
finds the minion and process that are meant, asks its policy whether it may act now, and fires
``dynatrace/problem/open/…``. A reactor maps the event to a state, which restarts the service and proves that it
serves. The engine records how the job ended, comments on the problem, and tries again or calls a person. It only
reports: nothing is acted on until ``master.d/reactor.conf`` is included.

:maintainer: the salt-dynatrace authors
:maturity: new
:depends: requests and tornado, which Salt brings
:platform: any that runs a salt-master

Event description
-----------------

``dynatrace/problem/<what>/<severity>/<display id>``, such as ``dynatrace/problem/open/availability/P-2407114``; lower
case but for the id. ``what`` is ``open``, ``retry``, ``changed``, ``healed``, ``healthy``, ``failed``, ``escalated``
or ``resolved``. ``dynatrace/notification/test`` is fired for a test notification, ``dynatrace/engine/started`` once the
engine runs. All keys of the data are described in ``docs/reference/events.md``. Each event is signed with a key that only the
master's user can read; a reactor that acts must begin with ``{% if salt['dynatrace.genuine'](data) %}``.

Configuration
-------------

Without ``webhook`` it learns of a problem by the next poll:

.. code-block:: yaml

    engines:
      - dynatrace:
          environment_url: https://abc12345.live.dynatrace.com
          api_token: sdb://mysecrets/dynatrace_token    # problems.read, problems.write, entities.read; or `oauth`
          webhook:
            address: 0.0.0.0
            token: sdb://mysecrets/dynatrace_webhook     # sent as Authorization: Bearer <token>
            ssl_crt: /etc/salt/pki/dynatrace.crt
            ssl_key: /etc/salt/pki/dynatrace.key

All keys with their defaults stand in ``master.d/dynatrace.conf`` and ``docs/reference/configuration.md``. Several
tenants are several entries with ``engine_module: dynatrace`` and a name of their own each. A configuration that cannot
be used is reported once, whole, as one ERROR; the engine then stays asleep until the master is restarted.

Does it run?
------------

Salt says nothing when an engine cannot be loaded. This shows a line when it runs::

    ps ax | grep -F 'Engine(salt.loaded.ext.engines.dynatrace)'
"""

import contextlib
import functools
import importlib
import logging
import os
import re
import signal
import stat
import sys
from pathlib import Path

import salt.cache
import salt.client
import salt.config
import salt.fileserver
import salt.key
import salt.loader
import salt.minion
import salt.utils.event
import salt.utils.sdb
import salt.utils.verify

if __name__.startswith("salt.loaded."):
    # Salt starts an engine that ended again in a fork of the master, which may hold the package of before an update.
    for _name in [name for name in sys.modules if name.partition(".")[0] == "_dynatrace"]:
        del sys.modules[_name]
    importlib.invalidate_caches()

# Here and nowhere later: sys.path has the package only while this module loads. What is named twice is for the runner.
from _dynatrace.api import environment as environment
from _dynatrace.config import catalogue as catalogue
from _dynatrace.config import config as configuration
from _dynatrace.config import entries, validator
from _dynatrace.core import coverage as coverage
from _dynatrace.core import errors
from _dynatrace.core import remedies as remedies
from _dynatrace.engine import wiring
from _dynatrace.master import event_objects, job_cache, loading
from _dynatrace.master import grains as grains_
from _dynatrace.master.reactors import Reactors
from _dynatrace.master.salt_interface import Master
from _dynatrace.pages import report as report
from _dynatrace.simulation import simulation as simulation

log = logging.getLogger(__name__)

__virtualname__ = "dynatrace"


def __virtual__():
    return __virtualname__


def start(**config):
    """
    Run the engine; never returns, since Salt would start it again every few seconds for ever. Takes the keys of the
    configuration as keyword arguments, so that an unknown one is reported and not a TypeError.
    """
    instance = _instance(config)
    try:
        engine = wiring.Engine(instance, configuration.load(config), _master(instance))
        engine.start()
    except errors.ConfigError as err:
        misplaced = entries.misplaced(__opts__.get("engines"))
        log.error(
            "%s: the engine does not run: its configuration cannot be used:\n%s\n"
            "Correct it and restart the salt-master.",
            instance,
            # What is formed wrongly: options that are missing may stand there all the same.
            "\n".join(f"  - {problem}" for problem in [*misplaced, *err.problems]),
        )
        _sleep()
    except (errors.DynatraceError, OSError) as err:
        log.error(
            "%s: the engine does not run: %s. It runs as the user %s. Correct it and restart the salt-master.",
            instance,
            err,
            validator.user(),
        )
        _sleep()
    try:
        engine.threads.supervise()
    except Exception:
        log.exception("%s: the engine ends", instance)
    # With a damaged ledger, or a thread that ends again and again. Salt starts the engine anew within ten seconds; no
    # thread of this process goes on.
    os._exit(1)


def _instance(config):
    """
    Return the name that the entry in ``engines`` has; Salt does not hand it on, so it is found by its options.
    """
    for name, options in entries.entries(__opts__.get("engines")):
        named = name != __virtualname__ and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", str(name))
        if named and options == config:
            return str(name)
    return __virtualname__


def _sleep():
    while True:
        signal.pause()


def _master(instance=__virtualname__):
    return Master(
        directory=Path(__opts__["cachedir"]) / "dynatrace",
        connect_to_fire=_connect_to_fire,
        connect_to_listen=_connect_to_listen,
        accepted=_accepted,
        is_accepted=_is_accepted(),
        grains=_grains(),
        why_untaken=Reactors(lambda: __opts__.get("reactor"), _served()).why_untaken,
        publish=_publish,
        jobs=_jobs(),
        stamp=grains_.stamps(salt.cache.factory(__opts__)),
        remedies=__opts__.get("dynatrace_remedies"),
        secrets=_secrets(instance),
    )


def _secrets(instance):
    """
    Return the functions that read an engine's secrets again, by the names of options that hold an sdb:// URL.
    """
    urls = entries.kept_elsewhere(_written(), instance).items()
    return {name: functools.partial(salt.utils.sdb.sdb_get, url, __opts__) for name, url in urls}


def _written():
    """
    Return ``engines`` as it stands in the configuration's files: Salt has replaced the sdb:// URLs in its options.
    """
    path, *includes = map(__opts__.get, ("conf_file", "default_include", "include"))
    given = salt.config.load_config(path, "", "", exit_on_config_errors=False)
    for one in includes:
        given.update(salt.config.include_config(one, path, verbose=False))
    return given.get("engines")


def _connect_to_fire():
    bus = salt.utils.event.get_event("master", opts=__opts__, listen=False)
    return event_objects.that_fires(bus)


def _connect_to_listen():
    bus = salt.utils.event.get_event("master", opts=__opts__, listen=True)
    return event_objects.that_receives(bus)


def _accepted():
    found = salt.key.get_key(__opts__).list_status("accepted").get("minions", [])
    if not found:
        # Salt takes a directory that it may not enter for one that is not there, and nobody for accepted.
        with contextlib.suppress(FileNotFoundError):
            os.stat(os.path.join(__opts__["pki_dir"], "minions", "."))
    return [minion for minion in found if isinstance(minion, str)]


def _is_accepted():
    """
    Return the function that tells whether a minion's key is accepted, by a look at that key alone.
    """

    def read_keys():
        made = salt.key.get_key(__opts__)
        if hasattr(made, "cache"):
            loading.ready(made.cache)
        return made

    keys = loading.for_each_thread(read_keys)
    cluster = __opts__.get("cluster_pki_dir") if __opts__.get("cluster_id") else None
    directory = Path(cluster or __opts__["pki_dir"], "minions")

    def look(minion):
        if not salt.utils.verify.valid_id(__opts__, minion):
            return False
        cache = getattr(keys(), "cache", None)
        if cache is not None:  # Since Salt 3008 the state stands in the entry.
            return (cache.fetch("keys", minion) or {}).get("state") == "accepted"
        try:
            return stat.S_ISREG((directory / minion).lstat().st_mode)
        except FileNotFoundError:
            return False

    return look


def _grains():
    """
    Return the function that reads a minion's grains from the master's cache.

    Salt's own ``get_minion_data`` makes a cache object at each call, which takes longer than the reading.
    """
    enabled = __opts__.get("minion_data_cache", True)
    read = loading.for_each_thread(
        lambda: grains_.reader(loading.ready(salt.cache.factory(__opts__)), enabled)
    )
    return lambda minion: read()(minion)


def _served():
    """
    Return the function that tells where the file server has a file of the base environment, or None.
    """
    server = functools.cache(lambda: salt.fileserver.Fileserver(__opts__))

    def find(path):
        try:
            return server().find_file(path, "base").get("path") or None
        except Exception as err:  # noqa: BLE001 - What a backend raises is its own.
            log.debug("the file server does not tell where %s is: %s", path, err)
            return None

    return find


def _publish(minions, function, *arguments):
    """
    Give minions a job, without waiting for an answer; return its id.
    """
    with salt.client.get_local_client(mopts=dict(__opts__)) as client:
        return client.cmd_async(minions, function, arguments, tgt_type="list")


def _jobs():
    """
    Return access to the master's job cache, through the returner that the master writes it with.
    """
    option = "ext_job_cache" if __opts__.get("ext_job_cache") else "master_job_cache"
    name = __opts__.get(option) or "local_cache"
    cached = bool(__opts__.get("job_cache", True) or __opts__.get("ext_job_cache"))

    def load():
        return salt.minion.MasterMinion(
            __opts__, states=False, rend=False, matcher=False, whitelist=[name]
        ).returners

    return job_cache.through(name, option, load, cached)
