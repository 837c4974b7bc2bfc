"""
How an engine reaches a tenant and is told by it: with a classic token and a notification, or on the platform with an
OAuth client, Grail and a workflow.
"""

from __future__ import annotations

from typing import Any

from tests.tenant import Tenant


class ClassicLogin:
    """
    A classic token for the classic URL, and a notification by webhook.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.token = tenant.add_token()

    @property
    def options(self) -> dict[str, Any]:
        """
        The keys of the engine that say where the tenant is, and who logs in.
        """
        return {"environment_url": self.tenant.url, "api_token": self.token}

    @property
    def secrets(self) -> list[str]:
        """
        What may be in no log.
        """
        return [self.token, self.token.split(".")[-1]]

    def tell(self, url: str, token: str) -> None:
        """
        Let the tenant tell a listener of problems from now on.
        """
        self.tenant.add_webhook(url, {"Authorization": f"Bearer {token}"})


class PlatformLogin:
    """
    An OAuth client for the platform's URL, and a workflow.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.client_id, self.client_secret = tenant.add_oauth_client()

    @property
    def options(self) -> dict[str, Any]:
        """
        The keys of the engine that say where the tenant is, and who logs in.
        """
        client = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "token_url": self.tenant.sso_url,
        }
        return {"environment_url": self.tenant.platform_url, "oauth": client}

    @property
    def secrets(self) -> list[str]:
        """
        What may be in no log, the access tokens so far among it.
        """
        secret = self.client_secret
        return [secret, secret.split(".")[-1], *self.tenant.access_tokens]

    def tell(self, url: str, token: str) -> None:
        """
        Let the tenant tell a listener of problems from now on.
        """
        self.tenant.add_workflow(url, token)


LOGINS: dict[str, type[ClassicLogin] | type[PlatformLogin]] = {
    "classic": ClassicLogin,
    "platform": PlatformLogin,
}
