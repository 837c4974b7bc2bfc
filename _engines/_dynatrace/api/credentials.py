"""
The credentials for the tenant: how they are sent, to which environment they belong, and how they are kept out of texts.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, urlsplit

from .permissions import classic_scope, platform_scopes
from .secret import Secret

_MESSAGE_CHARS = 256
#: Tokens and clients' secrets of Dynatrace, and access tokens in the form that most of them have.
_TOKENS = re.compile(
    r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(\.[A-Za-z0-9]+)?|eyJ[\w-]{8,}\.[\w-]+(\.[\w-]+)?"
)
#: Of a token, a proxy's password and the like; a shorter one is found in any text.
_SECRET_CHARS = 3


class Credentials(ABC):
    """
    What the engine shows to one environment, and what must be kept out of texts. May be used from several threads.
    """

    def __init__(self, environment_url: str, proxy: str | None = None) -> None:
        self._host = urlsplit(environment_url).hostname or ""
        self._hidden: dict[str, dict[str, str]] = {}
        self._secrets: list[tuple[str, str]] = []
        self._hide("proxy", "<proxy>", *(_proxy_secrets(proxy) if proxy else ()))

    @abstractmethod
    def authorization(self) -> str:
        """
        Return the value of the header ``Authorization`` for the next request; raises ApiError if there is none.
        """

    def renew(self, refused: str) -> bool:
        """
        Note that the tenant answered 401 to a header; return whether there may be another one now.
        """
        return False

    @property
    def is_platform_token(self) -> bool:
        """
        Return whether they are a platform token, which fewer APIs of the platform take than access tokens.
        """
        return False

    @property
    def granted(self) -> frozenset[str] | None:
        """
        Return the scopes that they are known to have, None where that is not known.
        """
        return None

    @property
    def name(self) -> str:
        """
        Return what they are, as the texts of errors call them.
        """
        return "the credentials"

    @property
    def fix(self) -> str:
        """
        Return what helps where they are not taken.
        """
        return "correct them"

    @property
    def hint(self) -> str:
        """
        Return what else explains a refusal by this environment, where that is known, else an empty text.
        """
        return ""

    def lacking(self, what: str, named: Sequence[str]) -> str:
        """
        Return what helps where a request such as ``GET /problems`` was refused by 403; ``named`` is what the tenant misses.
        """
        needed = " and ".join(named) or " or ".join(platform_scopes(what))
        return f"give {self.name} that scope" + (f" ({needed})" if needed else "")

    def redact(self, text: object) -> str:
        """
        Return a text of a server or library fit for a log: one line, short, without secrets or query strings.
        """
        line = " ".join(str(text).split())
        for secret, name in self._secrets:
            line = line.replace(secret, name)
        return re.sub(r"\?[^\s)'\"]*", "", _TOKENS.sub("<token>", line))[:_MESSAGE_CHARS]

    def _hide(self, which: str, name: str, *texts: str) -> None:
        # What is to be shown as `name` from now on, in place of what `which` stood for before.
        self._hidden[which] = dict.fromkeys(texts, name)
        known = [pair for texts in list(self._hidden.values()) for pair in texts.items()]
        long = [(text, name) for text, name in known if len(text) >= _SECRET_CHARS]
        # The longest first: a part of a secret must not be replaced before the whole is.
        self._secrets = sorted(long, key=lambda pair: -len(pair[0]))


class TokenCredentials(Credentials):
    """
    An API token (``dt0c01``) or a platform token (``dt0s16``).
    """

    def __init__(self, environment_url: str, token: Secret | str, proxy: str | None = None) -> None:
        super().__init__(environment_url, proxy)
        self._secret = token if isinstance(token, Secret) else Secret(token)
        self._token = ""
        self._use(self._secret.current())

    def authorization(self) -> str:
        self._use(self._secret.current())
        return self._header

    def renew(self, refused: str) -> bool:
        """
        Read the token again where it is kept; return whether it is another one than the tenant rejected.
        """
        self._use(self._secret.refused())
        return self._header != refused

    def _use(self, token: str) -> None:
        if token == self._token:
            return
        texts = [text for one in (token, self._token) for text in (one, one.rpartition(".")[2])]
        # A request that is under way shows the one before.
        self._hide("token", "<token>", *texts)
        self._token = token

    @property
    def _header(self) -> str:
        return f"{'Bearer' if self.is_platform_token else 'Api-Token'} {self._token}"

    @property
    def name(self) -> str:
        return "the platform token" if self.is_platform_token else "the API token"

    @property
    def fix(self) -> str:
        return f"set a valid `api_token`{self._secret.advice}"

    def lacking(self, what: str, named: Sequence[str]) -> str:
        if self.is_platform_token:
            expired = "" if named else "; an expired platform token is refused by 403 too"
            return super().lacking(what, named) + expired
        scope = classic_scope(what)
        return "give the token that scope" + (f" ({scope})" if scope else "")

    @property
    def hint(self) -> str:
        # The platform's gateway takes Bearer alone. Of what `live.` takes nothing is said: that differs by the API.
        if self._token.startswith("dt0c01.") and self._host.endswith(".apps.dynatrace.com"):
            right = f"https://{self._host.partition('.')[0]}.live.dynatrace.com"
            return (
                f"a dt0c01 token belongs to {right}, and `apps.` takes a platform token or `oauth`"
            )
        return ""

    @property
    def is_platform_token(self) -> bool:
        return self._token.startswith("dt0s16.")


def _proxy_secrets(proxy: str) -> Iterator[str]:
    # In all forms in which they travel: the URL, user and password, and what CONNECT sends.
    yield proxy
    user, _, password = urlsplit(proxy).netloc.rpartition("@")[0].partition(":")
    if password:
        yield from (f"{user}:{password}", password, unquote(password))
        plain = f"{unquote(user)}:{unquote(password)}"
        yield from (plain, base64.b64encode(plain.encode()).decode())
