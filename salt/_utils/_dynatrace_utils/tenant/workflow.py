"""
Brings a workflow to what is wanted that tells the engine of problems, with its secret and the host that it calls.

``dynatrace:webhook_token`` goes into the credential vault and nowhere else; whoever reads the
workflow sees the id of that entry. What the workflow needs is made before it, and taken back after it.
"""

import functools

from salt.exceptions import CommandExecutionError

from . import access, outbound, vault, workflows
from . import objects as tenant_objects
from . import options as tenant_options
from . import record as tenant_record
from . import values as tenant_values
from . import workflow_values as wanted_values

KIND = "workflow"
# Shown for an entry of the vault that is still to be made.
NEW_CREDENTIAL = "(the new credential)"
LEFT_OUT = {
    "maintenanceWindowTriggerBehavior": (
        "This tenant's trigger knows no maintenance windows; the engine holds what is under maintenance"
    ),
    "analysisReady": "This tenant's trigger knows no analysisReady",
}


def present(name, test, given):
    """
    Make sure that a workflow tells the engine of problems.
    """
    options = tenant_options.checked(KIND, name, given)
    # Before anything is asked that a classic environment has too.
    access.address(workflows.WORKFLOWS)
    about, host = {"kind": KIND, "label": name}, wanted_values.host(options)
    secret = None if options["credential"] else access.listener_token()
    credential = _planned_credential(about, options, secret)
    allowed = outbound.plan(host)
    planned = _planned_workflow(about, options, credential)
    plans = {
        f"credential {_credential_name(name)}": credential,
        outbound.CALLED: allowed,
        f"workflow {name}": planned,
    }
    changes = {called: one["changes"] for called, one in plans.items() if one["changes"]}
    outbound.validate(allowed)
    notes = [f"{LEFT_OUT[one]}." for one in planned["without"]]
    if not changes:
        return _told(True, f"The workflow {name} is set as wanted.", notes)
    if test:
        return _told(None, f"The workflow {name} would be set.", notes, changes)
    if credential["changes"]:
        credential["id"] = _write(about, vault.SCHEMA, credential, secret)
    outbound.write(about, host, allowed)
    if planned["changes"]:
        task = planned["value"]["tasks"][wanted_values.TASK]
        task["input"]["credential"]["credentialId"] = credential["id"]
        _write(about, workflows.SCHEMA, planned)
    return _told(True, f"The workflow {name} is set.", notes, changes)


def absent(name, test):
    """
    Take back what ``present`` has made under this name.
    """
    about = {"kind": KIND, "label": name}
    parts = [
        tenant_objects.take_back(about, workflows.SCHEMA, test=test),
        _credential_taken_back(about, test),
        outbound.take_back(about, test),
    ]
    done = {
        "changes": {called: one for part in parts for called, one in part["changes"].items()},
        "notes": [note for part in parts for note in part["notes"]],
    }
    look = functools.partial(tenant_objects.find, workflows.SCHEMA, "title", name)
    return tenant_objects.taken_back(f"workflow {name}", done, test, look)


def _told(result, comment, notes, changes=None):
    return tenant_objects.told(result, " ".join([comment, *notes]), changes)


def _credential_name(name):
    return f"Salt: {name}"


def _planned_credential(about, options, secret):
    """
    Return the plan of the vault's entry; one that a person has made is theirs, and only named.
    """
    if options["credential"]:
        return {"id": options["credential"], "changes": {}}
    name = _credential_name(options["name"])
    found = _ours(about, vault.SCHEMA, "name", name)
    planned = tenant_objects.plan(found, wanted_values.credential(name, secret))
    if found and not tenant_objects.has_secret(found, secret):
        changed = {**planned["value"], "token": tenant_values.CHANGED}
        planned["changes"] = tenant_values.difference(found["value"], changed)
    return {**planned, "found": found, "id": found["objectId"] if found else NEW_CREDENTIAL}


def _planned_workflow(about, options, credential):
    found = _ours(about, workflows.SCHEMA, "title", options["name"])
    configuration, without = _taken(options, found)
    wanted = wanted_values.workflow(options, credential["id"], configuration, found)
    return {**tenant_objects.plan(found, wanted), "found": found, "without": without}


def _taken(options, found):
    """
    Return the trigger that this tenant takes, and what it does not know of it.

    The tenant is asked, since nothing tells its version. What it refuses without these too, it
    refuses for another reason.
    """
    refused = None
    for count in range(len(wanted_values.NEWER) + 1):
        without = wanted_values.NEWER[:count]
        configuration = wanted_values.trigger(options, found, without)
        try:
            workflows.preview(tenant_values.merged({}, configuration))
        except CommandExecutionError as err:
            refused = refused or err
            if "answered 400" not in str(err):
                break
        else:
            return configuration, without
    raise refused


def _ours(about, schema, path, name):
    """
    Return the object that was made for a label, whatever it is called now, or None.
    """
    present_ones = tenant_objects.of(schema).objects(schema)
    for one in present_ones:
        if tenant_objects.mine(about, schema, one):
            return one
    if any(one["value"].get(path) == name for one in present_ones):
        raise CommandExecutionError(
            f"There is a {tenant_objects.CALLED[schema]} {name} that these states have not made: "
            "choose another `name`, or delete it in Dynatrace. Nothing was changed."
        )
    return None


def _write(about, schema, planned, secret=None):
    return tenant_objects.write(
        about, schema, tenant_objects.ENVIRONMENT, planned["found"], planned["value"], secret
    )


def _credential_taken_back(about, test):
    """
    Take back the vault's entry; who made none need not be allowed to look into the vault.
    """
    try:
        return tenant_objects.take_back(about, vault.SCHEMA, test=test)
    except CommandExecutionError as err:
        entries = tenant_record.recall().values()
        if any(one.get("schema") == vault.SCHEMA for one in entries):
            raise
        return {"changes": {}, "notes": [f"The credential vault was not looked into: {err}"]}
