"""
Brings the tenant's policies of OS services to what is wanted, and takes them back.

A policy is one remedy's: its units, and ``salt_remedy`` among the properties of the events that it
raises. Of policies the first that fits decides, so a new one goes before those of the site, and behind
our own. One that is there keeps its place: whoever has moved it had a reason.
"""

import functools

from . import api as tenant_api
from . import objects as tenant_objects
from . import options as tenant_options
from . import values as tenant_values

KIND = "os_services"
POLICY = "builtin:os-services-monitoring"
# By this name a person tells ours from the site's.
PREFIX = "Salt: "
FIRST = ""


def present(name, test, given):
    """
    Make sure that Dynatrace raises a problem when a unit of this remedy is down.
    """
    options = tenant_options.checked(KIND, name, given)
    about, called = {"kind": KIND, "label": name}, f"{PREFIX}{name}"
    found = tenant_objects.find(POLICY, "name", called, options["scope"])
    wanted = tenant_values.os_policy(options, called, found)
    planned = tenant_objects.plan(found, wanted)
    if not planned["changes"]:
        return tenant_objects.told(True, f"The OS-service policy {called} is set as wanted.")
    tenant_objects.validate(POLICY, options["scope"], found, planned["value"])
    changes = {f"OS-service policy {called}": planned["changes"]}
    if test:
        return tenant_objects.told(None, f"The OS-service policy {called} would be set.", changes)
    after = None if found else _place(options["scope"])
    tenant_objects.write(about, POLICY, options["scope"], found, planned["value"], after=after)
    return tenant_objects.told(True, f"The OS-service policy {called} is set.", changes)


def absent(name, test):
    """
    Take back what ``present`` has made or changed for this remedy.
    """
    done = tenant_objects.take_back({"kind": KIND, "label": name}, POLICY, test=test)
    look = functools.partial(tenant_objects.find, POLICY, "name", f"{PREFIX}{name}")
    return tenant_objects.taken_back(f"OS-service policy {PREFIX}{name}", done, test, look)


def _place(scope):
    ours = [
        one["objectId"]
        for one in tenant_api.objects(POLICY, [scope])
        if str(one["value"].get("name")).startswith(PREFIX)
    ]
    return ours[-1] if ours else FIRST
