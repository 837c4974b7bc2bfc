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
from . import newer_window, window
from . import objects as tenant_objects
from . import options as tenant_options
from . import record as tenant_record

log = logging.getLogger(__name__)

# The first that the tenant has is taken.
GENERATIONS = (window, newer_window)
KIND, ANNOUNCEMENT = "maintenance_window", "planned_change"
FORM = "%Y-%m-%dT%H:%M:%S"
# The tenant's clock may be behind ours.
EARLIER = datetime.timedelta(minutes=1)
KEPT = datetime.timedelta(days=1)


def present(name, test, given):
    """
    Make sure that there is a maintenance window.
    """
    options = tenant_options.checked(KIND, name, given)
    kind, why = _chosen()
    found = tenant_objects.find(kind.SCHEMA, kind.NAME, name)
    called = f"The maintenance window {name}"
    said = (f"{called} is set as wanted.", f"{called} would be set.", f"{called} is set.")
    said = [" ".join([one, why, *kind.notes(options)]) for one in said]
    about = {"kind": KIND, "label": name}
    return _brought(kind, about, found, kind.value(options), said, test)


def absent(name, test):
    """
    Take back what ``present`` has made or changed under this name, of whatever generation.
    """
    about, kinds = {"kind": KIND, "label": name}, _known()
    done = [tenant_objects.take_back(about, kind.SCHEMA, test=test) for kind in kinds]
    both = {
        "changes": {called: one for part in done for called, one in part["changes"].items()},
        "notes": [note for part in done for note in part["notes"]],
    }
    find = tenant_objects.find
    looks = [functools.partial(find, kind.SCHEMA, kind.NAME, name) for kind in kinds]
    return tenant_objects.taken_back(
        f"maintenance window {name}", both, test, lambda: any(look() for look in looks)
    )


def announced(name, test, given):
    """
    Open a window of so many minutes for these hosts, unless one of this name still covers them.
    """
    options = tenant_options.checked(ANNOUNCEMENT, name, given)
    kind, why = _chosen()
    found, now = _announcement(kind, name), _now()
    if found and _covers(kind, found, options, now):
        return tenant_objects.told(True, f"{name} is announced until {_end(kind, found)} UTC.")
    until = (now + datetime.timedelta(minutes=options["minutes"])).strftime(FORM)
    value = kind.announcement(options, (now - EARLIER).strftime(FORM), until)
    more = [why, *kind.notes(options)]
    would = " ".join([f"{name} would be announced until {until} UTC.", *more])
    done = " ".join([f"{name} is announced until {until} UTC.", *more])
    about = {"kind": ANNOUNCEMENT, "label": name}
    told = _brought(kind, about, found, value, (None, would, done), test)
    try:
        if not test:
            _delete_the_old(kind, now)
    except CommandExecutionError as err:
        # Nothing depends on it; the next announcement tries again.
        log.info("dynatrace: old maintenance windows stay for now: %s", err)
    return told


def ended(name, test):
    """
    End the announcement of this name now; one that has ended, or that never was, is no error.
    """
    kind, _ = _chosen()
    found, until = _announcement(kind, name), _now().strftime(FORM)
    if found is None:
        return tenant_objects.told(True, f"{name} is not announced.")
    if _end(kind, found) <= until:
        return tenant_objects.told(True, f"{name} has ended at {_end(kind, found)} UTC.")
    value = kind.cut(found["value"], until)
    said = (f"{name} is ended.", f"{name} would be ended.", f"{name} is ended.")
    return _brought(kind, {"kind": ANNOUNCEMENT, "label": name}, found, value, said, test)


def _known():
    has = tenant_api.schemas()
    found = [kind for kind in GENERATIONS if kind.SCHEMA in has]
    if not found:
        both = " nor ".join(kind.SCHEMA for kind in GENERATIONS)
        raise CommandExecutionError(
            f"The tenant has neither {both}, so it has no maintenance windows"
        )
    return found


def _chosen():
    """
    Return the kind of windows that the tenant has, and the sentence that says which and why.
    """
    kind = _known()[0]
    lacking = GENERATIONS[: GENERATIONS.index(kind)]
    missing = "".join(f" and has no {one.SCHEMA}" for one in lacking)
    return kind, f"The tenant has {kind.SCHEMA}{missing}."


def _brought(kind, about, found, wanted, said, test):
    """
    Bring a window to a value; ``said`` is what there is to say when it is so, would be, and was made so.
    """
    planned = tenant_objects.plan(found, wanted)
    if not planned["changes"]:
        return tenant_objects.told(True, said[0])
    tenant_objects.validate(kind.SCHEMA, tenant_objects.ENVIRONMENT, found, planned["value"])
    changes = {f"maintenance window {about['label']}": planned["changes"]}
    if test:
        return tenant_objects.told(None, said[1], changes)
    tenant_objects.write(about, kind.SCHEMA, tenant_objects.ENVIRONMENT, found, planned["value"])
    return tenant_objects.told(True, said[2], changes)


def _now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _announcement(kind, name):
    found = tenant_objects.find(kind.SCHEMA, kind.NAME, name)
    about = {"kind": ANNOUNCEMENT, "label": name}
    if found and not tenant_objects.mine(about, kind.SCHEMA, found):
        raise CommandExecutionError(
            f"There is a maintenance window {name} that was not made by an announcement: choose "
            "another name. Nothing was changed."
        )
    return found


def _end(kind, found):
    return kind.end(found["value"])


def _covers(kind, found, options, now):
    return (
        found["value"].get("enabled") is True
        and kind.covers(found["value"], options)
        and _end(kind, found) > now.strftime(FORM)
    )


def _delete_the_old(kind, now):
    for one in tenant_api.objects(kind.SCHEMA, [tenant_objects.ENVIRONMENT]):
        label = str(tenant_objects.at(one["value"], kind.NAME))
        mine = tenant_objects.mine({"kind": ANNOUNCEMENT, "label": label}, kind.SCHEMA, one)
        if mine and "" < _end(kind, one) < (now - KEPT).strftime(FORM):
            tenant_api.delete(one["objectId"], one.get("updateToken"))
            tenant_record.forget(one["objectId"])
