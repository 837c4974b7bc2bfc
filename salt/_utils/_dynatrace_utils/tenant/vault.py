"""
Reads and writes tokens of the credential vault, as ``api`` does settings objects.

Paths and bodies are those that Dynatrace documents for the Credential vault API v2. The vault shows
no token, so what it holds is unknown, and stands as a mask in the value.
"""

from urllib.parse import quote

from salt.exceptions import CommandExecutionError

from . import api as tenant_api
from . import http as tenant_http
from . import marks
from .answer import ASK

SCHEMA = "credentials"
CREDENTIALS = "/api/v2/credentials"
READ, WRITE = "credentialVault.read", "credentialVault.write"
MASK = "******"
KEPT = ("name", "description", "type", "scopes", "ownerAccessOnly")


def objects(_schema, _scopes=None):
    """
    Return the tokens that can be seen, each as a settings object: see ``api.objects``.
    """
    query = {"type": "TOKEN", "pageSize": str(tenant_api.PAGE_SIZE)}
    found = list(tenant_api.pages(CREDENTIALS, query, "credentials", READ))
    if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in found):
        raise CommandExecutionError(f"GET {CREDENTIALS}: an entry of the answer has no id; {ASK}")
    return [_object(one) for one in found if one.get("type") == "TOKEN"]


def create(_schema, _scope, value, external_id=None, validate_only=False, after=None):
    """
    Create one token and return its id; the vault can validate nothing.
    """
    if validate_only:
        return None
    body = {**value, "description": marks.described(external_id)}
    made = tenant_http.call("POST", CREDENTIALS, WRITE, body=body)
    if not isinstance(made, dict) or not isinstance(made.get("id"), str):
        raise CommandExecutionError(f"POST {CREDENTIALS}: the answer names no id; {ASK}")
    return made["id"]


def update(object_id, value, update_token=None, validate_only=False):
    """
    Replace a token, the secret too.
    """
    if not validate_only:
        tenant_http.call("PUT", _path(object_id), WRITE, body=value)


def delete(object_id, update_token=None):
    """
    Delete a token; one that is gone already is no error.
    """
    tenant_http.call("DELETE", _path(object_id), WRITE, missing_is_fine=True)


def _path(object_id):
    return f"{CREDENTIALS}/{quote(object_id, safe='')}"


def _object(one):
    value = {key: one[key] for key in KEPT if one.get(key) is not None}
    return {
        "objectId": one["id"],
        "scope": "environment",
        "value": {**value, "token": MASK},
        "externalId": marks.external_id(one.get("description")),
    }
