"""
The credentials for the tenant: how they are sent, to which environment they belong, and how they are kept out of texts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

_MESSAGE_CHARS = 256
_TOKENS = re.compile(r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(\.[A-Za-z0-9]+)?")
#: Of a token, a proxy's password and the like; a shorter one is found in any text.
_SECRET_CHARS = 3


class Credentials:
    """
    A token of one environment, and the password of the proxy on the way to it.
    """

    def __init__(self, environment_url: str, token: str, proxy: str | None = None) -> None:
        self._host = urlsplit(environment_url).hostname or ""
        self._token = token
        secrets = {token: "<token>", token.rpartition(".")[2]: "<token>"}
        for part in _proxy_secrets(proxy) if proxy else ():
            secrets[part] = "<proxy>"
        # The longest first: a part of a secret must not be replaced before the whole is.
        self._secrets = sorted(
            ((text, name) for text, name in secrets.items() if len(text) >= _SECRET_CHARS),
            key=lambda pair: -len(pair[0]),
        )

    @property
    def authorization(self) -> str:
        scheme = "Bearer" if self._token.startswith("dt0s16.") else "Api-Token"
        return f"{scheme} {self._token}"

    @property
    def hint(self) -> str:
        """
        Return where the token belongs if this environment takes no token of its kind, else an empty text.
        """
        for kind, wrong, right in (("dt0c01", "apps", "live"), ("dt0s16", "live", "apps")):
            if self._token.startswith(f"{kind}.") and self._host.endswith(
                f".{wrong}.dynatrace.com"
            ):
                name = self._host.partition(".")[0]
                return f"a {kind} token belongs to https://{name}.{right}.dynatrace.com"
        return ""

    def redact(self, text: object) -> str:
        """
        Return a text of a server or library fit for a log: one line, short, without secrets or query strings.
        """
        line = " ".join(str(text).split())
        for secret, name in self._secrets:
            line = line.replace(secret, name)
        return re.sub(r"\?[^\s)'\"]*", "", _TOKENS.sub("<token>", line))[:_MESSAGE_CHARS]


def _proxy_secrets(proxy: str) -> Iterator[str]:
    # In all forms in which they travel: the URL, user and password, and what CONNECT sends.
    yield proxy
    user, _, password = urlsplit(proxy).netloc.rpartition("@")[0].partition(":")
    if password:
        yield from (f"{user}:{password}", password, unquote(password))
        plain = f"{unquote(user)}:{unquote(password)}"
        yield from (plain, base64.b64encode(plain.encode()).decode())
