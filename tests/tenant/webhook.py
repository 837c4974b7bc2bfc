"""
One webhook: where it leads, what it carries, how it is made of a settings object.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.tenant.outgoing import Outcome, call, trust_for
from tests.tenant.problem import Problem
from tests.tenant.sender import Outbox
from tests.tenant.templates import escaping


@dataclass(frozen=True)
class Delivery:
    """
    One notification that was sent; `status` 0 and an `error` when nothing answered.
    """

    url: str
    status: int
    at: float
    state: str
    problem_id: str
    seconds: float
    payload: str = ""
    error: str = ""


@dataclass
class Webhook:
    """
    A webhook of the tenant; `wants` stands for its alerting profile, `delay` for its seconds.

    `profile` is the real one of a webhook made of settings: seconds of delay, None for none.
    """

    url: str
    headers: Mapping[str, str]
    template: str
    notify_closed: bool = True
    notify_merges: bool = False
    ca: str | None = None
    accept_any_certificate: bool = False
    delay: float = 0.0
    timeout: float = 10.0
    wants: Callable[[Problem], bool] = lambda problem: True
    profile: Callable[[Problem], float | None] | None = None
    outbox: Outbox | None = None

    @property
    def escape(self) -> bool:
        """
        Whether the payload is escaped: not when the headers set another content type than JSON.
        """
        return escaping(self.headers)

    def delay_for(self, problem: Problem) -> float | None:
        """
        Give after how many seconds it is told of a problem; None when it is not.
        """
        if self.profile:
            return self.profile(problem)
        return self.delay if self.wants(problem) else None

    def _trust(self) -> ssl.SSLContext:
        return trust_for(self.ca, self.accept_any_certificate)

    def post(self, payload: str) -> Outcome:
        """
        Send one payload.
        """
        return call(
            "POST",
            self.url,
            headers={"Content-Type": "application/json; charset=utf-8", **_titled(self.headers)},
            body=payload.encode("utf-8", "replace"),
            timeout=self.timeout,
            trust=self._trust() if self.url.startswith("https:") else None,
        )


def webhook_of(value: Mapping[str, Any], ca: str | None) -> Webhook:
    """
    Make the webhook of a `webHookNotification`, with the secrets in plain text.
    """
    headers = {
        one["name"]: one["secretValue"] if one["secret"] else one["value"]
        for one in value["headers"]
    }
    return Webhook(
        value["secretUrl"] if value.get("urlContainsSecret") else value["url"],
        headers,
        value["payload"],
        notify_closed=value["notifyClosedProblems"],
        notify_merges=value["notifyEventMergesEnabled"],
        ca=ca,
        accept_any_certificate=value["acceptAnyCertificate"],
        timeout=value.get("timeoutInSeconds") or 10.0,
    )


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    # Two spellings of Content-Type must not both go out.
    return {
        "Content-Type" if name.lower() == "content-type" else name: value
        for name, value in headers.items()
    }
