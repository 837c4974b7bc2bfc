"""
Says what is to be set in the tenant, and how it differs from what is: without asking anybody.

Values are those of Settings 2.0: ``builtin:alerting.profile``, ``builtin:problem.notifications``,
``builtin:availability.process-group-alerting``, ``builtin:os-services-monitoring`` and
``builtin:alerting.maintenance-window``, as Dynatrace documents their schemas. A value here holds only what these states decide; everything else
in an object, such as an event filter that a person has added to a profile, is left as it is. A key
with None is to be missing.
"""

import json

from . import units

TEMPLATE = """{
"State":"{State}",
"ProblemID":"{ProblemID}",
"PID":"{PID}",
"ProblemTitle":"{ProblemTitle}",
"ProblemImpact":"{ProblemImpact}",
"ProblemSeverity":"{ProblemSeverity}",
"ProblemURL":"{ProblemURL}",
"Tags":"{Tags}",
"ImpactedEntities":{ImpactedEntities},
"ProblemDetailsJSONv2":{ProblemDetailsJSONv2}
}"""
AUTHORIZATION = "Authorization"
HIDDEN = "(secret)"
CHANGED = "(another secret, or one that this minion has not sent)"
# Of these lists the order has no meaning; Dynatrace calls them sets.
SETS = (
    "severityRules",
    "eventFilters",
    "headers",
    "filters",
    "tagFilter",
    "entityTags",
    "managementZones",
    "metadata",
    "detectionConditionsLinux",
    "hostList",
    "scopes",
)
# Each has a meaning only with another property, which is compared. They are not sent without it,
# and a tenant that shows them all the same differs in nothing.
DEPENDENT = (
    "urlContainsSecret",
    "secretUrl",
    "minimumInstanceThreshold",
    "onceRecurrence",
    "dailyRecurrence",
    "weeklyRecurrence",
    "monthlyRecurrence",
)
# Of all notifications, since a person's own may be shown too.
SECRETS = ("secretValue", "secretUrl", "clientSecret", "apiKey", "apiToken", "password", "token")


def profile(options):
    """
    Return the alerting profile of the options of a webhook.
    """
    tags = options["tags"]
    limits = (
        {"tagFilterIncludeMode": "INCLUDE_ANY", "tagFilter": list(tags)}
        if tags
        else {"tagFilterIncludeMode": "NONE"}
    )
    rules = [
        {"severityLevel": severity, "delayInMinutes": minutes, **limits}
        for severity, minutes in options["severities"].items()
    ]
    return {"name": options["profile"], "severityRules": rules}


def notification(options, profile_id, secret, headers=()):
    """
    Return the notification of the options of a webhook; ``headers`` are those that it has now.

    The header Authorization is ours. The others stay, with the masks of their secrets, by which
    Dynatrace keeps a secret as it is.
    """
    others = [one for one in headers if not _is_ours(one)]
    ours = {"name": AUTHORIZATION, "secret": True, "secretValue": f"Bearer {secret}"}
    webhook = {
        "url": options["url"],
        "urlContainsSecret": None,
        "secretUrl": None,
        "acceptAnyCertificate": options["accept_any_certificate"],
        "notifyClosedProblems": options["closed"],
        "notifyEventMergesEnabled": options["merges"],
        "headers": [*others, ours],
        "payload": TEMPLATE,
    }
    return {
        "enabled": options["enabled"],
        "type": "WEBHOOK",
        "displayName": options["name"],
        "alertingProfile": profile_id,
        "webHookNotification": webhook,
    }


def alerting(options):
    """
    Return the availability alerting of one process group.
    """
    if options["minimum"] is None:
        mode, threshold = "ON_PGI_UNAVAILABILITY", None
    else:
        mode, threshold = "ON_INSTANCE_COUNT_VIOLATION", options["minimum"]
    return {"enabled": True, "alertingMode": mode, "minimumInstanceThreshold": threshold}


def os_policy(options, called, found=None):
    """
    Return the policy of the OS services of one remedy; ``found`` is the object that there is now.

    Of the metadata two keys are ours, and a person's other ones stay, as does whether a metric is kept.
    """
    ours = {"salt_remedy": options["remedy"], "dt.osservice.name": "{dt.osservice.name}"}
    now = (found["value"].get("metadata") or []) if found else []
    others = [one for one in now if isinstance(one, dict) and one.get("metadataKey") not in ours]
    mine = [{"metadataKey": key, "metadataValue": value} for key, value in ours.items()]
    rules = [{"property": "ServiceName", "condition": units.condition(options["units"])}]
    if not options["disabled"]:
        # It is installed on many hosts where nobody wants it to run.
        rules.append({"property": "StartupType", "condition": "$not($eq(disabled))"})
    return {
        **({} if found else {"monitoring": False, "notInstalledAlerting": False}),
        "enabled": options["enabled"],
        "system": "LINUX",
        "name": called,
        "alerting": True,
        "alertActivationDuration": options["cycles"],
        "statusConditionLinux": units.DOWN,
        "detectionConditionsLinux": rules,
        "metadata": [*others, *mine],
    }


def selector(options):
    """
    Return the entity selector of process groups; in quotes, a tilde escapes quotes and tildes.
    """
    criteria = ['type("PROCESS_GROUP")']
    for key, criterion in (
        ("technology", "softwareTechnologies"),
        ("process_group", "entityName.equals"),
        ("management_zone", "mzName"),
    ):
        value = options.get(key)
        if value is not None:
            escaped = value.replace("~", "~~").replace('"', '~"')
            criteria.append(f'{criterion}("{escaped}")')
    return ",".join(criteria)


# -- differences


def merged(old, new):
    """
    Return the old value with the new one laid over it; what is None in the new one is taken away.
    """
    result = dict(old or {})
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result[key] if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result


def difference(old, new):
    """
    Return what differs: ``{"webHookNotification.url": {"old": …, "new": …}}``; secrets are hidden.

    The order in a set, and a null or an empty list where another has nothing, are no difference.
    """
    return dict(_differences("", shown(old or {}), shown(new or {})))


def same(old, new):
    """
    Tell whether two values are the same, but for secrets.
    """
    return not difference(old, new)


def shown(value):
    """
    Return a value as it may be shown: every secret in it is hidden.
    """
    if isinstance(value, list):
        return [shown(one) for one in value]
    if not isinstance(value, dict):
        return value
    # Of a header even the plain value may be a credential.
    hidden = (*SECRETS, "value") if "secret" in value else SECRETS
    return {
        key: (one if one in (None, CHANGED) else HIDDEN) if key in hidden else shown(one)
        for key, one in value.items()
    }


def with_changed_secret(value):
    """
    Return a notification in which the secret of our header shows that it is another one.
    """
    webhook = value["webHookNotification"]
    headers = [
        {**one, "secretValue": CHANGED} if _is_ours(one) else one for one in webhook["headers"]
    ]
    return {**value, "webHookNotification": {**webhook, "headers": headers}}


def restorable(before, now):
    """
    Return an earlier value as it can be put back, and which secret headers it has lost.

    ``{"value": …, "lost": [name, …]}``. A secret cannot be read back, and a mask keeps the secret
    that is there now: in our header that is ours, and for another URL Dynatrace takes no masks.
    """
    was, webhook = before.get("webHookNotification"), now.get("webHookNotification") or {}
    if not isinstance(was, dict):
        return {"value": before, "lost": []}
    moved = was.get("url") != webhook.get("url")
    headers = was.get("headers") or []
    lost = [one for one in headers if one.get("secret") and (moved or _is_ours(one))]
    kept = [one for one in headers if one not in lost]
    value = {**before, "webHookNotification": {**was, "headers": kept}}
    return {"value": value, "lost": [str(one.get("name")) for one in lost]}


def _is_ours(header):
    return isinstance(header, dict) and str(header.get("name")).lower() == AUTHORIZATION.lower()


def _differences(path, old, new):
    for key in [*old, *(key for key in new if key not in old)]:
        before, after, where = old.get(key), new.get(key), f"{path}{key}"
        if after is None and key in DEPENDENT:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(f"{where}.", before, after)
        elif _canonical(key, before) != _canonical(key, after):
            yield where, {"old": before, "new": after}


def _canonical(key, value):
    if value is None or value == []:
        return None
    if isinstance(value, dict):
        kept = {name: _canonical(name, one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one is not None}
    if isinstance(value, list):
        members = [_canonical("", one) for one in value]
        return sorted(members, key=_text) if key in SETS else members
    return value


def _text(value):
    return json.dumps(value, sort_keys=True, default=str)
