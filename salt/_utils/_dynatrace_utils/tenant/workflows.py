"""
Reads and writes workflows of the platform, as ``api`` does settings objects.

Paths and bodies are those of the Automation API's own description. What the tenant makes of a
workflow, such as its version and its actor, is left out of the value, and not sent back.
"""

from urllib.parse import quote

from salt.exceptions import CommandExecutionError

from . import http as tenant_http
from . import marks
from .answer import ASK

SCHEMA = "automation:workflows"
WORKFLOWS = "/platform/automation/v1/workflows"
PREVIEW = "/platform/automation/v1/event-triggers/filter-preview"
READ, WRITE = "automation:workflows:read", "automation:workflows:write"
PAGE_SIZE = 100
MAX_PAGES = 100
KEPT = ("title", "tasks", "isPrivate", "isDeployed")


def objects(_schema, _scopes=None):
    """
    Return all workflows, each as a settings object: see ``api.objects``.
    """
    return [_object(one) for one in _pages()]


def create(_schema, _scope, value, external_id=None, validate_only=False, after=None):
    """
    Create one workflow and return its id; with ``validate_only`` only let its trigger be checked.
    """
    if validate_only:
        return _validate(value)
    # With one task it is what Dynatrace calls a simple one.
    body = {**value, "type": "SIMPLE", "description": marks.described(external_id)}
    made = tenant_http.call("POST", WORKFLOWS, WRITE, body=body)
    if not isinstance(made, dict) or not isinstance(made.get("id"), str):
        raise CommandExecutionError(f"POST {WORKFLOWS}: the answer names no id; {ASK}")
    return made["id"]


def update(object_id, value, update_token=None, validate_only=False):
    """
    Change a workflow; what is not in the value, such as its description, stays.
    """
    if validate_only:
        return _validate(value)
    tenant_http.call("PATCH", _path(object_id), WRITE, body=value)


def delete(object_id, update_token=None):
    """
    Delete a workflow; one that is gone already is no error.
    """
    tenant_http.call("DELETE", _path(object_id), WRITE, missing_is_fine=True)


def preview(trigger):
    """
    Let the tenant check the configuration of a trigger, of which nothing is kept.
    """
    tenant_http.call("POST", PREVIEW, READ, body={"triggerConfiguration": trigger})


def _validate(value):
    preview(value["trigger"]["eventTrigger"]["triggerConfiguration"])


def _path(object_id):
    return f"{WORKFLOWS}/{quote(object_id, safe='')}"


def _pages():
    received = 0
    for _ in range(MAX_PAGES):
        query = {"limit": str(PAGE_SIZE), "offset": str(received), "ordering": "id"}
        answer = tenant_http.call("GET", WORKFLOWS, READ, query)
        found = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise CommandExecutionError(f"GET {WORKFLOWS}: the answer has no list `results`; {ASK}")
        if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in found):
            raise CommandExecutionError(f"GET {WORKFLOWS}: a workflow has no id; {ASK}")
        yield from found
        received += len(found)
        # Pages may be shorter than asked for; what tells no count ends with an empty one.
        if not found or answer.get("count") == received:
            return
    raise CommandExecutionError(f"GET {WORKFLOWS}: the answer has more than {MAX_PAGES} pages")


def _object(one):
    value = {key: one[key] for key in KEPT if key in one}
    # Tenants that do not tell have no workflow that is not.
    value.setdefault("isDeployed", True)
    event = (one.get("trigger") or {}).get("eventTrigger") or {}
    kept = {key: event[key] for key in ("isActive", "triggerConfiguration") if key in event}
    if kept:
        value["trigger"] = {"eventTrigger": kept}
    return {
        "objectId": one["id"],
        "scope": "environment",
        "value": value,
        "externalId": marks.external_id(one.get("description")),
        "modified": (one.get("modificationInfo") or {}).get("lastModifiedTime"),
    }
