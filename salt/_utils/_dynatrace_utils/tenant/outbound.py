"""
Lets functions of the platform, which workflows run, call the host of the engine's listener, and takes that back.

The list of hosts is one settings object that belongs to everybody. So only one host is added to it
and taken away, and the minion remembers by the host's name which of them were added here.
"""

from . import api as tenant_api
from . import marks
from . import objects as tenant_objects
from . import record as tenant_record
from . import values as tenant_values

ALLOWED = "builtin:dt-javascript-runtime.allowed-outbound-connections"
LIST = "allowedOutboundConnections"
CALLED = "allowed outbound connections"


def plan(host):
    """
    Return what allows a host: ``{"found": …, "value": {…}, "changes": {…}}``, of no changes where it is allowed.
    """
    found = _found()
    now = found["value"].get(LIST) or {} if found else {}
    hosts = now.get("hostList") or []
    if now.get("enforced") is False or host in hosts:
        return {"found": found, "value": found["value"], "changes": {}}
    wanted = {LIST: {"enforced": True, "hostList": [*hosts, host]}}
    return {"found": found, **tenant_objects.plan(found, wanted)}


def validate(planned):
    """
    Let the tenant check what is planned.
    """
    if planned["changes"]:
        tenant_objects.validate(
            ALLOWED, tenant_objects.ENVIRONMENT, planned["found"], planned["value"]
        )


def write(about, host, planned):
    """
    Allow the host, and remember that it was added, or that somebody of ours had added it.
    """
    if not planned["changes"]:
        if not _labels(host):
            return
    else:
        _write(planned["found"], planned["value"])
    tenant_record.remember(_key(about, host), {**about, "schema": ALLOWED, "host": host})


def take_back(about, test):
    """
    Take away the hosts that were added for a label and are needed for no other: see ``objects.take_back``.
    """
    done = {"changes": {}, "notes": []}
    entries = tenant_record.recall().items()
    ours = {
        key: entry
        for key, entry in entries
        if entry.get("schema") == ALLOWED and all(entry.get(one) == about[one] for one in about)
    }
    for key, entry in ours.items():
        if _labels(entry["host"]) == {about["label"]}:
            done["changes"].update(_taken_away(entry["host"], test))
        if not test:
            tenant_record.forget(key)
    return done


def _found():
    [found] = tenant_api.objects(ALLOWED, [tenant_objects.ENVIRONMENT]) or [None]
    return found


def _taken_away(host, test):
    found = _found()
    now = found["value"].get(LIST) or {} if found else {}
    hosts = now.get("hostList") or []
    if host not in hosts:
        return {}
    left = [one for one in hosts if one != host]
    if not left and found.get("externalId") == marks.MARK:
        # Without it there is the default again, which allows none either.
        if not test:
            tenant_api.delete(found["objectId"], found.get("updateToken"))
        return {CALLED: {"old": found["value"], "new": None}}
    value = tenant_values.merged(found["value"], {LIST: {"hostList": left}})
    if not test:
        _write(found, value)
    return {CALLED: tenant_values.difference(found["value"], value)}


def _write(found, value):
    if found is None:
        object_id = tenant_api.create(ALLOWED, tenant_objects.ENVIRONMENT, value, marks.MARK)
    else:
        object_id = found["objectId"]
        tenant_api.update(object_id, value, found.get("updateToken"))
    tenant_objects.settled(ALLOWED, tenant_objects.ENVIRONMENT, object_id, value)


def _labels(host):
    entries = tenant_record.recall().values()
    return {
        one.get("label")
        for one in entries
        if one.get("schema") == ALLOWED and one.get("host") == host
    }


def _key(about, host):
    return f"{ALLOWED}:{about['label']}:{host}"
