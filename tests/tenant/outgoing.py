"""
One outgoing HTTP call: of the webhook sender, and of the monitor's probe.

No proxy, no redirect followed, a fresh connection each time.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Outcome:
    """
    What came back; `status` 0 and an `error` when nothing did.
    """

    status: int
    error: str = ""


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10.0,
    trust: ssl.SSLContext | None = None,
) -> Outcome:
    """
    Call a URL and read the whole answer.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=timeout, context=trust)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeout)
    )
    target = parts.path or "/"
    try:
        connection.request(
            method,
            f"{target}?{parts.query}" if parts.query else target,
            body=body,
            headers={**(headers or {}), "Connection": "close"},
        )
        response = connection.getresponse()
        response.read(1_000_000)
        return Outcome(response.status)
    except (OSError, http.client.HTTPException) as err:
        return Outcome(0, f"{type(err).__name__}: {err}")
    finally:
        connection.close()


def trust_for(ca: str | None, accept_any: bool) -> ssl.SSLContext:
    """
    Give what a sender trusts: the system, one CA file, or everything.
    """
    context = ssl.create_default_context(cafile=ca)
    if accept_any:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
