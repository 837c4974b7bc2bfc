"""
The part of the tenant that lets a test give and take away what opens the platform.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from tests.tenant.platform.logins import OAuthClient, made_up, on_platform
from tests.tenant.platform.scopes import CLIENT_SCOPES, TOKEN_SCOPES
from tests.tenant.platform.sso_api import TOKEN_PATH
from tests.tenant.tokens import TokenBook
from tests.tenant.webhooks import Notifications


class PlatformAccess(Notifications):
    """
    The layer that knows the platform's addresses, OAuth clients and tokens.
    """

    origin: str
    tokens: TokenBook

    @property
    def environment_id(self) -> str:
        """
        The id of the environment.
        """
        raise NotImplementedError

    @property
    def platform_url(self) -> str:
        """
        The environment's URL on the platform; what is `https://<id>.apps.dynatrace.com` there.
        """
        return f"{self.origin}/apps/{self.environment_id}"

    @property
    def sso_url(self) -> str:
        """
        The token URL of the SSO.
        """
        return self.origin + TOKEN_PATH

    @property
    def account_urn(self) -> str:
        """
        The account, as `resource` names it.
        """
        return "urn:dtaccount:00000000-0000-4000-8000-000000000000"

    @property
    def environment_urn(self) -> str:
        """
        The environment, as `resource` may name it, too.
        """
        return f"urn:dtenvironment:{self.environment_id}"

    def add_oauth_client(self, scopes: Iterable[str] = CLIENT_SCOPES) -> tuple[str, str]:
        """
        Make an OAuth client; give its id and its secret.
        """
        secret = made_up("dt0s02", length=8)
        client_id = secret.rpartition(".")[0]
        self.tokens.clients[client_id] = OAuthClient(client_id, secret, on_platform(scopes))
        return client_id, secret

    def add_platform_token(
        self, scopes: Iterable[str] = TOKEN_SCOPES, *, expired: bool = False
    ) -> str:
        """
        Issue a platform token. It has whatever scope is given, also those that cannot be today.
        """
        return self.tokens.issue(scopes, expired, "platform")

    def rotate_secret(self, client_id: str) -> str:
        """
        Give a client another secret; the old one is refused, access tokens live on.
        """
        client = self.tokens.clients[client_id]
        client.secret = f"{client_id}.{made_up('x').rpartition('.')[2]}"
        self.log.add("secret rotated", client=client_id)
        return client.secret

    def revoke(self, credential: str) -> None:
        """
        Let a token or a client be unknown; the access tokens of a client end with it.
        """
        self.tokens.revoke(credential)
        self.log.add("credential revoked")

    def lose_scope(self, credential: str, *scopes: str) -> None:
        """
        Take scopes from a token or a client, at once and from its access tokens, too.
        """
        self.tokens.scopes_of(credential).difference_update(scopes)
        self.log.add("scope lost", scopes=" ".join(scopes))

    def gain_scope(self, credential: str, *scopes: str) -> None:
        """
        Give scopes; an access token has them only if it was issued with them.
        """
        self.tokens.scopes_of(credential).update(scopes)
        self.log.add("scope gained", scopes=" ".join(scopes))

    @property
    def access_tokens(self) -> list[str]:
        """
        All access tokens so far: secrets that may be nowhere.
        """
        return self.tokens.access_texts()

    def end_access_tokens(self) -> None:
        """
        Let every access token be over now.
        """
        self.tokens.end_access(time.time())
        self.log.add("access tokens ended")
