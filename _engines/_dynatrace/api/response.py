"""
What an answer of the tenant means: its body within bounds, the time to wait that it tells, and its refusals as errors.

Nothing of an answer gets into a message before the secrets are taken out of it, since servers and proxies echo.
"""

from __future__ import annotations

import base64
import email.utils
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from ..core.errors import (
    ApiError,
    AuthError,
    NotFound,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
)
from .fields import is_too_dense

MAX_ANSWER_BYTES = 32 * 1024 * 1024
RETRY_AFTER_DEFAULT_S = 5.0
RETRY_AFTER_CAP_S = 60.0
_MESSAGE_CHARS = 256
_PIECE_BYTES = 65536
_TOKENS = re.compile(r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(\.[A-Za-z0-9]+)?")
#: Of a token, a proxy's password and the like; what is shorter is found in any text.
_SECRET_CHARS = 3


class Cleaner:
    """
    Makes texts of servers and libraries fit for a log: one line, short, without secrets or query strings.
    """

    def __init__(self, token: str, proxy: str | None) -> None:
        secrets = {token: "<token>", token.rpartition(".")[2]: "<token>"}
        for part in _parts(proxy) if proxy else ():
            secrets[part] = "<proxy>"
        # The longest first: a part of a secret must not be replaced before the whole is.
        self._secrets = sorted(
            ((text, name) for text, name in secrets.items() if len(text) >= _SECRET_CHARS),
            key=lambda pair: -len(pair[0]),
        )

    def __call__(self, text: object) -> str:
        flat = " ".join(str(text).split())
        for secret, name in self._secrets:
            flat = flat.replace(secret, name)
        return re.sub(r"\?[^\s)'\"]*", "", _TOKENS.sub("<token>", flat))[:_MESSAGE_CHARS]


def _parts(proxy: str) -> Iterator[str]:
    """
    Yield the forms in which a proxy's credentials travel: the URL, user and password, and what CONNECT sends.
    """
    yield proxy
    user, _, password = urlsplit(proxy).netloc.rpartition("@")[0].partition(":")
    if password:
        yield from (f"{user}:{password}", password, unquote(password))
        plain = f"{unquote(user)}:{unquote(password)}"
        yield from (plain, base64.b64encode(plain.encode()).decode())


def refused(
    what: str, answer: requests.Response, body: bytes, clean: Cleaner, now: float
) -> ApiError:
    """
    Return the error that an answer other than 2xx stands for.
    """
    status, headers = answer.status_code, answer.headers
    said = clean(_server_message(body))
    if status == 401:
        return AuthError(
            f"Dynatrace rejected the API token (401) on {what}: {said}; set a valid `api_token`"
        )
    if status == 403:
        return AuthError(
            f"the API token may not {what} (403): {said}; give the token that scope{_scope(what)}"
        )
    if status == 404 and not _is_envelope(body):
        return UnexpectedAnswer(
            f"{what}: the answer is 404, and not the tenant's own: {said}; see `environment_url`, and what lies between"
        )
    if status == 404 or (status == 400 and b'"problemId"' in body):
        return NotFound(f"{what}: unknown to the tenant ({status}): {said}{_place(what)}")
    if status == 429 or (status == 503 and _asks_to_wait(headers)):
        wait = retry_after(headers, now)
        return RateLimited(
            f"{what}: the tenant limits requests ({status}); waiting {wait:.0f} s", wait
        )
    if status >= 500:
        return Unavailable(f"{what}: the tenant answered {status}: {said}")
    if 300 <= status < 400:
        return UnexpectedAnswer(
            f"{what}: the tenant answered {status}, a redirect, which is not followed"
            f"{clean(_led_to(headers))}; correct `environment_url`"
        )
    return UnexpectedAnswer(f"{what}: the tenant answered {status}: {said}")


def _place(what: str) -> str:
    # The list is there in every environment.
    return "; correct `environment_url`" if what == "GET /problems" else ""


def _scope(what: str) -> str:
    return " (events.ingest)" if what.endswith("/events/ingest") else ""


def _asks_to_wait(headers: Mapping[str, str]) -> bool:
    return "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"


def _led_to(headers: Mapping[str, str]) -> str:
    """
    Return where a redirect leads, as far as it can be no secret: scheme and host.
    """
    try:
        parts = urlsplit(headers.get("Location", ""))
        host = parts.hostname or ""
    except ValueError:
        return ""
    good = re.fullmatch(r"[a-z0-9.:-]{1,255}", host) and parts.scheme in ("http", "https")
    return f", to {parts.scheme}://{host}" if good else ""


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return the seconds to wait by ``Retry-After`` or ``X-RateLimit-Reset``, clamped to 1..60.

    The documentation gives the reset in microseconds, clients in the field parse seconds: the magnitude decides.
    """
    wait = RETRY_AFTER_DEFAULT_S
    given, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    date = _date(given)
    if re.fullmatch(r"[0-9]{1,9}", given):
        wait = float(given)
    elif date is not None:
        wait = date - now
    elif re.fullmatch(r"[0-9]{1,18}", reset):
        stamp = float(reset)
        wait = stamp / (1e6 if stamp >= 1e14 else 1e3 if stamp >= 1e11 else 1) - now
    return min(max(wait, 1.0), RETRY_AFTER_CAP_S)


def _date(text: str) -> float | None:
    try:
        parsed = email.utils.parsedate_tz(text)
        return None if parsed is None else email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError, TypeError):  # A year or a zone that no calendar has.
        return None


def read(answer: requests.Response, what: str) -> bytes:
    """
    Return the body of an answer, decoded within the same bound: a small gzip may hold gigabytes.
    """
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise UnexpectedAnswer(f"{what}: the answer has an encoding that was not asked for")
    gzip = zlib.decompressobj(31) if encoding.endswith("gzip") else None
    body, taken = bytearray(), 0
    for piece in _pieces(answer):
        taken += len(piece)
        try:
            body += gzip.decompress(piece, MAX_ANSWER_BYTES + 1 - len(body)) if gzip else piece
        except zlib.error:
            raise UnexpectedAnswer(f"{what}: the answer is broken gzip") from None
        if max(len(body), taken) > MAX_ANSWER_BYTES:
            raise UnexpectedAnswer(
                f"{what}: the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB"
            )
    if gzip is not None and taken and not gzip.eof:
        raise UnexpectedAnswer(f"{what}: the answer ends in the middle of its gzip")
    return bytes(body)


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """
    Yield a body as it comes, not decoded: the library decodes without a bound in some of its versions.
    """
    try:
        yield from answer.raw.stream(_PIECE_BYTES, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError as err:
        raise requests.exceptions.ReadTimeout(err) from err
    except urllib3.exceptions.HTTPError as err:
        raise requests.exceptions.ChunkedEncodingError(err) from err


def decode(body: bytes, what: str, clean: Cleaner) -> Any:
    """
    Return the JSON of a 2xx answer; raises UnexpectedAnswer, also for what would take too long to decode.
    """
    if is_too_dense(body):
        raise UnexpectedAnswer(f"{what}: the answer has too many values for its size")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as err:
        raise UnexpectedAnswer(f"{what}: the answer is not JSON but {clean(_start(body))}") from err


def _server_message(body: bytes) -> str:
    """
    Return the message of an error envelope, or the beginning of what came instead.
    """
    if is_too_dense(body):
        return _start(body)
    try:
        error = json.loads(body)["error"]
        violations = error.get("constraintViolations") or ()
        parts = [error["message"], *(f"{item['path']}: {item['message']}" for item in violations)]
        return " ".join(str(part) for part in parts)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return _start(body)


def _is_envelope(body: bytes) -> bool:
    """
    Tell whether a refusal has the form of the API's own: what something else does not know may be there all the same.
    """
    try:
        return not is_too_dense(body) and isinstance(json.loads(body)["error"], dict)
    except (ValueError, RecursionError, LookupError, TypeError):
        return False


def _start(body: bytes) -> str:
    # The cleaner shortens it: a token that is cut in two could not be recognised and taken out.
    text = " ".join(body[:4096].decode("utf-8", "replace").split())
    return repr(text) if text else "an empty body"
