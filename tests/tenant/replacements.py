"""
What the faults answer that stand in place of the tenant.
"""

from __future__ import annotations

import time
from typing import Any

from tests.tenant.errors import ApiError
from tests.tenant.faults import LOGIN, Fault
from tests.tenant.platform.legs import gone, grail_error, sso_body
from tests.tenant.tokens import rate_headers
from tests.tenant.wire import Answer

_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def replacement(fault: Fault) -> Answer:
    """
    Give what a fault answers in place of the tenant.
    """
    options, html = fault.options, "text/html; charset=utf-8"
    if fault.name == "rate_limited":
        return _rate_limited(options)
    if fault.name == "server_error":
        return Answer(options["status"], ApiError(options["status"], options["message"]).body())
    plain = {
        "bad_gateway_html": lambda: Answer(options["status"], _GATEWAY, content_type=html),
        "html_200": lambda: Answer(200, LOGIN, content_type=html),
        "redirect_elsewhere": lambda: Answer(options["status"], None, {"Location": options["url"]}),
        "wrong_type": lambda: Answer(200, options["body"]),
        "empty_body": lambda: Answer(200, None),
        "sso_error": lambda: Answer(
            options["status"], sso_body(options["error"], "Refused.", options["status"])
        ),
        "grail_error": lambda: grail_error(**options),
        "query_gone": lambda: Answer(410, gone().body()),
    }
    return plain[fault.name]()


def _rate_limited(options: dict[str, Any]) -> Answer:
    headers: dict[str, str] = {}
    if options["headers"]:
        headers = rate_headers(50, 0, time.time() + options["wait"], options["unit"])
    if options["retry_after"] is not None:
        headers["Retry-After"] = str(options["retry_after"])
    return Answer(429, ApiError(429, "Too many requests.").body(), headers)
