"""
The endpoint that tells what the environment is; path, scope and body are official examples'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    path, scope = "/platform/management/v1/environment", "platform-management:environments:read"
    return [Route("GET", path, scope, show_environment)]


def show_environment(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /environment.
    """
    body = {
        "environmentId": tenant.environment_id,
        "createTime": "2023-01-01T00:10:57.123Z",
        "blockTime": "2031-12-07T00:00:00Z",
        "state": "ACTIVE",
    }
    return Answer(200, body)
