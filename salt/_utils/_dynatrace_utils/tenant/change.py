"""
Announces a planned change to the tenant, so that Salt's own restarts raise no problem.

An announcement is a maintenance window for some hosts that begins now and ends by itself after so
many minutes, whatever becomes of the master; ``end`` ends it before. Dynatrace documents that a
window on a host covers the host's immediate children, its processes among them; a service that
runs on them is not covered, since it may run elsewhere too.

The window is cut short and not deleted: a problem is sometimes decided on minutes after it began,
and is then judged by the window of that time. Windows that ended more than a day ago are deleted
by the next ``begin``.
"""

import datetime
import logging
import re
import secrets

from salt.exceptions import CommandExecutionError

from ..dunders import __salt__
from . import api as tenant_api
from . import objects as tenant_objects
from . import options as tenant_options
from . import record as tenant_record
from . import window as tenant_window

log = logging.getLogger(__name__)

WINDOW = "builtin:alerting.maintenance-window"
ENVIRONMENT = "environment"
KIND = "planned_change"
FORM = "%Y-%m-%dT%H:%M:%S"
# The tenant's clock may be behind ours.
EARLIER = datetime.timedelta(minutes=1)
KEPT = datetime.timedelta(days=1)
MINION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,254}")
MOST_TARGETS = 200
UNKNOWN = (
    "Nothing was done, since Dynatrace cannot be told of all: the master knows no grain "
    "dynatrace:host_id of {}. Is it an accepted minion with a OneAgent? Then run: "
    "salt '<minion>' saltutil.refresh_grains"
)
KEYS = ("targets", "minutes", "sls", "via", "name", "suppression")


def begin(name, hosts, minutes=30, suppression="DONT_DETECT_PROBLEMS", test=False):
    """
    Open a window of so many minutes for these hosts, given by their ids at Dynatrace.

    One of this name that still covers them is left as it is. Returns result, comment and changes.
    """
    options = tenant_options.checked(
        KIND, {"name": name, "hosts": hosts, "minutes": minutes, "suppression": suppression}
    )
    found = _find(name)
    now = _now()
    if found and _covers(found, options, now):
        return _told(True, f"{name} is announced until {_end(found)} UTC.", {})
    value = _value(options, now)
    planned = tenant_objects.plan(found, value)
    tenant_objects.validate(WINDOW, ENVIRONMENT, found, planned["value"])
    until = value["schedule"]["onceRecurrence"]["endTime"]
    changes = {f"maintenance window {name}": planned["changes"]}
    if test:
        return _told(None, f"{name} would be announced until {until} UTC.", changes)
    about = {"kind": KIND, "label": name}
    tenant_objects.write(about, WINDOW, ENVIRONMENT, found, planned["value"])
    try:
        _delete_the_old(now)
    except CommandExecutionError as err:
        # Nothing depends on it; the next announcement tries again.
        log.info("dynatrace: old maintenance windows stay for now: %s", err)
    return _told(True, f"{name} is announced until {until} UTC.", changes)


def end(name, test=False):
    """
    End the window of this name now; one that has ended, or that never was, is no error.
    """
    found, now = _find(name), _now()
    if found is None:
        return _told(True, f"{name} is not announced.", {})
    if _end(found) <= now.strftime(FORM):
        return _told(True, f"{name} has ended at {_end(found)} UTC.", {})
    until = now.strftime(FORM)
    planned = tenant_objects.plan(found, {"schedule": {"onceRecurrence": {"endTime": until}}})
    changes = {f"maintenance window {name}": planned["changes"]}
    if test:
        return _told(None, f"{name} would be ended.", changes)
    tenant_objects.write(
        {"kind": KIND, "label": name}, WINDOW, ENVIRONMENT, found, planned["value"]
    )
    return _told(True, f"{name} is ended.", changes)


def plan(given):
    """
    Return what ``dynatrace.orch.planned_change`` does, from its pillar; for the master.

    It is ``{"problem": None, "name": …, "targets": […], "hosts": […], "minutes": …, …}``, or a
    problem and nothing else: it never raises, so that the SLS can make a failed state of it.
    """
    problems = list(_wrong(given))
    if problems:
        return {"problem": f"dynatrace:planned_change is not valid: {'; '.join(problems)}"}
    targets = list(dict.fromkeys(given["targets"]))
    hosts = _host_ids(targets)
    unknown = [minion for minion in targets if minion not in hosts]
    if unknown:
        return {"problem": UNKNOWN.format(", ".join(unknown))}
    sls = given.get("sls") or []
    return {
        "problem": None,
        "name": given.get("name") or _name(targets),
        "targets": targets,
        "hosts": [hosts[minion] for minion in targets],
        "minutes": given.get("minutes", 30),
        "suppression": given.get("suppression", "DONT_DETECT_PROBLEMS"),
        "sls": [sls] if isinstance(sls, str) else sls,
        "via": given.get("via"),
    }


def _told(result, comment, changes):
    return {"result": result, "comment": comment, "changes": changes}


def _now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _find(name):
    found = tenant_objects.find(WINDOW, "generalProperties.name", name)
    if found and not tenant_objects.mine({"kind": KIND, "label": name}, WINDOW, found):
        raise CommandExecutionError(
            f"There is a maintenance window {name} that was not made by an announcement: choose "
            "another name. Nothing was changed."
        )
    return found


def _value(options, now):
    window = {
        **options,
        "recurrence": "once",
        "start": (now - EARLIER).strftime(FORM),
        "end": (now + datetime.timedelta(minutes=options["minutes"])).strftime(FORM),
        "time_zone": "UTC",
        "day": None,
        "first_day": None,
        "last_day": None,
        "entities": options["hosts"],
        "tags": [],
        "entity_type": None,
        "description": "A change that Salt makes.",
        "enabled": True,
    }
    return tenant_window.value(window)


def _end(found):
    schedule = found["value"].get("schedule") or {}
    return str((schedule.get("onceRecurrence") or {}).get("endTime", ""))


def _covers(found, options, now):
    value = found["value"]
    hosts = {one.get("entityId") for one in value.get("filters") or []}
    general = value.get("generalProperties") or {}
    return (
        value.get("enabled") is True
        and hosts == set(options["hosts"])
        and general.get("suppression") == options["suppression"]
        and _end(found) > now.strftime(FORM)
    )


def _delete_the_old(now):
    for one in tenant_api.objects(WINDOW, [ENVIRONMENT]):
        label = str((one["value"].get("generalProperties") or {}).get("name"))
        mine = tenant_objects.mine({"kind": KIND, "label": label}, WINDOW, one)
        if mine and "" < _end(one) < (now - KEPT).strftime(FORM):
            tenant_api.delete(one["objectId"], one.get("updateToken"))
            tenant_record.forget(one["objectId"])


def _wrong(given):
    if not isinstance(given, dict):
        yield "it is no mapping"
        return
    for key in given:
        if key not in KEYS:
            yield f"`{key}` is no key of it; these are: {', '.join(KEYS)}"
    targets, sls, via = given.get("targets"), given.get("sls") or [], given.get("via")
    if not (isinstance(targets, list) and targets and all(map(_is_minion, targets))):
        yield "`targets` is a list of minion ids, not patterns"
    elif len(targets) > MOST_TARGETS:
        yield f"`targets` are more than {MOST_TARGETS}"
    if via is not None and not _is_minion(via):
        yield "`via` is the id of a minion that reaches the tenant"
    names = [sls] if isinstance(sls, str) else sls
    if not (isinstance(names, list) and all(isinstance(one, str) and one for one in names)):
        yield "`sls` is the name of a state, or a list of them; without it there is a highstate"
    minutes = given.get("minutes", 30)
    if isinstance(minutes, bool) or not isinstance(minutes, int) or minutes < 1:
        yield "`minutes` is a whole number, at least 1"
    name = given.get("name", "x")
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= 100):
        yield "`name` is a text of at most 100 characters"


def _is_minion(value):
    return isinstance(value, str) and bool(MINION.fullmatch(value))


def _host_ids(targets):
    """
    Return the host ids that the master has in its cache of grains, by minion.
    """
    asked = {"tgt": targets, "tgt_type": "list"}
    grains = __salt__["saltutil.runner"]("cache.grains", kwarg=asked)
    grains = grains if isinstance(grains, dict) else {}
    found = {}
    for minion in targets:
        own = (grains.get(minion) or {}).get("dynatrace")
        host = own.get("host_id") if isinstance(own, dict) else None
        if isinstance(host, str) and re.fullmatch(r"HOST-[0-9A-F]{16}", host):
            found[minion] = host
    return found


def _name(targets):
    others = len(targets) - 1
    whom = targets[0][:40] + (f" and {others} more" if others else "")
    # One's own, so that ending it never ends that of another run.
    return f"Salt: change on {whom}, {_now().strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
