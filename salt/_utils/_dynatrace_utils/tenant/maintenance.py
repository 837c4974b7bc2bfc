"""
Brings the tenant's maintenance windows to what is wanted, and announces planned changes by windows of their own.

An announcement is a window for some hosts that begins now and ends by itself after so many minutes,
whatever becomes of the master. Dynatrace documents that a window on a host covers the host's immediate
children, its processes among them; a service that runs on them is not covered, since it may run
elsewhere too.

An announcement is cut short and not deleted: a problem is sometimes decided on minutes after it began,
and is then judged by the window of that time. Those that ended more than a day ago are deleted by the
next one.
"""

import datetime
import functools
import logging

from salt.exceptions import CommandExecutionError

from . import api as tenant_api
from . import objects as tenant_objects
from . import options as tenant_options
from . import record as tenant_record
from . import window as tenant_window

log = logging.getLogger(__name__)

WINDOW = "builtin:alerting.maintenance-window"
NAME = "generalProperties.name"
KIND, ANNOUNCEMENT = "maintenance_window", "planned_change"
FORM = "%Y-%m-%dT%H:%M:%S"
# The tenant's clock may be behind ours.
EARLIER = datetime.timedelta(minutes=1)
KEPT = datetime.timedelta(days=1)


def present(name, test, given):
    """
    Make sure that there is a maintenance window.
    """
    value = tenant_window.value(tenant_options.checked(KIND, name, given))
    found = tenant_objects.find(WINDOW, NAME, name)
    called = f"The maintenance window {name}"
    said = (f"{called} is set as wanted.", f"{called} would be set.", f"{called} is set.")
    return _brought({"kind": KIND, "label": name}, found, value, said, test)


def absent(name, test):
    """
    Take back what ``present`` has made or changed under this name.
    """
    done = tenant_objects.take_back({"kind": KIND, "label": name}, WINDOW, test=test)
    look = functools.partial(tenant_objects.find, WINDOW, NAME, name)
    return tenant_objects.taken_back(f"maintenance window {name}", done, test, look)


def announced(name, test, given):
    """
    Open a window of so many minutes for these hosts, unless one of this name still covers them.
    """
    options = tenant_options.checked(ANNOUNCEMENT, name, given)
    found, now = _announcement(name), _now()
    if found and _covers(found, options, now):
        return tenant_objects.told(True, f"{name} is announced until {_end(found)} UTC.")
    until = (now + datetime.timedelta(minutes=options["minutes"])).strftime(FORM)
    value = tenant_window.announcement(options, (now - EARLIER).strftime(FORM), until)
    said = (
        None,
        f"{name} would be announced until {until} UTC.",
        f"{name} is announced until {until} UTC.",
    )
    told = _brought({"kind": ANNOUNCEMENT, "label": name}, found, value, said, test)
    try:
        if not test:
            _delete_the_old(now)
    except CommandExecutionError as err:
        # Nothing depends on it; the next announcement tries again.
        log.info("dynatrace: old maintenance windows stay for now: %s", err)
    return told


def ended(name, test):
    """
    End the announcement of this name now; one that has ended, or that never was, is no error.
    """
    found, until = _announcement(name), _now().strftime(FORM)
    if found is None:
        return tenant_objects.told(True, f"{name} is not announced.")
    if _end(found) <= until:
        return tenant_objects.told(True, f"{name} has ended at {_end(found)} UTC.")
    value = {"schedule": {"onceRecurrence": {"endTime": until}}}
    said = (None, f"{name} would be ended.", f"{name} is ended.")
    return _brought({"kind": ANNOUNCEMENT, "label": name}, found, value, said, test)


def _brought(about, found, wanted, said, test):
    """
    Bring a window to a value; ``said`` is what there is to say when it is so, would be, and was made so.
    """
    planned = tenant_objects.plan(found, wanted)
    if not planned["changes"]:
        return tenant_objects.told(True, said[0])
    tenant_objects.validate(WINDOW, tenant_objects.ENVIRONMENT, found, planned["value"])
    changes = {f"maintenance window {about['label']}": planned["changes"]}
    if test:
        return tenant_objects.told(None, said[1], changes)
    tenant_objects.write(about, WINDOW, tenant_objects.ENVIRONMENT, found, planned["value"])
    return tenant_objects.told(True, said[2], changes)


def _now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _announcement(name):
    found = tenant_objects.find(WINDOW, NAME, name)
    if found and not tenant_objects.mine({"kind": ANNOUNCEMENT, "label": name}, WINDOW, found):
        raise CommandExecutionError(
            f"There is a maintenance window {name} that was not made by an announcement: choose "
            "another name. Nothing was changed."
        )
    return found


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
    for one in tenant_api.objects(WINDOW, [tenant_objects.ENVIRONMENT]):
        label = str((one["value"].get("generalProperties") or {}).get("name"))
        mine = tenant_objects.mine({"kind": ANNOUNCEMENT, "label": label}, WINDOW, one)
        if mine and "" < _end(one) < (now - KEPT).strftime(FORM):
            tenant_api.delete(one["objectId"], one.get("updateToken"))
            tenant_record.forget(one["objectId"])
