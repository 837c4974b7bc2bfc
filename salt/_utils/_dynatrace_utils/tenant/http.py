"""
Makes one call to the tenant, with ``dynatrace:settings_token`` or ``dynatrace:installer_token``.

The token is read here and goes into one HTTP header: it is no argument, and no text of this module
holds it. Redirects are refused, since they may lead to another host. What this module raises says
what was attempted, what came back (``answer``), and what to do.
"""

import contextlib
import json
import logging
import os
import re
import ssl
import time
from urllib.parse import urlsplit

import requests
from salt.exceptions import CommandExecutionError

from .. import session as sessions
from ..dunders import __salt__
from . import answer as tenant_answer
from .answer import ASK

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
# Until the first byte of a file, which the tenant may have to put together.
FILE_TIMEOUT_S = 60
# A whole answer must be there by then, however steadily a server trickles.
ANSWER_DEADLINE_S = 60
# A whole file, in all attempts together.
DOWNLOAD_DEADLINE_S = 1800
# How often a call is made that was refused for load or did not get through, and the pause between;
# none is begun after so many seconds.
ATTEMPTS = 5
CALL_DEADLINE_S = 300
PAUSE_S = 2
# More is waited only where the caller's own pause is longer.
WAIT_CAP_S = 60
MAX_ANSWER_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024

TOKEN = re.compile(r"[!-~]{1,512}")
# The tokens that may go to the tenant, and what to do without one.
TOKENS = {
    "settings_token": "give this minion (and no other that does not need it) a token with the "
    "scopes settings.read, settings.write and entities.read",
    "installer_token": "give this minion a token with the scope InstallerDownload and no other",
}
JSON = {"Accept": "application/json", "Content-Type": "application/json; charset=utf-8"}
# The length that is announced shall be that of the file.
FILE = {"Accept-Encoding": "identity"}


class _Again(Exception):
    """
    The tenant did not take it this time; ``wait_s`` is what it asked for.
    """

    def __init__(self, message, wait_s=0):
        super().__init__(message)
        self.wait_s = wait_s


def environment():
    """
    Return the tenant's URL, as configured and checked.
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


def call(
    method,
    path,
    scope,
    query=None,
    body=None,
    missing_is_fine=False,
    token="settings_token",
    attempts=ATTEMPTS,
    pause_s=PAUSE_S,
    patient=False,
):
    """
    Return the decoded body of the answer; a refusal for load is waited out, within bounds.

    ``scope`` is what the token needs for it, for the message that says so. ``patient`` waits for
    any failure of the server.
    """
    what = f"{method} {path}"
    data = None if body is None else json.dumps(body)

    def once(_left_s):
        within = (READ_TIMEOUT_S, ANSWER_DEADLINE_S, ANSWER_DEADLINE_S)
        with _asked(method, path, token, JSON, within, params=query, data=data) as answer:
            status, text = answer.status_code, _read(what, answer)
        if status == 404 and missing_is_fine:
            return None
        _check(what, answer, text, scope, token, patient)
        return _decoded(what, status, text)

    return _tried(once, attempts, pause_s, CALL_DEADLINE_S)


def download(path, scope, target, limit, token, query=None, attempts=ATTEMPTS, pause_s=PAUSE_S):
    """
    Write the answer to a GET into a new file of the minion's user, and tell whether there is one.

    False is a 404. More than ``limit`` bytes are an error, and so is a ``target`` that is there
    already. Any failure of the server is waited out; after a failure there is no file.
    """
    what = f"GET {path}"

    def once(left_s):
        stream.seek(0)
        stream.truncate()
        within = (FILE_TIMEOUT_S, left_s, DOWNLOAD_DEADLINE_S)
        with _asked("GET", path, token, FILE, within, params=query) as answer:
            if answer.status_code == 404:
                return False
            if answer.status_code != 200:
                _check(what, answer, _read(what, answer), scope, token, True)
                raise CommandExecutionError(f"{what} answered {answer.status_code}; {ASK}")
            _copy(what, answer, stream, limit)
        return True

    stream = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    done = False
    try:
        with stream:
            done = _tried(once, attempts, pause_s, DOWNLOAD_DEADLINE_S)
    finally:
        if not done:
            os.unlink(target)
    return done


def _tried(once, attempts, pause_s, seconds):
    until = time.monotonic() + seconds
    for attempt in range(1, attempts + 1):
        try:
            return once(until - time.monotonic())
        except _Again as err:
            wait_s = max(pause_s, min(err.wait_s, WAIT_CAP_S))
            if attempt == attempts or time.monotonic() + wait_s > until:
                raise CommandExecutionError(f"{err} ({attempt} times); {ASK}") from None
            log.info("dynatrace: %s; trying again in %g s", err, wait_s)
        time.sleep(wait_s)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _asked(method, path, token, headers, within, **sent):
    """
    Give the answer while it is read; what goes wrong with the connection is said, or tried again.

    ``within`` are seconds: for the next byte, for the whole answer, and in all, as it is told.
    """
    what = f"{method} {path}"
    url, own = _address(path), _headers(token)
    host = urlsplit(url).hostname
    byte_s, answer_s, all_s = within
    session = sessions.to_tenant(answer_s)
    try:
        # The texts of these errors may hold the proxy's password, and nothing that helps more.
        with (
            session,
            session.request(
                method,
                url,
                headers={**own, **headers},
                timeout=(CONNECT_TIMEOUT_S, byte_s),
                stream=True,
                allow_redirects=False,
                **sent,
            ) as answer,
        ):
            yield answer
    except requests.exceptions.SSLError as err:
        raise CommandExecutionError(
            f"{what}: the certificate of {host} is not trusted{_reason(err)}; "
            "set dynatrace:ca_bundle to the file of its authority"
        ) from None
    except requests.exceptions.ConnectTimeout:
        raise _Again(f"{what}: no connection to {host} within {CONNECT_TIMEOUT_S} s") from None
    except requests.exceptions.RequestException as err:
        late = time.monotonic() >= session.ends
        how = f"took longer than {all_s} s" if late else f"failed: {_failure(err)}"
        if method != "GET":
            raise CommandExecutionError(
                f"{what} at {host} {how}. Whether the tenant carried it out is not known; run it "
                f"again, which finds out. Else {ASK}"
            ) from None
        # Who trickles would do so again.
        raise (CommandExecutionError if late else _Again)(f"{what} at {host} {how}") from None


def _reason(err):
    """
    Return what OpenSSL has against a certificate: a name, a date, or what Python 3.13 wants of one.
    """
    while err is not None:
        if isinstance(err, ssl.SSLCertVerificationError):
            return f" ({err.verify_message})"
        inner = [one for one in (*err.args, getattr(err, "reason", None)) if one is not err]
        err = next((one for one in inner if isinstance(one, BaseException)), None)
    return ""


def _failure(err):
    if isinstance(err, requests.exceptions.ChunkedEncodingError):
        return "the answer is truncated"
    return type(err).__name__


def _address(path):
    base = environment()
    if (urlsplit(base).hostname or "").endswith(".apps.dynatrace.com"):
        path = path.replace("/api/", "/platform/classic/environment-api/", 1)
    return base + path


def _headers(key):
    if key not in TOKENS:
        raise CommandExecutionError(f"{key} is no token for the tenant")
    token = __salt__["config.get"](f"dynatrace:{key}", None)
    if not token:
        raise CommandExecutionError(f"dynatrace:{key} is not set: {TOKENS[key]}")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise CommandExecutionError(f"dynatrace:{key} is no token")
    if token.startswith("sdb://"):
        raise CommandExecutionError(f"dynatrace:{key}: its sdb profile is not known here")
    scheme = "Bearer" if token.startswith("dt0s") else "Api-Token"
    return {"Authorization": f"{scheme} {token}", "User-Agent": "salt-dynatrace"}


def _read(what, answer):
    text = b""
    for chunk in answer.iter_content(65536):
        text += chunk
        if len(text) > MAX_ANSWER_BYTES:
            raise CommandExecutionError(f"{what}: the answer is larger than {MAX_ANSWER_BYTES} B")
    return text


def _copy(what, answer, stream, limit):
    announced = answer.headers.get("Content-Length", "")
    announced = int(announced) if re.fullmatch(r"\d{1,15}", announced) else None
    received = 0
    for chunk in answer.iter_content(CHUNK_BYTES):
        received += len(chunk)
        if received > limit or (announced or 0) > limit:
            raise CommandExecutionError(f"{what}: the answer is larger than {limit} bytes; {ASK}")
        stream.write(chunk)
    if announced is not None and received != announced:
        raise _Again(f"{what}: the answer is truncated, {received} of {announced} bytes")


def _check(what, answer, text, scope, token, patient):
    """
    Raise unless the answer is a success; ``patient`` waits for any failure of the server.
    """
    refused = tenant_answer.refusal(what, answer.status_code, answer.headers, text, scope, token)
    if not refused:
        return
    if refused["wait_s"] is not None or (patient and answer.status_code >= 500):
        raise _Again(refused["text"], refused["wait_s"] or 0)
    raise CommandExecutionError(refused["text"])


def _decoded(what, status, text):
    if status == 204 or not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise CommandExecutionError(f"{what}: the answer is no JSON; {ASK}") from None
