"""
The endpoints of the credential vault, as far as tokens go: list, create, replace, delete.

Paths, scopes, codes and bodies are those of Dynatrace documentation for the Credential vault API
v2; that an entry's token never comes back is, too. The texts of refusals are synthetic. Not
modelled: other kinds of entries, owners, filters of the list other than `type`, paging.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError, violated
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_SCOPES = frozenset({"ALL", "APP_ENGINE", "EXTENSION", "SYNTHETIC"})
_FIELDS = frozenset({"id", "name", "description", "type", "scopes", "ownerAccessOnly", "token"})
_OWNER = "service-user@example.com"


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    every, one = r"/api/v2/credentials", r"/api/v2/credentials/(?P<entry>[^/]+)"
    read, write = "credentialVault.read", "credentialVault.write"
    known = frozenset({"type", "name", "user", "scope", "pageSize", "nextPageKey"})
    return [
        Route("GET", every, read, list_entries, known),
        Route("POST", every, write, create_entry),
        Route("PUT", one, write, replace_entry),
        Route("DELETE", one, write, delete_entry),
    ]


def list_entries(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /credentials: all but the tokens.
    """
    kind = request.query.get("type")
    shown = [
        {"id": entry_id, "owner": _OWNER, **{k: v for k, v in one.items() if k != "token"}}
        for entry_id, one in tenant.vault.items()
        if kind in (None, one["type"])
    ]
    return Answer(200, {"credentials": shown, "totalCount": len(shown), "pageSize": 500})


def create_entry(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /credentials.
    """
    entry = _checked(request)
    entry_id = f"CREDENTIALS_VAULT-{secrets.token_hex(8).upper()}"
    tenant.vault[entry_id] = entry
    return Answer(201, {"id": entry_id})


def replace_entry(tenant: Tenant, request: Request) -> Answer:
    """
    Answer PUT /credentials/{id}.
    """
    entry = _checked(request)
    tenant.vault[_known(tenant, request)] = entry
    return Answer(204)


def delete_entry(tenant: Tenant, request: Request) -> Answer:
    """
    Answer DELETE /credentials/{id}.
    """
    del tenant.vault[_known(tenant, request)]
    return Answer(204)


def _known(tenant: Tenant, request: Request) -> str:
    entry_id = request.parts["entry"]
    if entry_id not in tenant.vault:
        raise ApiError(404, f"There are no credentials {entry_id}")
    return entry_id


def _checked(request: Request) -> dict[str, Any]:
    body = request.json()
    for name in body.keys() - _FIELDS:
        request.note(f"there is no property {name} of a token in the vault; it is ignored")
    if body.get("type") != "TOKEN":
        raise violated("type", "only tokens are modelled", "PAYLOAD_BODY")
    for name in ("name", "token"):
        request.text(body, name)
    scopes = body.get("scopes")
    if not isinstance(scopes, list) or not scopes or not _SCOPES.issuperset(scopes):
        raise violated("scopes", f"must be of {sorted(_SCOPES)}", "PAYLOAD_BODY")
    return {"ownerAccessOnly": False, **body}
