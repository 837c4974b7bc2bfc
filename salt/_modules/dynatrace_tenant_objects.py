"""
Brings single settings objects of the tenant to a value, and takes them back.

Two things tell whose an object is. What these modules make carries an external id that says so, in
the tenant, where every minion sees it. What was there before and was changed is remembered with its
earlier value, on the minion that changed it (``dynatrace_tenant_record``). Taking back deletes the
first and puts back the second, unless somebody has changed it since; everything else is a
person's own and stays.
"""

import time

from salt.exceptions import CommandExecutionError

MARK = "salt-dynatrace"
# Until what was written is shown.
SETTLE_S = 10
POLL_S = 0.5


def find(schema, path, name, scope="environment"):
    """
    Return the one object with this name, at a path such as ``generalProperties.name``, or None.

    Two of one name are an error: which of them is meant, only a person knows.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_objects.find builtin:alerting.profile name Default
    """
    named = [one for one in _api("objects", schema, [scope]) if _at(one["value"], path) == name]
    if len(named) > 1:
        raise CommandExecutionError(
            f"{len(named)} objects of {schema} are named {name}, and only a person can tell which "
            "is meant: rename or delete one of them in Dynatrace. Nothing was changed."
        )
    return named[0] if named else None


def plan(found, wanted):
    """
    Return what an object is to be, and what changes: ``{"value": {…}, "changes": {…}}``.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_objects.plan null '{"name": "x"}'
    """
    value = _values("merged", found["value"] if found else {}, wanted)
    if found is None:
        return {"value": value, "changes": {"old": None, "new": _values("shown", value)}}
    return {"value": value, "changes": _values("difference", found["value"], value)}


def validate(schema, scope, found, value):
    """
    Let the tenant check a value without saving it; raises with what it says.

    CLI Example:

    .. code-block:: bash

        salt web01 sys.doc dynatrace_tenant_objects.validate
    """
    if found is None:
        _api("create", schema, scope, value, validate_only=True)
    else:
        _api("update", found["objectId"], value, found.get("updateToken"), validate_only=True)


def write(about, schema, scope, found, value, secret=None):
    """
    Create or change an object, prove that it is as wanted, and return its id.

    ``about`` is ``{"kind": …, "label": …}`` of what it is for, ``secret`` what its value holds.

    CLI Example:

    .. code-block:: bash

        salt web01 sys.doc dynatrace_tenant_objects.write
    """
    entry = {**about, "schema": schema, "before": None, "set": _values("shown", value)}
    if found is None:
        object_id = _api("create", schema, scope, value, _mark(about, schema, scope))
    else:
        object_id = found["objectId"]
        known = _record("recall").get(object_id)
        if known:
            entry["before"] = known.get("before")
        elif found.get("externalId") != _mark(about, schema, scope):
            entry["before"] = found["value"]
        # Before: a run that is killed leaves what there was.
        _record("remember", object_id, entry)
        _api("update", object_id, value, found.get("updateToken"))
    now = _settled(schema, scope, object_id, value)
    entry["modified"] = now.get("modified")
    if secret is not None:
        entry["secret"] = _record("fingerprint", secret)
    _record("remember", object_id, entry)
    return object_id


def has_secret(found, secret):
    """
    Tell whether this minion has sent this secret, and nobody has changed the object since.

    CLI Example:

    .. code-block:: bash

        salt web01 sys.doc dynatrace_tenant_objects.has_secret
    """
    entry = _record("recall").get(found["objectId"], {})
    return entry.get("secret") == _record("fingerprint", secret) and entry.get(
        "modified"
    ) == found.get("modified")


def mine(about, schema, found):
    """
    Tell whether an object was made for this label by these modules, on whatever minion.

    CLI Example:

    .. code-block:: bash

        salt web01 sys.doc dynatrace_tenant_objects.mine
    """
    return found.get("externalId") == _mark(about, schema, found.get("scope"))


def take_back(about, schema, keep=(), test=False):
    """
    Delete what was made for a label, put back what was changed for it, and return what was done.

    It is ``{"changes": {"<title>": {…}}, "ids": […], "notes": [text, …]}``: the ids are those of
    the objects that changed, a note tells what was left and why.
    ``keep`` are the ids of objects that are still needed.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_objects.take_back '{"kind": "webhook", "label": "x"}' \
            builtin:problem.notifications test=True
    """
    entries = _record("recall")
    done = {"changes": {}, "ids": [], "notes": []}
    present = _api("objects", schema)
    for found in present:
        entry = entries.get(found["objectId"])
        ours = entry and all(entry.get(key) == about[key] for key in about)
        if mine(about, schema, found):
            _delete(found, keep, done, test)
        elif ours and entry.get("before"):
            _put_back(found, entry, done, test)
    if not test:
        _forget_what_is_gone(about, schema, entries, {one["objectId"] for one in present})
    return done


def taken_back(called, done, left, test):
    """
    Return what a state says after ``take_back``; ``left`` is an object of the name that stays.

    CLI Example:

    .. code-block:: bash

        salt web01 sys.doc dynatrace_tenant_objects.taken_back
    """
    changes, notes = done["changes"], done["notes"]
    first = f"Nothing of the {called} is to be taken back."
    if changes:
        first = f"The {called} {'would be' if test else 'is'} taken back."
    if left:
        last = "that these states have not made, or of which nothing is remembered: it stays"
        notes = [*notes, f"There is a {called} {last}."]
    result = None if test and changes else True
    return {"result": result, "comment": " ".join([first, *notes]), "changes": changes}


def title(value, scope=None):
    """
    Return how an object is called in a comment.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_objects.title '{"displayName": "x"}'
    """
    if "severityRules" in value:
        return f"alerting profile {value.get('name')}"
    if "displayName" in value:
        return f"notification {value['displayName']}"
    if "generalProperties" in value:
        return f"maintenance window {_at(value, 'generalProperties.name')}"
    return str(scope)


def _api(function, *arguments, **more):
    return __salt__[f"dynatrace_tenant_api.{function}"](*arguments, **more)


def _record(function, *arguments):
    return __salt__[f"dynatrace_tenant_record.{function}"](*arguments)


def _values(function, *arguments):
    return __salt__[f"dynatrace_tenant_values.{function}"](*arguments)


def _mark(about, schema, scope):
    return f"{MARK}:{about['kind']}:{schema}:{about['label']}:{scope}"


def _at(value, path):
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _settled(schema, scope, object_id, value):
    """
    Return the object as the tenant shows it, once that is what was written.
    """
    until = time.monotonic() + SETTLE_S
    while True:
        shown = [one for one in _api("objects", schema, [scope]) if one["objectId"] == object_id]
        differs = _values("difference", shown[0]["value"], value) if shown else {"(all)": None}
        if not differs:
            return shown[0]
        if time.monotonic() > until:
            raise CommandExecutionError(
                f"The tenant took {title(value, scope)}, but still shows it otherwise in "
                f"{', '.join(differs)}"
            )
        time.sleep(POLL_S)


def _delete(found, keep, done, test):
    called = title(found["value"], found.get("scope"))
    if found["objectId"] in keep:
        done["notes"].append(f"The {called} is used by others too, and stays.")
        return
    done["changes"][called] = {"old": _values("shown", found["value"]), "new": None}
    done["ids"].append(found["objectId"])
    if not test:
        _api("delete", found["objectId"], found.get("updateToken"))
        _record("forget", found["objectId"])


def _put_back(found, entry, done, test):
    called = title(found["value"], found.get("scope"))
    if not _values("same", found["value"], entry.get("set")):
        done["notes"].append(
            f"The {called} was there before, and somebody has changed it since: it stays as it is."
        )
    else:
        again = _values("restorable", entry["before"], found["value"])
        changes = _values("difference", found["value"], again["value"])
        if changes:
            done["changes"][called] = changes
            done["ids"].append(found["objectId"])
        if again["lost"]:
            done["notes"].append(
                f"The {called} had secrets that nobody can read back, in the headers "
                f"{', '.join(again['lost'])}: set them again in Dynatrace."
            )
        if changes and not test:
            _api("update", found["objectId"], again["value"], found.get("updateToken"))
    if not test:
        _record("forget", found["objectId"])


def _forget_what_is_gone(about, schema, entries, present):
    for object_id, entry in entries.items():
        ours = all(entry.get(key) == about[key] for key in about)
        if ours and entry.get("schema") == schema and object_id not in present:
            _record("forget", object_id)
