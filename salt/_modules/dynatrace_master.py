"""
Tells genuine events of the Dynatrace engine from forged ones, and signs what only the master's user may say.

Every accepted minion can put any event on the master's bus, so a reactor that acts asks ``genuine`` first;
``order`` then gives it what its reaction hands on. ``module_dirs`` brings this to the master; nothing here
needs ``_utils``, which Salt finds in no pip package.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import time
from datetime import datetime, timedelta, timezone

import salt.utils.user
from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

SCHEMA = 1
# Clocks of one machine do not run backwards by more than a time server's correction.
CLOCK_SLACK_S = 5
KEY_LENGTH = 64
KEY = "dynatrace_remedies"


def __virtual__():
    if __opts__.get("__role") != "master":
        return False, "dynatrace_master is for the master, which alone has the key"
    return True


class _Refused(Exception):
    """
    The event is not one to act on; the text says why and holds nothing of the event.
    """


def genuine(data):
    """
    Tell whether this master's engine signed the event, and lately enough to act on it.

    Anything is taken and nothing is raised: what is refused is logged as one WARNING with the
    reason, never with the data.

    CLI Example:

    .. code-block:: jinja

        {% if salt['dynatrace.genuine'](data) %}
    """
    refusal = _refusal(data, _check_form, _check_signature, _check_time)
    if refusal:
        log.warning("dynatrace: refused an event: %s", refusal)
    return refusal is None


def order(data, technology=None):
    """
    Return what a reaction to a genuine event needs, or None when there is nothing to do.

    ``minions`` is the list of those to act on; ``metadata`` goes with the job, for
    ``salt-run jobs.list_jobs``; ``pillar`` tells the remedy which attempt it is, which process is meant on
    each minion, and until when it may begin. It has a key of its own, ``dynatrace_attempt``, so that no
    merging strategy hides a site's own pillar behind it.

    technology
        As the event's ``technologies`` spells it: ``APACHE_HTTPD``, ``NGINX``; for a reactor of a site's own,
        which knows its remedy itself. Left out: the remedy is the event's, by the catalogue
        ``dynatrace_remedies`` of the master's configuration, and the pillar has its settings.

    CLI Example:

    .. code-block:: jinja

        {% set order = salt['dynatrace.order'](data) %}
        {% set order = salt['dynatrace.order'](data, 'APACHE_HTTPD') %}
    """
    if technology is None:
        remedy, minions = _remedy(data.get("remedy")), data["minions"]
    else:
        remedy, minions = None, data["technologies"].get(technology)
    if data["attempt"] < 1 or not minions or (technology is None and not remedy):
        return None
    attempt = {key: data[key] for key in ("jid", "problem_id", "display_id", "title")}
    attempt.update(id=data["attempt_id"], number=data["attempt"], remedy=remedy)
    attempt["valid_until"] = data.get("act_until")
    processes = data.get("processes") or {}
    attempt["processes"] = {name: processes[name] for name in minions if name in processes}
    metadata = {
        "dynatrace_attempt": data["attempt_id"],
        "dynatrace_problem": data["problem_id"],
        "dynatrace_display_id": data["display_id"],
    }
    return {
        "minions": minions,
        "metadata": metadata,
        "pillar": {"dynatrace_attempt": attempt},
    }


def remedy(name):
    """
    Return a remedy of the catalogue as its state takes it, ``name`` and ``settings``; None: there is none.

    CLI Example:

    .. code-block:: bash

        salt-run salt.cmd dynatrace_master.remedy nginx
    """
    return _remedy(name)


def sign(data, valid_for):
    """
    Return a copy of ``data`` signed with this master's key and valid for so many seconds.

    Only the master's user can read the key, so only that user's commands to the engine count.

    CLI Example:

    .. code-block:: bash

        salt-run salt.cmd dynatrace_master.sign '{}' 5
    """
    signed = {key: value for key, value in data.items() if key not in ("signature", "_stamp")}
    now = datetime.now(timezone.utc)
    signed["fired"] = _iso(now)
    signed["valid_until"] = _iso(now + timedelta(seconds=valid_for))
    try:
        key = _signing_key()
    except _Refused as err:
        raise CommandExecutionError(str(err)) from err
    signed["signature"] = hmac.new(key, _canonical(signed), hashlib.sha256).hexdigest()
    return signed


def signed(data):
    """
    Tell whether this master's key signed ``data`` and it is still valid, whatever it is about.

    CLI Example:

    .. code-block:: bash

        salt-run salt.cmd dynatrace_master.signed '{}'
    """
    return _refusal(data, _check_signature, _check_time) is None


def _remedy(name):
    if name is None:
        return None
    catalogue = __opts__.get(KEY)
    entry = catalogue.get(name) if isinstance(catalogue, dict) else None
    if not isinstance(entry, dict):
        log.warning("dynatrace: this master's `%s` has no remedy %r", KEY, name)
        return None
    # YAML reads the key `on` as true.
    on = entry.get("on") or entry.get(True) or {}
    units = on.get("unit", []) if isinstance(on, dict) else None
    if not isinstance(units, (str, list)):
        log.warning("dynatrace: %s:%s has a fault in `on`; see dynatrace.check", KEY, name)
        return None
    settings = {key: value for key, value in entry.items() if key not in (True, "on", "policy")}
    if units:
        # Where no service is set, it is the unit that Dynatrace names, if it fits one of these.
        settings["units"] = [units] if isinstance(units, str) else units
    return {"name": name, "settings": settings}


def _refusal(data, *checks):
    try:
        for check in checks:
            check(data)
    except _Refused as refused:
        return str(refused)
    except Exception as err:  # noqa: BLE001 - hostile data may raise anything.
        # RecursionError from deep nesting, TypeError from what JSON does not know, and the like.
        return f"it cannot be checked ({type(err).__name__})"
    return None


def _check_form(data):
    if not isinstance(data, dict):
        raise _Refused("it is no mapping")
    if "__peer_id" in data:
        raise _Refused("another master of the cluster sent it, whose own reactor acts on it")
    if type(data.get("schema")) is not int or data["schema"] != SCHEMA:
        raise _Refused(f"its schema is not {SCHEMA}")
    if not isinstance(data.get("attempt"), int) or not isinstance(data.get("technologies"), dict):
        raise _Refused("attempt or technologies are missing")
    signature = data.get("signature")
    if not isinstance(signature, str) or not re.fullmatch("[0-9a-f]{64}", signature):
        raise _Refused("it is not signed")


def _check_signature(data):
    expected = hmac.new(_signing_key(), _canonical(data), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, data["signature"]):
        raise _Refused("its signature is not this master's")


def _canonical(data):
    # As the engine signs it, byte for byte.
    rest = {key: value for key, value in data.items() if key not in ("signature", "_stamp")}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _signing_key():
    if __opts__.get("__role") != "master":
        raise _Refused("this is no master")
    path = os.path.join(__opts__["cachedir"], "dynatrace", "signing.key")
    try:
        with open(path, "rb") as handle:
            key = handle.read(KEY_LENGTH + 1).strip()
    except OSError as err:
        raise _Refused(
            f"the signing key {path} cannot be read by {salt.utils.user.get_user()} "
            f"({err.strerror}); the engine makes it, for the user that the master runs as"
        ) from err
    if len(key) != KEY_LENGTH:
        raise _Refused(f"the signing key {path} is not whole")
    return key


def _check_time(data):
    now = time.time()
    if _seconds(data.get("fired"), "fired") > now + CLOCK_SLACK_S:
        raise _Refused("it claims to have been fired in the future")
    if _seconds(data.get("valid_until"), "valid_until") < now:
        raise _Refused("it is too old to act on")


def _seconds(value, key):
    # Python 3.10 does not read the Z of an ISO time.
    try:
        moment = datetime.fromisoformat(re.sub("Z$", "+00:00", value))
    except (TypeError, ValueError):
        raise _Refused(f"{key} is no time") from None
    if moment.tzinfo is None:
        raise _Refused(f"{key} has no time zone")
    return moment.timestamp()


def _iso(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
