"""
Reads and writes settings objects (Settings 2.0) of the tenant, and finds entities there.

Parameters and answers are those that Dynatrace documents for Settings 2.0 and the Entities API v2.
"""

import re
import time
from urllib.parse import quote

from salt.exceptions import CommandExecutionError

from . import answer as tenant_answer
from . import http as tenant_http
from .answer import ASK

MAX_PAGES = 100
# All pages together; a state waits for them.
WALK_DEADLINE_S = 600
PAGE_SIZE = 500

OBJECTS = "/api/v2/settings/objects"
SCHEMAS = "/api/v2/settings/schemas"
FIELDS = "objectId,scope,value,externalId,modified,updateToken"
# Of an entity id; it goes into other calls.
ENTITY = re.compile(r"[A-Z][A-Z0-9_]*-[0-9A-F]{16}")


def objects(schema, scopes=None):
    """
    Return the settings objects of a schema, of these scopes or of all.

    Each is ``{"objectId": …, "scope": …, "value": {…}, "externalId": …, "modified": …,
    "updateToken": …}``; the last three may be missing. Secrets in a value are masked.
    """
    query = {"schemaIds": schema, "fields": FIELDS, "pageSize": str(PAGE_SIZE)}
    if scopes:
        query["scopes"] = ",".join(scopes)
    found = list(pages(OBJECTS, query, "items", "settings.read"))
    for one in found:
        if not (
            isinstance(one, dict)
            and isinstance(one.get("objectId"), str)
            and isinstance(one.get("value"), dict)
        ):
            raise CommandExecutionError(
                f"GET {OBJECTS}: an item of the answer has no objectId and value; {ASK}"
            )
    return found


def schemas():
    """
    Return the ids of the schemas that this tenant has: tenants of different generations differ in them.
    """
    answer = tenant_http.call("GET", SCHEMAS, "settings.read")
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise CommandExecutionError(f"GET {SCHEMAS}: the answer has no list `items`; {ASK}")
    return {one.get("schemaId") for one in items if isinstance(one, dict)}


def create(schema, scope, value, external_id=None, validate_only=False, after=None):
    """
    Create one settings object and return its id; with ``validate_only`` only let it be checked.

    An external id makes a repeated call replace the object, not add a second one. ``after`` is the id
    of the object behind which it goes where the order counts, "" makes it the first, None the last.
    """
    one = {"schemaId": schema, "scope": scope, "value": value}
    if after is not None:
        one["insertAfter"] = after
    body = [{**one, "externalId": external_id} if external_id else one]
    answer = tenant_http.call("POST", OBJECTS, "settings.write", _validation(validate_only), body)
    [one] = answer if isinstance(answer, list) and len(answer) == 1 else [None]
    if validate_only:
        return None
    if not isinstance(one, dict) or not isinstance(one.get("objectId"), str):
        raise CommandExecutionError(f"POST {OBJECTS}: the answer names no objectId; {ASK}")
    return one["objectId"]


def update(object_id, value, update_token=None, validate_only=False):
    """
    Replace the value of a settings object; with ``validate_only`` only let it be checked.

    With the update token of the object that was read, a change that somebody else made since is
    an error, and not overwritten.
    """
    body = {"value": value, **({"updateToken": update_token} if update_token else {})}
    path = f"{OBJECTS}/{quote(object_id, safe='')}"
    tenant_http.call("PUT", path, "settings.write", _validation(validate_only), body)


def delete(object_id, update_token=None):
    """
    Delete a settings object; one that is gone already is no error.
    """
    query = {"updateToken": update_token} if update_token else {}
    path = f"{OBJECTS}/{quote(object_id, safe='')}"
    tenant_http.call("DELETE", path, "settings.write", query, missing_is_fine=True)


def entities(selector, limit):
    """
    Return id and name of the entities of a selector: ``[{"id": …, "name": …}]``.

    Only those are found that were active in the last three days, which is the API's own default.
    More than ``limit`` are an error.
    """
    query = {"entitySelector": selector, "pageSize": str(min(limit + 1, PAGE_SIZE))}
    found = []
    for one in pages("/api/v2/entities", query, "entities", "entities.read"):
        entity = one.get("entityId") if isinstance(one, dict) else None
        if not isinstance(entity, str) or not ENTITY.fullmatch(entity):
            raise CommandExecutionError("GET /api/v2/entities: an entity of the answer has no id")
        found.append(
            {
                "id": entity,
                "name": tenant_answer.clean(one.get("displayName") or entity),
            }
        )
        if len(found) > limit:
            raise CommandExecutionError(f"more than {limit} entities match {selector}")
    return found


def _validation(validate_only):
    return {"validateOnly": "true"} if validate_only else {}


def pages(path, query, name, scope):
    """
    Yield what is in a list of an answer, page after page.
    """
    seen, until = set(), time.monotonic() + WALK_DEADLINE_S
    for _ in range(MAX_PAGES):
        if time.monotonic() > until:
            raise CommandExecutionError(f"GET {path}: not all pages came in {WALK_DEADLINE_S} s")
        answer = tenant_http.call("GET", path, scope, query)
        if not isinstance(answer, dict) or not isinstance(answer.get(name), list):
            raise CommandExecutionError(f"GET {path}: the answer has no list `{name}`; {ASK}")
        yield from answer[name]
        cursor = answer.get("nextPageKey")
        if not cursor:
            return
        if not isinstance(cursor, str) or cursor in seen:
            raise CommandExecutionError(f"GET {path}: the pages of the answer go in a circle")
        seen.add(cursor)
        # All other parameters must be left out, as both APIs document.
        query = {"nextPageKey": cursor}
    raise CommandExecutionError(f"GET {path}: the answer has more than {MAX_PAGES} pages")
