"""
Brings the tenant's availability alerting and maintenance windows to what is wanted.

For the states ``dynatrace_tenant``, on the master or on any minion that reaches the tenant. What is
given to a function is explained there and in ``pillar.example``; the token is not given but read
from ``dynatrace:settings_token``.

Each function reads first, lets the tenant validate what it is about to write, writes only what
differs, and proves it. It returns ``{"result": …, "comment": …, "changes": {…}}``, and raises what
went wrong. With ``test`` nothing is written: validation (``validateOnly``) is all that is sent.
"""

from salt.exceptions import CommandExecutionError

from . import api as tenant_api
from . import objects as tenant_objects
from . import options as tenant_options
from . import record as tenant_record
from . import values as tenant_values
from . import window as tenant_window

ALERTING = "builtin:availability.process-group-alerting"
WINDOW = "builtin:alerting.maintenance-window"
ENVIRONMENT = "environment"
# They go into one URL.
SCOPES_A_CALL = 50
# In what dynatrace_tenant_api.entities raises when there are more than asked for.
TOO_MANY = "entities match"
NOT_FOUND = (
    "A new one is known some minutes after its process was started under a OneAgent, and one that "
    "ran last more than three days ago is not found. Nothing was changed."
)


def process_alerting(name, test=False, **given):
    """
    Make sure that Dynatrace opens a problem when a process of these process groups is gone.

    ``name`` is any label; what is changed is remembered under it.
    """
    options = _checked("process_alerting", name, given)
    selector = tenant_values.selector(options)
    groups = _groups(selector, options)
    if not groups:
        comment = f"No process group matches {selector}. {NOT_FOUND}"
        return {"result": None if test else False, "comment": comment, "changes": {}}
    present = _by_scope([group["id"] for group in groups])
    plans = [
        (group, present.get(group["id"]), _plan(present.get(group["id"]), options))
        for group in groups
    ]
    plans = [(group, found, one) for group, found, one in plans if one["changes"]]
    for group, found, one in plans:
        tenant_objects.validate(ALERTING, group["id"], found, one["value"])
    if not plans:
        return _unchanged(f"Availability alerting is on for {_list(groups)}.")
    if test:
        changes = _told({_called(group): one for group, _, one in plans})
        comment = f"Availability alerting would be set for {_list(g for g, _, _ in plans)}."
        return {"result": None, "comment": comment, "changes": changes}
    return _write_alerting({"kind": "process_alerting", "label": name}, plans)


def without_groups():
    """
    Return what of ``dynatrace:tenant:process_alerting`` matches no process group yet, by label.

    It is ``{"apache": <selector>}``, empty when each entry matches one. Changes nothing.
    """
    asked = tenant_options.asked("process_alerting")
    if asked["problem"]:
        raise CommandExecutionError(asked["problem"])
    selectors = {
        one["name"]: tenant_values.selector(_checked("process_alerting", one["name"], one))
        for one in asked["entries"]
    }
    return {label: selector for label, selector in selectors.items() if not _is_any(selector)}


def no_process_alerting(name, test=False):
    """
    Take back what ``process_alerting`` has made or changed under this label.
    """
    about = {"kind": "process_alerting", "label": name}
    done = tenant_objects.take_back(about, ALERTING, test=test)
    return tenant_objects.taken_back(f"availability alerting {name}", done, None, test)


def maintenance_window(name, test=False, **given):
    """
    Make sure that there is a maintenance window.
    """
    options = _checked("maintenance_window", name, given)
    found = tenant_objects.find(WINDOW, "generalProperties.name", name)
    planned = tenant_objects.plan(found, tenant_window.value(options))
    if not planned["changes"]:
        return _unchanged(f"The maintenance window {name} is set as wanted.")
    tenant_objects.validate(WINDOW, ENVIRONMENT, found, planned["value"])
    changes = _told({f"maintenance window {name}": planned})
    if test:
        comment = f"The maintenance window {name} would be set."
        return {"result": None, "comment": comment, "changes": changes}
    about = {"kind": "maintenance_window", "label": name}
    tenant_objects.write(about, WINDOW, ENVIRONMENT, found, planned["value"])
    return {"result": True, "comment": f"The maintenance window {name} is set.", "changes": changes}


def no_maintenance_window(name, test=False):
    """
    Take back what ``maintenance_window`` has made or changed under this name.
    """
    about = {"kind": "maintenance_window", "label": name}
    done = tenant_objects.take_back(about, WINDOW, test=test)
    left = None
    if not (done["changes"] or done["notes"]):
        left = tenant_objects.find(WINDOW, "generalProperties.name", name)
    return tenant_objects.taken_back(f"maintenance window {name}", done, left, test)


def to_take_back(kind):
    """
    Return what an SLS has to take back: ``{"problem": None, "entries": [{"name": …}, …]}``.

    It is what pillar names, and what this minion has changed although pillar names it no more;
    ``kind`` is webhook, process_alerting or maintenance_windows. It never raises.
    """
    asked = tenant_options.asked(kind)
    if asked["problem"]:
        return asked
    entries = [{"name": one["name"]} for one in asked["entries"]]
    try:
        record = tenant_record.recall().values()
    except CommandExecutionError as err:
        return {"problem": str(err), "entries": []}
    labels = {str(one.get("label")) for one in record if one.get("kind") == kind.rstrip("s")}
    labels -= {one["name"] for one in entries}
    return {"problem": None, "entries": [*entries, *({"name": one} for one in sorted(labels))]}


def _checked(kind, name, given):
    return tenant_options.checked(kind, {**given, "name": name})


def _told(plans):
    return {called: one["changes"] for called, one in plans.items() if one["changes"]}


def _unchanged(comment):
    return {"result": True, "comment": comment, "changes": {}}


# -- process groups


def _is_any(selector):
    try:
        return bool(tenant_api.entities(selector, 1))
    except CommandExecutionError as err:
        if TOO_MANY not in str(err):
            raise
        return True


def _groups(selector, options):
    try:
        return tenant_api.entities(selector, options["max_groups"])
    except CommandExecutionError as err:
        if TOO_MANY not in str(err):
            raise
        raise CommandExecutionError(
            f"Process groups: {err}. Say more precisely which are meant, or raise `max_groups`. "
            "Nothing was changed."
        ) from None


def _by_scope(scopes):
    found = {}
    for begin in range(0, len(scopes), SCOPES_A_CALL):
        some = scopes[begin : begin + SCOPES_A_CALL]
        for one in tenant_api.objects(ALERTING, some):
            if one.get("scope") in some:
                found[one["scope"]] = one
    return found


def _plan(found, options):
    return tenant_objects.plan(found, tenant_values.alerting(options))


def _write_alerting(about, plans):
    changes = {}
    for group, found, one in plans:
        try:
            tenant_objects.write(about, ALERTING, group["id"], found, one["value"])
        except CommandExecutionError as err:
            comment = f"{_called(group)}: {err}. Those before it are set, the others are not."
            return {"result": False, "comment": comment, "changes": changes}
        changes[_called(group)] = one["changes"]
    comment = f"Availability alerting is set for {_list(group for group, _, _ in plans)}."
    return {"result": True, "comment": comment, "changes": changes}


def _called(group):
    return f"{group['name']} ({group['id']})"


def _list(groups):
    return ", ".join(_called(group) for group in groups)
