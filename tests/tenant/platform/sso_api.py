"""
The token endpoint of the SSO, and where the platform says that it is.

Request, the 200 and the life of 300 seconds are Dynatrace documentation's. That a wrong client or
secret is a 400, and one that asks for a scope it does not have as well, was met by clients; the
keys of the body are those that an official client reads, its values are constructed. The address
by redirect is what an official client follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from tests.tenant.platform.legs import sso_body
from tests.tenant.platform.logins import Refused
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

TOKEN_PATH = "/sso/oauth2/token"
_FORM = "application/x-www-form-urlencoded"


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    return [
        Route("POST", TOKEN_PATH, "", give_token),
        Route("HEAD", "/platform/oauth2/authorization/dynatrace-sso", "", lead_there),
    ]


def give_token(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /sso/oauth2/token.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != _FORM:
        return _refused(tenant, "invalid_request", "The content type is not supported.")
    form = dict(parse_qsl(request.raw.decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        return _refused(tenant, "unsupported_grant_type", "The grant type is not supported.")
    try:
        return Answer(200, _granted(tenant, form))
    except Refused as err:
        return _refused(tenant, err.why, err.message)


def lead_there(tenant: Tenant, request: Request) -> Answer:
    """
    Answer HEAD …/dynatrace-sso: a redirect to the host of the SSO.
    """
    return Answer(302, None, {"Location": f"{tenant.origin}/oauth2/authorize"})


def without_secrets(raw: bytes) -> bytes:
    """
    Give the form of a call without the secret in it.
    """
    pairs = parse_qsl(raw.decode("utf-8", "replace"))
    return "&".join(f"{key}={value}" for key, value in pairs if key != "client_secret").encode()


def _granted(tenant: Tenant, form: Mapping[str, str]) -> dict[str, object]:
    client = tenant.tokens.client_of(form.get("client_id", ""), form.get("client_secret", ""))
    resource = form.get("resource", tenant.account_urn)
    if resource not in (tenant.account_urn, tenant.environment_urn):
        raise Refused(400, "The resource is not known.", why="invalid_target")
    asked = set(form["scope"].split()) if "scope" in form else set(client.scopes)
    if asked - client.scopes and tenant.switches.sso_missing_scope == "refused":
        raise Refused(400, "The client has not all scopes that it asks for.", why="invalid_request")
    granted = asked & client.scopes
    seconds = tenant.switches.access_token_seconds
    tenant.log.add("access token issued", client=client.client_id)
    return {
        "scope": " ".join(sorted(granted)),
        "token_type": "Bearer",
        "expires_in": max(int(seconds), 1),
        "access_token": tenant.tokens.issue_access(client, granted, seconds),
        "resource": resource,
    }


def _refused(tenant: Tenant, why: str, text: str) -> Answer:
    status = tenant.switches.sso_refusal
    return Answer(status, sso_body(why, text, status))
