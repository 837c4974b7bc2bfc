"""
Tells what an answer of the tenant means, and says it in one line without secrets.

The error envelope, its ``constraintViolations`` and the parts of a 207 are those that Dynatrace documents.
"""

import json
import re
import time

from ..dunders import __salt__

MAX_TEXT = 256

# Of Dynatrace, and access tokens of OAuth clients.
SECRETS = re.compile(
    r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)?|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"
)
# Whatever a text of the tenant repeats, none of these is told.
OURS = ("settings_token", "webhook_token", "installer_token", "oauth:client_secret")
ASK = "check dynatrace:environment_url and what lies between this minion and the tenant"


def refusal(what, status, headers, body, scope, token):
    """
    Return what is wrong with an answer: ``{"text": …, "wait_s": None}``, or None for a success.

    ``what`` is method and path, ``scope`` what is needed for it, and ``token`` the key of the token
    below ``dynatrace``. ``wait_s`` is a number where waiting may help: seconds that the tenant asks
    for, or 0. A 207 is a success if every part of it is one.
    """
    if status in (429, 503):
        return {"text": f"{what} answered {status}", "wait_s": _asked_to_wait(headers)}
    text = _refusal(what, status, body, scope, token)
    return {"text": text, "wait_s": None} if text else None


def clean(text):
    """
    Return a text from outside in one line, without our secrets, and not too long.
    """
    text = SECRETS.sub("(a token)", str(text))
    for key in OURS:
        secret = __salt__["config.get"](f"dynatrace:{key}", None)
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "(a secret)")
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _refusal(what, status, body, scope, token):
    if 300 <= status < 400:
        return f"{what} was redirected ({status}), and no redirect is followed with a token; {ASK}"
    if status == 401:
        return (
            f"Dynatrace rejected dynatrace:{token} (401) on {what}: it has expired, was revoked, or "
            "is a token of another environment"
        )
    said = _said(body)
    if status == 403:
        missing = ", ".join(_missing(body)) or scope
        return (
            f"Dynatrace refused {what} (403): dynatrace:{token} needs the scope {missing}. "
            f"It says: {said}"
        )
    if status == 409:
        return (
            f"{what} answered 409: somebody has changed the object since it was read, or it "
            f"conflicts with another; run it again. It says: {said}"
        )
    if status >= 400 or (status == 207 and _refused_parts(body)):
        hint = f"; {ASK}" if status == 404 or status >= 500 else ""
        return f"{what} answered {status}{': ' + said if said else ''}{hint}"
    return None


def _asked_to_wait(headers):
    """
    Return the seconds that a 429 asks for; the reset's unit is told by its size.
    """
    after = headers.get("Retry-After", "")
    if re.fullmatch(r"\d{1,9}", after):
        return int(after)
    reset = headers.get("X-RateLimit-Reset", "")
    if not re.fullmatch(r"\d{1,18}", reset):
        return 0
    moment = int(reset)
    moment /= 1e6 if moment >= 1e14 else 1e3 if moment >= 1e11 else 1
    return max(0, moment - time.time())


def _parts(body):
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [
        one for one in (answer if isinstance(answer, list) else [answer]) if isinstance(one, dict)
    ]


def _refused_parts(body):
    return [one for one in _parts(body) if one.get("error") or (one.get("code") or 200) >= 400]


def _errors(body):
    return [one["error"] for one in _parts(body) if isinstance(one.get("error"), dict)]


def _missing(body):
    """
    Return the scopes that the platform's gateway says are missing.
    """
    details = [error.get("details") for error in _errors(body)]
    found = [one.get("missingScopes") for one in details if isinstance(one, dict)]
    return [clean(scope) for one in found if isinstance(one, list) for scope in one]


def _said(body):
    """
    Return what the server says is wrong, in one line without secrets: not what was sent.
    """
    lines = []
    for error in _errors(body):
        violations = error.get("constraintViolations")
        for found in violations if isinstance(violations, list) else []:
            if isinstance(found, dict):
                lines.append(f"{found.get('path') or 'object'}: {found.get('message')}")
        if not violations:
            lines += [str(error.get("message", "")), _details(error.get("details"))]
    return clean("; ".join(filter(None, lines)))


def _details(details):
    # The Automation API says there what is wrong with a workflow.
    if not isinstance(details, dict):
        return ""
    kept = {key: one for key, one in details.items() if key not in ("traceId", "missingScopes")}
    return json.dumps(kept) if kept else ""
