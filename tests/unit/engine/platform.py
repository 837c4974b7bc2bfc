"""
Clients of the simulated tenant's platform, for the tests of several modules.
"""

from __future__ import annotations

from typing import Any

from _dynatrace.api.client import Client

from tests.tenant import Tenant

#: What a platform token gets today for Grail.
READS = tuple(
    f"storage:{name}:read" for name in ("events", "buckets", "entities", "smartscape", "bizevents")
)


class PlatformClient(Client):
    """
    A client of a tenant's platform; it keeps what it says, and counts the queries.
    """

    def __init__(
        self,
        tenant: Tenant,
        scopes: tuple[str, ...] = READS,
        source: str | None = None,
        **more: Any,
    ) -> None:
        self.tenant = tenant
        self.token = tenant.add_platform_token(scopes)
        self.said: list[str] = []
        super().__init__(tenant.platform_url, self.token, source=source, say=self._heard, **more)

    def _heard(self, text: str, without: bool) -> None:
        self.said.append(text)

    def calls(self) -> list[str]:
        """
        Return what was asked for since this was asked last, without the base and the query string.
        """
        found = [one.path.partition("?")[0] for one in self.tenant.requests]
        asked, self._seen = found[getattr(self, "_seen", 0) :], len(found)
        return [path.rpartition("/v1")[2] or path.rpartition("/v2")[2] for path in asked]
