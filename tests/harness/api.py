"""
A client of salt-api, as a user's script would be.
"""

from __future__ import annotations

from typing import Any

import requests

from tests.harness.config import EAUTH_USER


class Api:
    """
    One salt-api; it logs in when first needed.
    """

    def __init__(self, port: int, secret: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._secret = secret
        self._token: str | None = None
        self._session = requests.Session()
        # Loopback never goes through a proxy.
        self._session.trust_env = False

    @property
    def token(self) -> str:
        """
        The token for `X-Auth-Token`.
        """
        if self._token is None:
            body = {"username": EAUTH_USER, "password": self._secret, "eauth": "sharedsecret"}
            answer = self.post("/login", body)
            self._token = str(answer["return"][0]["token"])
        return self._token

    def answers(self) -> bool:
        """
        Tell whether it is up.
        """
        try:
            return self._session.get(self.url, timeout=2).ok
        except requests.RequestException:
            return False

    def call(self, fun: str, *arg: Any, tgt: str = "*", **more: Any) -> Any:
        """
        Run a function on minions and return what each gave: the `local` client of salt-api.
        """
        low = {"client": "local", "tgt": tgt, "fun": fun, "arg": list(arg), **more}
        answer = self.post("/", low, {"X-Auth-Token": self.token})
        return answer["return"][0]

    def runner(self, fun: str, **kwarg: Any) -> Any:
        """
        Run a function of the master and return what it gave: the `runner` client of salt-api.
        """
        low = {"client": "runner", "fun": fun, "kwarg": kwarg}
        return self.post("/", low, {"X-Auth-Token": self.token})["return"][0]

    def post(
        self, path: str, body: Any, headers: dict[str, str] | None = None, timeout: float = 120
    ) -> Any:
        """
        Post JSON; raises when the status says that it failed.
        """
        answer = self._session.post(
            self.url + path,
            json=body,
            headers={"Accept": "application/json", **(headers or {})},
            timeout=timeout,
        )
        answer.raise_for_status()
        return answer.json()
