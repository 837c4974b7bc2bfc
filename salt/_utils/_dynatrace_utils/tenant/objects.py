"""
Brings single settings objects of the tenant to a value, and takes them back.

Two things tell whose an object is. What these modules make carries an external id that says so, in
the tenant, where every minion sees it. What was there before and was changed is remembered with its
earlier value, on the minion that changed it (``record``). Taking back deletes the
first and puts back the second, unless somebody has changed it since; everything else is a
person's own and stays.
"""

import time

from salt.exceptions import CommandExecutionError

from . import api as tenant_api
from . import marks, vault, workflows
from . import record as tenant_record
from . import values as tenant_values

# What is no settings object, and is read and written by the same functions.
OTHERS = {workflows.SCHEMA: workflows, vault.SCHEMA: vault}
CALLED = {workflows.SCHEMA: "workflow", vault.SCHEMA: "credential"}
ENVIRONMENT = "environment"
# Until what was written is shown.
SETTLE_S = 10
POLL_S = 0.5


def of(schema):
    """
    Return the module that reads and writes the objects of a schema.
    """
    return OTHERS.get(schema, tenant_api)


def find(schema, path, name, scope=ENVIRONMENT):
    """
    Return the one object with this name, at a path such as ``generalProperties.name``, or None.

    Two of one name are an error: which of them is meant, only a person knows.
    """
    named = [one for one in of(schema).objects(schema, [scope]) if at(one["value"], path) == name]
    if len(named) > 1:
        raise CommandExecutionError(
            f"{len(named)} objects of {schema} are named {name}, and only a person can tell which "
            "is meant: rename or delete one of them in Dynatrace. Nothing was changed."
        )
    return named[0] if named else None


def plan(found, wanted):
    """
    Return what an object is to be, and what changes: ``{"value": {…}, "changes": {…}}``.
    """
    value = tenant_values.merged(found["value"] if found else {}, wanted)
    if found is None:
        return {"value": value, "changes": {"old": None, "new": tenant_values.shown(value)}}
    return {"value": value, "changes": tenant_values.difference(found["value"], value)}


def validate(schema, scope, found, value):
    """
    Let the tenant check a value without saving it; raises with what it says.
    """
    if found is None:
        of(schema).create(schema, scope, value, validate_only=True)
    else:
        of(schema).update(found["objectId"], value, found.get("updateToken"), validate_only=True)


def write(about, schema, scope, found, value, secret=None, after=None):
    """
    Create or change an object, prove that it is as wanted, and return its id.

    ``about`` is ``{"kind": …, "label": …}`` of what it is for, ``secret`` what its value holds,
    ``after`` where a new one goes: see ``api.create``.
    """
    entry = {**about, "schema": schema, "before": None, "set": tenant_values.shown(value)}
    if found is None:
        mark = _mark(about, schema, scope)
        object_id = of(schema).create(schema, scope, value, mark, after=after)
    else:
        object_id = found["objectId"]
        known = tenant_record.recall().get(object_id)
        if known:
            entry["before"] = known.get("before")
        elif found.get("externalId") != _mark(about, schema, scope):
            entry["before"] = found["value"]
        # Before: a run that is killed leaves what there was.
        tenant_record.remember(object_id, entry)
        of(schema).update(object_id, value, found.get("updateToken"))
    now = settled(schema, scope, object_id, value)
    entry["modified"] = now.get("modified")
    if secret is not None:
        entry["secret"] = tenant_record.fingerprint(secret)
    tenant_record.remember(object_id, entry)
    return object_id


def has_secret(found, secret):
    """
    Tell whether this minion has sent this secret, and nobody has changed the object since.
    """
    entry = tenant_record.recall().get(found["objectId"], {})
    return entry.get("secret") == tenant_record.fingerprint(secret) and entry.get(
        "modified"
    ) == found.get("modified")


def mine(about, schema, found):
    """
    Tell whether an object was made for this label by these modules, on whatever minion.
    """
    return found.get("externalId") == _mark(about, schema, found.get("scope"))


def take_back(about, schema, keep=(), test=False):
    """
    Delete what was made for a label, put back what was changed for it, and return what was done.

    It is ``{"changes": {"<title>": {…}}, "ids": […], "notes": [text, …]}``: the ids are those of
    the objects that changed, a note tells what was left and why.
    ``keep`` are the ids of objects that are still needed.
    """
    entries = tenant_record.recall()
    done = {"changes": {}, "ids": [], "notes": []}
    present = of(schema).objects(schema)
    for found in present:
        entry = entries.get(found["objectId"])
        ours = entry and all(entry.get(key) == about[key] for key in about)
        if mine(about, schema, found):
            _delete(schema, found, keep, done, test)
        elif ours and entry.get("before"):
            _put_back(schema, found, entry, done, test)
    if not test:
        _forget_what_is_gone(about, schema, entries, {one["objectId"] for one in present})
    return done


def taken_back(called, done, test, look=None):
    """
    Return what a state says after ``take_back``; ``look`` finds an object of the name that stays.
    """
    changes, notes = done["changes"], done["notes"]
    first = f"Nothing of the {called} is to be taken back."
    if changes:
        first = f"The {called} {'would be' if test else 'is'} taken back."
    if look and not changes and not notes and look():
        last = "that these states have not made, or of which nothing is remembered: it stays"
        notes = [*notes, f"There is a {called} {last}."]
    return told(None if test and changes else True, " ".join([first, *notes]), changes)


def told(result, comment, changes=None):
    """
    Return what a state says.
    """
    return {"result": result, "comment": comment, "changes": changes or {}}


def title(value, scope=None):
    """
    Return how an object is called in a comment.
    """
    if "tasks" in value:
        return f"workflow {value.get('title')}"
    if "ownerAccessOnly" in value:
        return f"credential {value.get('name')}"
    if "severityRules" in value:
        return f"alerting profile {value.get('name')}"
    if "displayName" in value:
        return f"notification {value['displayName']}"
    if "generalProperties" in value:
        return f"maintenance window {at(value, 'generalProperties.name')}"
    if "autoDelete" in value:
        return f"maintenance window {value.get('name')}"
    if "statusConditionLinux" in value:
        return f"OS-service policy {value.get('name')}"
    return str(scope)


def _mark(about, schema, scope):
    return f"{marks.MARK}:{about['kind']}:{schema}:{about['label']}:{scope}"


def at(value, path):
    """
    Return what is at a path such as ``generalProperties.name``, or None.
    """
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def settled(schema, scope, object_id, value):
    """
    Wait until the tenant shows an object as it was written, and return it.

    What the tenant has added of its own, such as a default, is no difference.
    """
    until = time.monotonic() + SETTLE_S
    while True:
        shown = [one for one in of(schema).objects(schema, [scope]) if one["objectId"] == object_id]
        differs = plan(shown[0], value)["changes"] if shown else {"(all)": None}
        if not differs:
            return shown[0]
        if time.monotonic() > until:
            raise CommandExecutionError(
                f"The tenant took {title(value, scope)}, but still shows it otherwise in "
                f"{', '.join(differs)}"
            )
        time.sleep(POLL_S)


def _delete(schema, found, keep, done, test):
    called = title(found["value"], found.get("scope"))
    if found["objectId"] in keep:
        done["notes"].append(f"The {called} is used by others too, and stays.")
        return
    done["changes"][called] = {"old": tenant_values.shown(found["value"]), "new": None}
    done["ids"].append(found["objectId"])
    if not test:
        of(schema).delete(found["objectId"], found.get("updateToken"))
        tenant_record.forget(found["objectId"])


def _put_back(schema, found, entry, done, test):
    called = title(found["value"], found.get("scope"))
    if not tenant_values.same(found["value"], entry.get("set")):
        done["notes"].append(
            f"The {called} was there before, and somebody has changed it since: it stays as it is."
        )
    else:
        again = tenant_values.restorable(entry["before"], found["value"])
        changes = tenant_values.difference(found["value"], again["value"])
        if changes:
            done["changes"][called] = changes
            done["ids"].append(found["objectId"])
        if again["lost"]:
            done["notes"].append(
                f"The {called} had secrets that nobody can read back, in the headers "
                f"{', '.join(again['lost'])}: set them again in Dynatrace."
            )
        if changes and not test:
            of(schema).update(found["objectId"], again["value"], found.get("updateToken"))
    if not test:
        tenant_record.forget(found["objectId"])


def _forget_what_is_gone(about, schema, entries, present):
    for object_id, entry in entries.items():
        ours = all(entry.get(key) == about[key] for key in about)
        if ours and entry.get("schema") == schema and object_id not in present:
            tenant_record.forget(object_id)
