"""
Makes one call to the tenant, with ``dynatrace:settings_token``.

The token is read here and goes into one HTTP header: it is no argument, and no text of this module
holds it. Redirects are refused, since they may lead to another host. What this module raises says
what was attempted, what came back, and what to do.
"""

import json
import logging
import os
import re
import time
from urllib.parse import urlsplit

from salt.exceptions import CommandExecutionError

try:
    import requests
except ImportError:
    requests = None

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
# A whole answer must be there by then, however steadily a server trickles.
ANSWER_DEADLINE_S = 60
# How often a call is made that was refused for load or did not get through, and the pause between.
ATTEMPTS = 5
PAUSE_S = 2
WAIT_CAP_S = 60
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_TEXT = 256

TOKEN = re.compile(r"[!-~]{1,512}")
SECRETS = re.compile(r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)?")
ASK = "check dynatrace:environment_url and what lies between this minion and the tenant"


class _Again(Exception):
    """
    The tenant did not take it this time; ``wait_s`` is what it asked for.
    """

    def __init__(self, message, wait_s=0):
        super().__init__(message)
        self.wait_s = wait_s


def __virtual__():
    if requests is None:
        return False, "dynatrace_tenant_http needs requests"
    return "dynatrace_tenant_http"


def environment():
    """
    Return the tenant's URL, as configured and checked.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_http.environment
    """
    url = __salt__["config.get"]("dynatrace:environment_url", "")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    loopback = parts.hostname in ("localhost", "::1") or re.fullmatch(
        r"127(\.\d{1,3}){3}", parts.hostname or ""
    )
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    good = parts.scheme == "https" or (parts.scheme == "http" and loopback)
    if not (plain and good and parts.hostname):
        raise CommandExecutionError(
            "dynatrace:environment_url is no https:// URL such as "
            "https://abc12345.live.dynatrace.com (http:// only to a loopback address)"
        )
    return url.rstrip("/")


def call(method, path, scope, query=None, body=None, missing_is_fine=False):
    """
    Return the decoded body of the answer; a refusal for load is waited out, within bounds.

    ``scope`` is what the token needs for it, for the message that says so.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_http.call GET /api/v2/settings/schemas settings.read
    """
    what = f"{method} {path}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            status, headers, text = _send(method, what, path, query, body)
            if status == 404 and missing_is_fine:
                return None
            _check(what, status, headers, text, scope)
            return _decoded(what, status, text)
        except _Again as err:
            if attempt == ATTEMPTS:
                raise CommandExecutionError(f"{err} ({ATTEMPTS} times); {ASK}") from None
            wait_s = min(max(PAUSE_S, err.wait_s), WAIT_CAP_S)
            log.info("dynatrace: %s; trying again in %g s", err, wait_s)
        time.sleep(wait_s)
    raise AssertionError("unreachable")


def _send(method, what, path, query, body):
    base, headers = environment(), _headers()
    host = urlsplit(base).hostname or ""
    if host.endswith(".apps.dynatrace.com"):
        path = path.replace("/api/", "/platform/classic/environment-api/", 1)
    try:
        # The texts of these errors may hold the proxy's password, and nothing that helps more.
        with (
            _session() as session,
            session.request(
                method,
                base + path,
                params=query,
                data=None if body is None else json.dumps(body),
                headers=headers,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                stream=True,
                allow_redirects=False,
            ) as answer,
        ):
            return answer.status_code, answer.headers, _read(what, answer)
    except requests.exceptions.SSLError:
        raise CommandExecutionError(
            f"{what}: the certificate of {host} is not trusted; "
            "set dynatrace:ca_bundle to the file of its authority"
        ) from None
    except requests.exceptions.ConnectTimeout:
        raise _Again(f"{what}: no connection to {host} within {CONNECT_TIMEOUT_S} s") from None
    except requests.exceptions.RequestException as err:
        if method == "GET":
            raise _Again(f"{what} at {host} failed: {type(err).__name__}") from None
        raise CommandExecutionError(
            f"{what} at {host} failed: {type(err).__name__}. Whether the tenant carried it out is "
            f"not known; run it again, which finds out. Else {ASK}"
        ) from None


def _session():
    session = requests.Session()
    # The environment's .netrc would replace the token, and its proxies are not this tenant's.
    session.trust_env = False
    proxy = __salt__["config.get"]("dynatrace:proxy", None)
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    bundle = __salt__["config.get"]("dynatrace:ca_bundle", None)
    if bundle and not os.path.isfile(bundle):
        raise CommandExecutionError(f"dynatrace:ca_bundle: there is no file {bundle}")
    session.verify = bundle or True
    return session


def _headers():
    token = __salt__["config.get"]("dynatrace:settings_token", None)
    if not token:
        raise CommandExecutionError(
            "dynatrace:settings_token is not set: give this minion (and no other that does not "
            "need it) a token with the scopes settings.read, settings.write and entities.read"
        )
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise CommandExecutionError("dynatrace:settings_token is no token")
    if token.startswith("sdb://"):
        raise CommandExecutionError("dynatrace:settings_token: its sdb profile is not known here")
    scheme = "Bearer" if token.startswith("dt0s") else "Api-Token"
    return {
        "Authorization": f"{scheme} {token}",
        "Accept": "application/json",
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "salt-dynatrace",
    }


def _read(what, answer):
    until = time.monotonic() + ANSWER_DEADLINE_S
    text = b""
    for chunk in answer.iter_content(65536):
        text += chunk
        if len(text) > MAX_ANSWER_BYTES:
            raise CommandExecutionError(f"{what}: the answer is larger than {MAX_ANSWER_BYTES} B")
        if time.monotonic() > until:
            raise CommandExecutionError(f"{what} took longer than {ANSWER_DEADLINE_S} s")
    return text


# -- what came back


def _check(what, status, headers, text, scope):
    """
    Raise unless the answer is a success, a 207 of which every part is one included.
    """
    if 300 <= status < 400:
        raise CommandExecutionError(
            f"{what} was redirected ({status}), and no redirect is followed with a token; {ASK}"
        )
    if status in (429, 503):
        raise _Again(f"{what} answered {status}", _asked_to_wait(headers))
    if status == 401:
        raise CommandExecutionError(
            f"Dynatrace rejected dynatrace:settings_token (401) on {what}: it has expired, was "
            "revoked, or is a token of another environment"
        )
    said = _said(text)
    if status == 403:
        raise CommandExecutionError(
            f"Dynatrace refused {what} (403): dynatrace:settings_token needs the scope {scope}. "
            f"It says: {said}"
        )
    if status == 409:
        raise CommandExecutionError(
            f"{what} answered 409: somebody has changed the object since it was read, or it "
            f"conflicts with another; run it again. It says: {said}"
        )
    if status >= 400 or (status == 207 and _refused_parts(text)):
        hint = f"; {ASK}" if status == 404 or status >= 500 else ""
        raise CommandExecutionError(f"{what} answered {status}{': ' + said if said else ''}{hint}")


def _decoded(what, status, text):
    if status == 204 or not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise CommandExecutionError(f"{what}: the answer is no JSON; {ASK}") from None


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


def _parts(text):
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [
        one for one in (answer if isinstance(answer, list) else [answer]) if isinstance(one, dict)
    ]


def _refused_parts(text):
    return [one for one in _parts(text) if one.get("error") or (one.get("code") or 200) >= 400]


def _said(text):
    """
    Return what the server says is wrong, in one line without secrets: not what was sent.
    """
    lines = []
    for one in _parts(text):
        error = one.get("error")
        if not isinstance(error, dict):
            continue
        violations = error.get("constraintViolations")
        for found in violations if isinstance(violations, list) else []:
            if isinstance(found, dict):
                lines.append(f"{found.get('path') or 'object'}: {found.get('message')}")
        if not violations:
            lines.append(str(error.get("message", "")))
    return clean("; ".join(filter(None, lines)))


def clean(text):
    """
    Return a text from outside in one line, without our secrets, and not too long.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_tenant_http.clean 'any text'
    """
    text = SECRETS.sub("(a token)", str(text))
    for key in ("settings_token", "webhook_token"):
        secret = __salt__["config.get"](f"dynatrace:{key}", None)
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "(a secret)")
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
