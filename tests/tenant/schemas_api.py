"""
The endpoint that lists the schemas of Settings 2.0; path, scope and body are Dynatrace documentation's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tenant.schemas import SCHEMAS
from tests.tenant.tokens import scopes_missing
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    fields = frozenset({"fields"})
    return [Route("GET", "/api/v2/settings/schemas", "settings.read", list_schemas, fields)]


def list_schemas(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /settings/schemas: those that this tenant has.
    """
    needed = "settings:schemas:read"
    if request.platform and request.token and not request.token.may(needed):
        raise scopes_missing(needed)
    items = [
        {
            "schemaId": one.schema_id,
            "displayName": one.schema_id,
            "latestSchemaVersion": one.version,
        }
        for one in SCHEMAS.values()
        if tenant.has_schema(one.schema_id)
    ]
    return Answer(200, {"items": items, "totalCount": len(items)})
