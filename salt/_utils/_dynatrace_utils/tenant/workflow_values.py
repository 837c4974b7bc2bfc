"""
Says what a workflow is that tells the engine of problems, and what the vault holds for it: without asking anybody.

Names are those of the Automation API's own description and of Dynatrace's samples.
"""

from urllib.parse import urlsplit

TASK = "tell_salt"
ACTION = "dynatrace.automations:http-function"
# By the words of alerting profiles.
CATEGORIES = {
    "AVAILABILITY": "availability",
    "ERRORS": "error",
    "PERFORMANCE": "slowdown",
    "RESOURCE_CONTENTION": "resource",
    "CUSTOM_ALERT": "custom",
    "MONITORING_UNAVAILABLE": "monitoringUnavailable",
}
# What not every tenant takes, the newest first.
NEWER = ("maintenanceWindowTriggerBehavior", "analysisReady")
# A function ends after this; the listener answers at once, and is asked again after a pause.
TIMEOUT_S = 120
RETRY = {"count": 3, "delay": 30}


def host(options):
    """
    Return the host that is to be allowed.
    """
    return urlsplit(options["url"]).hostname


def credential(name, secret):
    """
    Return the token of the vault: workflows of its owner may use it, and nobody can read it.
    """
    return {
        "name": name,
        "type": "TOKEN",
        "scopes": ["APP_ENGINE"],
        "ownerAccessOnly": True,
        "token": secret,
    }


def trigger(options, found=None, without=()):
    """
    Return the trigger; ``found`` is the workflow that there is, ``without`` what the tenant does not take.

    A filter that a person has added stays.
    """
    wanted = options["severities"]
    value = {
        "categories": {key: one in wanted for one, key in CATEGORIES.items()},
        **_tags(options["tags"], found),
        "onProblemClose": options["closed"],
        # Before the analysis of the root cause: the engine looks itself, and minutes earlier.
        "analysisReady": False,
        "maintenanceWindowTriggerBehavior": options["maintenance"],
    }
    value = {key: one for key, one in value.items() if key not in without}
    return {"type": "davis-problem", "value": value}


def workflow(options, credential_id, configuration, found=None):
    """
    Return the workflow; its header Authorization is in the vault, and none is left in the workflow.
    """
    now = ((found["value"].get("tasks") or {}).get(TASK) or {}) if found else {}
    headers = (now.get("input") or {}).get("headers") or {}
    others = {one: None for one in headers if str(one).lower() == "authorization"}
    action = {
        "url": options["url"],
        "method": "POST",
        "headers": {**others, "Content-Type": "application/json"},
        "payload": "{{ event() | to_json }}",
        "failOnResponseCodes": "400-599",
        "credential": {"type": "token", "tokenPrefix": "Bearer", "credentialId": credential_id},
    }
    task = {
        "name": TASK,
        "description": "Tells Salt's engine of the problem.",
        "action": ACTION,
        "input": action,
        "timeout": TIMEOUT_S,
        "retry": RETRY,
        **({} if now else {"position": {"x": 0, "y": 1}, "predecessors": []}),
    }
    event = {"isActive": options["enabled"], "triggerConfiguration": configuration}
    return {
        "title": options["name"],
        "isPrivate": False,
        "isDeployed": options["enabled"],
        "tasks": {TASK: task},
        "trigger": {"eventTrigger": event},
    }


def _tags(tags, found):
    wanted = {}
    for tag in tags:
        # A context in brackets may hold a colon of its own.
        context, bracket, rest = tag.rpartition("]") if tag.startswith("[") else ("", "", tag)
        key, _, value = rest.partition(":")
        wanted.setdefault(context + bracket + key, []).append(value)
    now = _now(found).get("entityTags") or {}
    gone = dict.fromkeys(one for one in now if one not in wanted)
    return {"entityTags": {**gone, **wanted}, **({"entityTagsMatch": "any"} if tags else {})}


def _now(found):
    event = ((found["value"].get("trigger") or {}).get("eventTrigger") or {}) if found else {}
    return (event.get("triggerConfiguration") or {}).get("value") or {}
