"""
Brings the tenant's availability alerting of process groups to what is wanted, and takes it back.

Everything is read first and validated by the tenant before anything is written; only what differs is
written, and proved. What is returned is a state's ``result``, ``comment`` and ``changes``.
"""

from salt.exceptions import CommandExecutionError

from . import api as tenant_api
from . import objects as tenant_objects
from . import options as tenant_options
from . import values as tenant_values

KIND = "process_alerting"
ALERTING = "builtin:availability.process-group-alerting"
# They go into one URL.
SCOPES_A_CALL = 50
# In what `api.entities` raises when there are more than asked for.
TOO_MANY = "entities match"
NOT_FOUND = (
    "A new one is known some minutes after its process was started under a OneAgent, and one that "
    "ran last more than three days ago is not found. Nothing was changed."
)


def present(name, test, given):
    """
    Make sure that Dynatrace opens a problem when a process of these process groups is gone.

    ``name`` is any label; what is changed is remembered under it.
    """
    options = tenant_options.checked(KIND, name, given)
    selector = tenant_values.selector(options)
    groups = _groups(selector, options)
    if not groups:
        comment = f"No process group matches {selector}. {NOT_FOUND}"
        return tenant_objects.told(None if test else False, comment)
    found = _by_scope([group["id"] for group in groups])
    wanted = tenant_values.alerting(options)
    plans = [
        (g, found.get(g["id"]), tenant_objects.plan(found.get(g["id"]), wanted)) for g in groups
    ]
    plans = [(group, now, one) for group, now, one in plans if one["changes"]]
    for group, now, one in plans:
        tenant_objects.validate(ALERTING, group["id"], now, one["value"])
    if not plans:
        return tenant_objects.told(True, f"Availability alerting is on for {_list(groups)}.")
    if test:
        comment = f"Availability alerting would be set for {_list(g for g, _, _ in plans)}."
        changes = {_called(group): one["changes"] for group, _, one in plans}
        return tenant_objects.told(None, comment, changes)
    return _write({"kind": KIND, "label": name}, plans)


def absent(name, test):
    """
    Take back what ``present`` has made or changed under this label.
    """
    done = tenant_objects.take_back({"kind": KIND, "label": name}, ALERTING, test=test)
    return tenant_objects.taken_back(f"availability alerting {name}", done, test)


def without_groups():
    """
    Return which entries match no process group yet: see ``dynatrace_tenant.without_groups``.
    """
    asked = tenant_options.asked(KIND)
    if asked["problem"]:
        raise CommandExecutionError(asked["problem"])
    selectors = {
        one["name"]: tenant_values.selector(tenant_options.checked(KIND, one["name"], one))
        for one in asked["entries"]
    }
    return {label: selector for label, selector in selectors.items() if not _is_any(selector)}


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


def _write(about, plans):
    changes = {}
    for group, found, one in plans:
        try:
            tenant_objects.write(about, ALERTING, group["id"], found, one["value"])
        except CommandExecutionError as err:
            comment = f"{_called(group)}: {err}. Those before it are set, the others are not."
            return tenant_objects.told(False, comment, changes)
        changes[_called(group)] = one["changes"]
    comment = f"Availability alerting is set for {_list(group for group, _, _ in plans)}."
    return tenant_objects.told(True, comment, changes)


def _called(group):
    return f"{group['name']} ({group['id']})"


def _list(groups):
    return ", ".join(_called(group) for group in groups)
