"""
Which host a call is for, and what a host answers to a path that belongs to another one.

In reality these are `<id>.live.dynatrace.com`, `<id>.apps.dynatrace.com` and the SSO's. Here the
platform is below `/apps/<id>`, or has `.apps.` in the name of its host. That a platform path on
the classic host is an HTML 403, and `/api` on the platform's a 404, was met by clients, and that a
host which is not the SSO answers HTML; the pages, and the status of the latter, are synthetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.faults import LOGIN
from tests.tenant.platform.sso_api import TOKEN_PATH
from tests.tenant.tokens import PLATFORM_PATH
from tests.tenant.wire import Answer, Request

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_HTML = "text/html; charset=utf-8"
_FORBIDDEN = (
    b"<html><body><h1>403 Forbidden</h1>Request forbidden by administrative rules.</body></html>"
)
_NOT_FOUND = b"<html><body><h1>404 Not Found</h1></body></html>"


def located(tenant: Tenant, path: str, host: str) -> tuple[str, bool]:
    """
    Give the path behind that of the environment, and whether the call is for the platform.
    """
    below = f"/apps/{tenant.environment_id}"
    if path.startswith(below + "/"):
        return path.removeprefix(below), True
    if ".apps." in host:
        return path, True
    inside = path.startswith(tenant.environment_path + "/")
    if inside or path == TOKEN_PATH:
        return path.removeprefix(tenant.environment_path), False
    return "/" + path, False


def wrong_host(request: Request) -> Answer | None:
    """
    Give what the host answers to a path that it does not have.
    """
    if not request.platform and request.path.startswith("/platform/"):
        request.note("the platform is not on this host")
        return Answer(403, _FORBIDDEN, content_type=_HTML)
    if request.platform and request.path == TOKEN_PATH:
        return Answer(404, LOGIN, content_type=_HTML)
    if request.platform and not request.path.startswith("/platform/"):
        return Answer(404, _NOT_FOUND, content_type=_HTML)
    return None


def behind_gateway(path: str) -> str:
    """
    Give the path that a classic API has behind the gateway.
    """
    inside = path.startswith(PLATFORM_PATH + "/")
    return "/api" + path.removeprefix(PLATFORM_PATH) if inside else path
