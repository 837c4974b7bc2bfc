"""
The endpoints of Settings 2.0 objects: list, show, create, update, delete.

Calls, parameters, codes, bodies, paging, the default page of 100, what a list returns without
`fields`, and that an update needs both scopes, is Dynatrace documentation's and that of its
examples. The envelope of one refused object follows a captured answer. Synthetic: `summary`, the
users, and the texts of 404 and 409. Not modelled: permissions, owners, `adminAccess`, `insertBefore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError, violated
from tests.tenant.filters import parse_filter, sort_key
from tests.tenant.paging import alone
from tests.tenant.schemas import SCHEMAS
from tests.tenant.settings import SettingsObject
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_PAGE, _LARGEST_PAGE = 100, 500
_USER = "5f3b7c9e-0000-4000-8000-000000000001"
_LIST = frozenset(
    [
        "schemaIds",
        "scopes",
        "externalIds",
        "fields",
        "filter",
        "sort",
        "nextPageKey",
        "pageSize",
        "adminAccess",
    ]
)
_FIELDS = frozenset(
    [
        "objectId",
        "summary",
        "searchSummary",
        "created",
        "modified",
        "createdBy",
        "modifiedBy",
        "author",
        "updateToken",
        "scope",
        "modificationInfo",
        "resourceContext",
        "owner",
        "schemaId",
        "schemaVersion",
        "value",
        "externalId",
    ]
)
_DEFAULT_FIELDS = "objectId,value"
_CREATE = frozenset(
    {"schemaId", "schemaVersion", "scope", "value", "externalId", "objectId", "insertAfter"}
)
_UPDATE = frozenset({"value", "updateToken", "schemaVersion", "insertAfter", "insertBefore"})


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    every, one = r"/api/v2/settings/objects", r"/api/v2/settings/objects/(?P<object>[^/]+)"
    admin, dry = frozenset({"adminAccess"}), frozenset({"adminAccess", "validateOnly"})
    read, write = "settings.read", "settings.write"
    token = admin | {"updateToken"}
    return [
        Route("GET", every, read, list_objects, _LIST),
        Route("POST", every, write, create_objects, dry),
        Route("GET", one, read, show_object, admin),
        Route("PUT", one, write, update_object, dry, also=(read,)),
        Route("DELETE", one, write, delete_object, token),
    ]


def list_objects(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /settings/objects.
    """
    key = request.query.get("nextPageKey")
    if key is None:
        walk = _begin(tenant, request)
    else:
        alone(request)
        walk = tenant.cursors.open("settings", key, tenant.switches.cursor_lifetime)
    fields = frozenset(walk["fields"])
    bodies = [
        object_body(one)
        for one in tenant.settings.values()
        if (not walk["schemas"] or one.schema_id in walk["schemas"])
        and (not walk["scopes"] or one.scope in walk["scopes"])
        and (not walk["external"] or one.external_id in walk["external"])
    ]
    if walk["filter"]:
        meets = parse_filter(walk["filter"], fields)
        bodies = [body for body in bodies if meets(body)]
    if walk["sort"]:
        order, backwards = sort_key(walk["sort"], fields)
        bodies.sort(key=order, reverse=backwards)
    begin, end = walk["begin"], walk["begin"] + walk["size"]
    shown = [
        {name: value for name, value in body.items() if name in fields}
        for body in bodies[begin:end]
    ]
    answer: dict[str, Any] = {
        "items": shown,
        "totalCount": len(bodies),
        "pageSize": walk["size"],
    }
    if end < len(bodies):
        answer["nextPageKey"] = tenant.cursors.seal("settings", {**walk, "begin": end})
    elif tenant.last_key_is_null(request):
        answer["nextPageKey"] = None
    return Answer(200, answer)


def show_object(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /settings/objects/{objectId}.
    """
    return Answer(200, object_body(_known(tenant, request)))


def create_objects(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /settings/objects: each element for itself, one result for each.
    """
    body = request.parsed()
    if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
        raise ApiError(400, "Could not map JSON.", noted=True)
    dry = _flag(request, "validateOnly")
    results = [_create(tenant, request, item, number, dry) for number, item in enumerate(body)]
    codes = {result["code"] for result in results} or {200}
    return Answer(codes.pop() if len(codes) == 1 else 207, results)


def update_object(tenant: Tenant, request: Request) -> Answer:
    """
    Answer PUT /settings/objects/{objectId}.
    """
    body = request.json()
    for name in body.keys() - _UPDATE:
        request.note(f"there is no property {name} of an update; it is ignored")
    value = body.get("value")
    try:
        known = _known(tenant, request)
        _check_token(known, body.get("updateToken"))
        checked = tenant.checked(known.schema, value, known)
        after = _place(body)
        tenant.check_place(known.schema, known.scope, after)
        if not _flag(request, "validateOnly"):
            tenant.replace(known, checked)
            tenant.move(known, after)
    except ApiError as err:
        return Answer(err.code, _refused(tenant, err, value))
    return Answer(200, {"code": 200, "objectId": known.object_id})


def delete_object(tenant: Tenant, request: Request) -> Answer:
    """
    Answer DELETE /settings/objects/{objectId}.
    """
    try:
        known = _known(tenant, request)
        _check_token(known, request.query.get("updateToken"))
        tenant.delete_settings(known.object_id)
    except ApiError as err:
        return Answer(err.code, _refused(tenant, err, None))
    return Answer(204)


def object_body(one: SettingsObject) -> dict[str, Any]:
    """
    Give an object as it is read: without its secrets.
    """
    value = one.schema.root.masked(one.value)
    named = value.get("name") or value.get("displayName") or one.scope
    return {
        "objectId": one.object_id,
        "schemaId": one.schema_id,
        "schemaVersion": one.schema.version,
        "scope": one.scope,
        "value": value,
        "summary": str(named),
        "searchSummary": str(named),
        "created": one.created,
        "modified": one.modified,
        "createdBy": _USER,
        "modifiedBy": _USER,
        "author": "token-owner@example.com",
        "owner": {"type": "user", "id": _USER},
        "updateToken": one.update_token,
        **({"externalId": one.external_id} if one.external_id else {}),
    }


def _begin(tenant: Tenant, request: Request) -> dict[str, Any]:
    schemas, scopes = _words(request, "schemaIds"), _words(request, "scopes")
    if not schemas and not scopes:
        raise violated("schemaIds", "either schemaIds or scopes must be given")
    for schema in schemas:
        if not tenant.has_schema(schema):
            raise ApiError(404, f"The schema '{schema}' does not exist.")
    for scope in scopes:
        if not tenant.knows_scope(scope):
            raise ApiError(404, f"The scope '{scope}' does not exist.")
    fields = _words(request, "fields") or _DEFAULT_FIELDS.split(",")
    for name in fields:
        if name not in _FIELDS:
            raise violated("fields", f"'{name}' is not a valid field")
    return {
        "schemas": schemas,
        "scopes": scopes,
        "external": _words(request, "externalIds"),
        "fields": fields,
        "filter": request.query.get("filter", ""),
        "sort": request.query.get("sort", ""),
        "size": request.number("pageSize", _PAGE, _LARGEST_PAGE),
        "begin": 0,
    }


def _create(
    tenant: Tenant, request: Request, item: dict[str, Any], number: int, dry: bool
) -> dict[str, Any]:
    for name in item.keys() - _CREATE:
        request.note(f"there is no property {name} of a settings object; it is ignored")
    value = item.get("value")
    try:
        texts = [request.text(item, name) for name in ("schemaId", "scope")]
        external = request.text(item, "externalId", required=False) or None
        after = _place(item)
        made = tenant.put_settings(
            texts[0], value, texts[1], external, only_check=dry, place=number, after=after
        )
    except ApiError as err:
        return _refused(tenant, err, value)
    return {"code": 200, **({"objectId": made} if made else {})}


def _refused(tenant: Tenant, err: ApiError, value: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"code": err.code, **err.body()}
    if err.code == 400 and isinstance(value, dict):
        plain = tenant.switches.secrets_in_invalid_value
        body["invalidValue"] = value if plain else _without_secrets(value)
    return body


def _without_secrets(value: dict[str, Any]) -> dict[str, Any]:
    # A refused value may follow no schema, so each is asked for the secrets that it knows.
    shown: Any = value
    for schema in SCHEMAS.values():
        shown = schema.root.masked(shown)
    masked: dict[str, Any] = shown
    return masked


def _known(tenant: Tenant, request: Request) -> SettingsObject:
    object_id = request.parts["object"]
    known = tenant.settings.get(object_id)
    if known is None:
        raise ApiError(404, f"No object available for the given objectId '{object_id}'")
    return known


def _check_token(known: SettingsObject, token: Any) -> None:
    if token is not None and token != known.update_token:
        raise ApiError(409, "The settings object was changed since it was retrieved.")


def _place(body: dict[str, Any]) -> str | None:
    after = body.get("insertAfter")
    if after is not None and not isinstance(after, str):
        raise ApiError(400, "insertAfter must be a text.")
    return after


def _words(request: Request, name: str) -> list[str]:
    return [part.strip() for part in request.query.get(name, "").split(",") if part.strip()]


def _flag(request: Request, name: str) -> bool:
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise violated(name, "must be true or false")
    return text == "true"
