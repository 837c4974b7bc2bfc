"""
The HTTP client of the Dynatrace environment API v2: problems, entities, comments.

It returns values and raises the errors of ``_dynatrace_errors``; it does not log, does not decide, and does not wait:
the next cycle is the retry. One dropped connection of a GET is repeated at once, since keep-alive connections die.
Sources of the wire facts: the documentation of Problems API v2, Entities API v2 and access limits.
"""

from __future__ import annotations

import email.utils
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import urllib3
from _dynatrace_errors import (
    ApiError,
    AuthError,
    NotFound,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
)
from _dynatrace_problems import (
    PROBLEM_ID,
    EntityDetail,
    Problem,
    is_entity_id,
    is_too_dense,
    parse_entity,
    parse_problem,
)

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
#: A whole answer must be there by then, however steadily a server trickles.
ANSWER_DEADLINE_S = 45.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_PAGES = 1000
PAGE_SIZE = 500
#: Open problems that began before `from` are listed all the same in captured answers; a wide window does not rely on it.
PROBLEM_WINDOW = "now-90d"
ENTITY_WINDOW = "now-30d"
RETRY_AFTER_DEFAULT_S = 5.0
RETRY_AFTER_CAP_S = 60.0
_MESSAGE_CHARS = 256
_TOKENS = re.compile(r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(\.[A-Za-z0-9]+)?")


@dataclass(frozen=True)
class Listing:
    """
    The problems of one walk over all pages, and why some entries of it could not be read.
    """

    problems: tuple[Problem, ...]
    unreadable: tuple[str, ...] = ()


class Client:
    """
    Reads one environment. Methods may be called from several threads at once: each has a session of its own.
    """

    def __init__(
        self,
        environment_url: str,
        token: str,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        problem_selector: str | None = None,
    ) -> None:
        self.base = api_base(environment_url)
        self._environment = environment_url.rstrip("/")
        self._token = token
        self._verify: str | bool = ca_bundle or True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._selector = 'status("open")' + (f",{problem_selector}" if problem_selector else "")
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"Client({self.base})"

    def list_open(self) -> Listing:
        """
        Return all open problems, without evidence; every page or none: a walk that breaks raises.

        Listed without ``fields``, since some deployments allow only 10 problems a page with them.
        """
        problems: dict[str | None, Problem] = {}
        unreadable: list[str] = []
        query = {
            "problemSelector": self._selector,
            "from": PROBLEM_WINDOW,
            "pageSize": str(PAGE_SIZE),
        }
        for body in self._pages("/problems", query, "problems"):
            for item in body["problems"]:
                try:
                    problem = parse_problem(item)
                except UnexpectedAnswer as err:
                    unreadable.append(str(err))
                else:
                    problems[problem.problem_id] = problem
        return Listing(tuple(problems.values()), tuple(unreadable))

    def problem(self, problem_id: str) -> Problem:
        """
        Return one problem with its evidence; raises NotFound when the tenant does not know the id.
        """
        _checked(problem_id)
        # Always asked for explicitly: the documentation needs `fields`, some versions send evidence without.
        body = self._get(f"/problems/{quote(problem_id, safe='')}", {"fields": "evidenceDetails"})
        return parse_problem(body)

    def find_by_display_id(self, display_id: str) -> Problem | None:
        """
        Return the newest problem with a display id (``P-…``), or None; display ids cannot be used in API paths.
        """
        escaped = display_id.replace("~", "~~").replace('"', '~"')
        query = {
            "problemSelector": f'displayId("{escaped}")',
            "from": PROBLEM_WINDOW,
            "sort": "-startTime",
        }
        body = self._get("/problems", query)
        found = body.get("problems") if isinstance(body, Mapping) else None
        return parse_problem(found[0]) if isinstance(found, list) and found else None

    def entity(self, entity_id: str) -> EntityDetail:
        """
        Return one entity with properties, tags and outgoing relationships; raises NotFound.
        """
        if not is_entity_id(entity_id):
            raise NotFound(f"{entity_id[:80]!r} is no entity id")
        fields = "+properties,+tags,+fromRelationships"
        body = self._get(f"/entities/{entity_id}", {"fields": fields, "from": ENTITY_WINDOW})
        return parse_entity(body)

    def comments(self, problem_id: str) -> Iterator[str]:
        """
        Yield the text of each comment of a problem: it is sent as ``message`` and comes back as ``content``.
        """
        _checked(problem_id)
        path = f"/problems/{quote(problem_id, safe='')}/comments"
        for body in self._pages(path, {"pageSize": "500"}, "comments"):
            for item in body["comments"]:
                if isinstance(item, Mapping) and isinstance(item.get("content"), str):
                    yield item["content"]

    def comment(self, problem_id: str, message: str, context: str) -> None:
        """
        Add a comment. It is not idempotent: after Unavailable it may have been stored all the same.
        """
        _checked(problem_id)
        path = f"/problems/{quote(problem_id, safe='')}/comments"
        try:
            self._call("POST", path, payload={"message": message, "context": context})
        except _Dropped as err:
            raise Unavailable(str(err)) from None

    def problem_url(self, problem_id: str) -> str:
        """
        Return the page of a problem in the tenant's user interface.
        """
        host = urlsplit(self._environment).hostname or ""
        if host.endswith(".apps.dynatrace.com"):
            return f"{self._environment}/ui/apps/dynatrace.davis.problems/problem/{problem_id}"
        return f"{self._environment}/#problems/problemdetails;pid={problem_id}"

    # -- requests --------------------------------------------------------------------------------------------------

    def _pages(self, path: str, query: Mapping[str, str], name: str) -> Iterator[Mapping[str, Any]]:
        seen: set[str] = set()
        asked: Mapping[str, str] = query
        for _ in range(MAX_PAGES):
            body = self._get(path, asked)
            if not isinstance(body, Mapping) or not isinstance(body.get(name), list):
                raise UnexpectedAnswer(f"GET {path}: the answer has no list `{name}`")
            yield body
            cursor = body.get("nextPageKey")  # The last page has none, or null.
            if cursor is None:
                return
            if not isinstance(cursor, str) or not cursor or cursor in seen:
                raise UnexpectedAnswer(
                    f"GET {path}: the tenant sent a `nextPageKey` that leads nowhere"
                )
            seen.add(cursor)
            asked = {"nextPageKey": cursor}  # Nothing else may accompany it.
        raise UnexpectedAnswer(f"GET {path}: more than {MAX_PAGES} pages")

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        try:
            body = self._call("GET", path, query)
        except _Dropped:
            try:
                body = self._call("GET", path, query)
            except _Dropped as err:
                raise Unavailable(str(err)) from None
        if is_too_dense(body):
            raise UnexpectedAnswer(f"GET {path}: the answer has too many values for its size")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as err:
            said = self._clean(_start(body))
            raise UnexpectedAnswer(f"GET {path}: the answer is not JSON but {said}") from err

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, payload: Any = None
    ) -> bytes:
        """
        Send one request and return the body of a 2xx answer; the one place that maps failures to errors.
        """
        what = f"{method} {path}"
        try:
            # Redirects are refused: the token must not follow one to another host.
            with self._session().request(
                method,
                self.base + path,
                params=query,
                json=payload,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = _read(answer, what)
                if not 200 <= answer.status_code < 300:
                    raise self._refused(what, answer, body)
                return body
        except requests.exceptions.SSLError as err:
            raise Unavailable(
                f"{what}: the tenant's certificate cannot be verified: {self._clean(err)}"
            ) from None
        except requests.exceptions.Timeout:
            raise Unavailable(f"{what}: no answer within {READ_TIMEOUT_S:g} s") from None
        except requests.exceptions.ConnectionError as err:
            raise _Dropped(
                f"{what}: no connection to the tenant: {self._clean(_cause(err))}"
            ) from None
        except requests.exceptions.RequestException as err:
            raise Unavailable(f"{what}: {self._clean(err)}") from None

    def _session(self) -> requests.Session:
        session = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # A ~/.netrc would replace the token, and proxies from the environment would see it.
            session.trust_env = False
            session.verify = self._verify
            session.proxies.update(self._proxies)
            scheme = "Bearer" if self._token.startswith("dt0s16.") else "Api-Token"
            session.headers["Authorization"] = f"{scheme} {self._token}"
            session.headers["Accept"] = "application/json; charset=utf-8"
            session.headers["User-Agent"] = "salt-dynatrace"
            self._local.session = session
        return session

    def _refused(self, what: str, answer: requests.Response, body: bytes) -> ApiError:
        status = answer.status_code
        said = self._clean(_server_message(body))
        if status == 401:
            return AuthError(
                f"Dynatrace rejected the API token (401) on {what}: {said}; set a valid `api_token`"
            )
        if status == 403:
            return AuthError(
                f"the API token may not {what} (403): {said}; give the token that scope"
            )
        if status == 404 or (status == 400 and b'"problemId"' in body):
            return NotFound(f"{what}: unknown to the tenant ({status}): {said}")
        if status == 429 or (status == 503 and "Retry-After" in answer.headers):
            wait = retry_after(answer.headers, time.time())
            return RateLimited(
                f"{what}: the tenant limits requests ({status}); waiting {wait:.0f} s", wait
            )
        if status >= 500:
            return Unavailable(f"{what}: the tenant answered {status}: {said}")
        if 300 <= status < 400:
            return UnexpectedAnswer(
                f"{what}: the tenant answered {status}, a redirect, which is not followed"
            )
        return UnexpectedAnswer(f"{what}: the tenant answered {status}: {said}")

    def _clean(self, text: object) -> str:
        """
        Return a server's or library's text fit for a log: one line, short, without token or query string.
        """
        flat = " ".join(str(text).split()).replace(self._token, "<token>")
        for proxy in filter(None, self._proxies.values()):
            flat = flat.replace(proxy, "<proxy>")
        return re.sub(r"\?[^\s)'\"]*", "", _TOKENS.sub("<token>", flat))[:_MESSAGE_CHARS]


class _Dropped(Unavailable):
    """
    The connection could not be made, or broke; a GET may be repeated once.
    """


def api_base(environment_url: str) -> str:
    """
    Return the base of the classic API v2 for SaaS, Managed, ActiveGate or the platform gateway, without a last slash.
    """
    url = environment_url.rstrip("/")
    if (urlsplit(url).hostname or "").endswith(".apps.dynatrace.com"):
        return url + "/platform/classic/environment-api/v2"
    return url + "/api/v2"


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """
    Return the seconds to wait by ``Retry-After`` or ``X-RateLimit-Reset``, clamped to 1..60.

    The documentation gives the reset in microseconds, clients in the field parse seconds: the magnitude decides.
    """
    wait = RETRY_AFTER_DEFAULT_S
    given, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if re.fullmatch(r"\d{1,9}", given):
        wait = float(given)
    elif given and (date := email.utils.parsedate_tz(given)):
        wait = email.utils.mktime_tz(date) - now
    elif re.fullmatch(r"\d{1,18}", reset):
        stamp = float(reset)
        wait = stamp / (1e6 if stamp >= 1e14 else 1e3 if stamp >= 1e11 else 1) - now
    return min(max(wait, 1.0), RETRY_AFTER_CAP_S)


def _cause(err: requests.exceptions.ConnectionError) -> str:
    """
    Return the innermost reason of a failed connection: the outer texts repeat it with names of Python objects.
    """
    reason = getattr(err.args[0], "reason", err) if err.args else err
    return str(reason).rpartition("connection: ")[2].rpartition(">: ")[2]


def _checked(problem_id: str) -> None:
    if not PROBLEM_ID.fullmatch(problem_id):
        raise NotFound(
            f"{problem_id[:80]!r} is no problem id: the API takes …V2 ids, not display ids"
        )


def _read(answer: requests.Response, what: str) -> bytes:
    deadline = time.monotonic() + ANSWER_DEADLINE_S
    body = bytearray()
    for piece in _pieces(answer):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise UnexpectedAnswer(
                f"{what}: the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB"
            )
        if time.monotonic() > deadline:
            raise Unavailable(f"{what}: the answer was not complete after {ANSWER_DEADLINE_S:g} s")
    return bytes(body)


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """
    Yield a body as it comes: ``iter_content`` waits until a piece is full, however slowly a server trickles.
    """
    read1 = getattr(answer.raw, "read1", None)
    if read1 is None:  # urllib3 1; a small piece is soon full.
        yield from answer.iter_content(256)
        return
    try:
        while piece := read1(65536, decode_content=True):
            yield piece
    except urllib3.exceptions.ReadTimeoutError as err:
        raise requests.exceptions.ReadTimeout(err) from err
    except urllib3.exceptions.HTTPError as err:
        raise requests.exceptions.ChunkedEncodingError(err) from err


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


def _start(body: bytes) -> str:
    # `_clean` shortens it: a token that is cut in two could not be recognised and taken out.
    text = " ".join(body[:4096].decode("utf-8", "replace").split())
    return repr(text) if text else "an empty body"
