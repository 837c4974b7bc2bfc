"""
The client of the Dynatrace environment API v2: problems, entities, comments, events.

It returns values and raises the errors of ``core.errors``; it does not log and does not decide, and the next
cycle is the retry. One dropped connection of a GET is repeated at once, since keep-alive connections die.
No request is conditional: an ETag is documented for the deployment API's downloads, not for problems or entities, and
a list whose open problems change by the minute would seldom match one. What saves calls is the list without details.
Sources of the wire facts: the documentation of Problems API v2, Entities API v2, Events API v2 and access limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests

from ..core.errors import ApiError, AuthError, NotFound, UnexpectedAnswer
from ..core.problem import PROBLEM_ID, EntityDetail, Problem, is_entity_id
from .parsing import parse_entity, parse_problem
from .rate_limiter import Kind, RateLimiter
from .response import decode
from .transport import Transport

PAGE_SIZE = 500
#: Open problems that began before `from` are listed all the same in captured answers; a wide window does not rely on it.
PROBLEM_WINDOW = "now-90d"
ENTITY_WINDOW = "now-30d"
#: Of the event types, one that opens no problem: the engine must not feed itself.
EVENT_TYPE = "CUSTOM_INFO"

Found = TypeVar("Found")


@dataclass(frozen=True)
class Listing:
    """
    The problems of one walk over all pages, and why some entries of it could not be read.
    """

    problems: tuple[Problem, ...]
    unreadable: tuple[str, ...] = ()


class Client(Transport):
    """
    Reads one environment, and tells it what was done. Methods may be called from several threads at once.
    """

    def __init__(
        self,
        environment_url: str,
        token: str,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        problem_selector: str | None = None,
        budget: RateLimiter | None = None,
    ) -> None:
        super().__init__(api_base(environment_url), token, ca_bundle, proxy, budget)
        self._environment = environment_url.rstrip("/")
        self._belongs = belongs(environment_url, token)
        self._selector = 'status("open")' + (f",{problem_selector}" if problem_selector else "")

    def _refused(self, what: str, answer: requests.Response, body: bytes) -> ApiError:
        error = super()._refused(what, answer, body)
        if self._belongs and isinstance(error, AuthError):
            return AuthError(f"{error}; {self._belongs}: correct `environment_url`")
        return error

    def list_open(self, kind: Kind = Kind.LISTING) -> Listing:
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
        for body in self._pages("/problems", query, "problems", kind):
            for item in body["problems"]:
                try:
                    problem = parse_problem(item)
                except UnexpectedAnswer as err:
                    unreadable.append(str(err))
                else:
                    problems[problem.problem_id] = problem
        return Listing(tuple(problems.values()), tuple(unreadable))

    def problem(self, problem_id: str, kind: Kind = Kind.READING) -> Problem:
        """
        Return one problem with its evidence; raises NotFound when the tenant does not know the id.
        """
        # Always asked for explicitly: the documentation needs `fields`, some versions send evidence without.
        path = _path(problem_id)
        body = self._get(path, {"fields": "evidenceDetails"}, kind)
        problem = parse_problem(body)
        if problem.is_open and not _has_evidence(body):
            raise UnexpectedAnswer(
                f"GET {path}: the problem is open, and its evidence is not whole"
            )
        return _same(problem, path, problem_id, problem.problem_id)

    def find_by_display_id(self, display_id: str, kind: Kind = Kind.LISTING) -> Problem | None:
        """
        Return the newest problem with a display id (``P-…``), or None; display ids cannot be used in API paths.
        """
        escaped = display_id.replace("~", "~~").replace('"', '~"')
        query = {
            "problemSelector": f'displayId("{escaped}")',
            "from": PROBLEM_WINDOW,
            "sort": "-startTime",
        }
        body = self._get("/problems", query, kind)
        found = body.get("problems") if isinstance(body, Mapping) else None
        return parse_problem(found[0]) if isinstance(found, list) and found else None

    def entity(self, entity_id: str) -> EntityDetail:
        """
        Return one entity with properties, tags and outgoing relationships; raises NotFound.
        """
        if not is_entity_id(entity_id):
            raise NotFound(f"{entity_id[:80]!r} is no entity id")
        fields = "+properties,+tags,+fromRelationships"
        path = f"/entities/{entity_id}"
        detail = parse_entity(self._get(path, {"fields": fields, "from": ENTITY_WINDOW}))
        return _same(detail, path, entity_id, detail.id)

    def comments(self, problem_id: str) -> Iterator[str]:
        """
        Yield the text of each comment of a problem: it is sent as ``message`` and comes back as ``content``.
        """
        for body in self._pages(_path(problem_id, "/comments"), {"pageSize": "500"}, "comments"):
            for item in body["comments"]:
                if isinstance(item, Mapping) and isinstance(item.get("content"), str):
                    yield item["content"]

    def comment(self, problem_id: str, message: str, context: str) -> None:
        """
        Add a comment. It is not idempotent: after Unavailable (other than NotSent) it may have been stored all the same.
        """
        self._post(_path(problem_id, "/comments"), {"message": message, "context": context})

    def close_problem(self, problem_id: str, message: str) -> None:
        """
        Close a problem by hand, with a comment; one that is closed already stays as it is (204).
        """
        self._post(_path(problem_id, "/close"), {"message": message})

    def ingest_event(
        self,
        entity_id: str,
        title: str,
        properties: Mapping[str, str],
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> None:
        """
        Put a ``CUSTOM_INFO`` event on one entity. Not idempotent, and there is no way to look whether it is there.

        Raises UnexpectedAnswer also for a 201 that says that the entity did not take it.
        """
        if not is_entity_id(
            entity_id
        ):  # Without a selector the event would be the whole environment's.
            raise NotFound(f"{entity_id[:80]!r} is no entity id")
        payload: dict[str, Any] = {
            "eventType": EVENT_TYPE,
            "title": title,
            "entitySelector": f'entityId("{entity_id}")',
            "properties": dict(properties),
        }
        times = {"startTime": start_ms, "endTime": end_ms}
        payload.update({name: at for name, at in times.items() if at is not None})
        path = "/events/ingest"
        body = decode(self._post(path, payload), f"POST {path}", self._clean)
        results = body.get("eventIngestResults") if isinstance(body, Mapping) else None
        kept = [item.get("status") for item in results or () if isinstance(item, Mapping)]
        if "OK" not in kept:
            raise UnexpectedAnswer(
                f"POST {path}: no entity took the event: {self._clean(kept[:5] or 'no result')}"
            )

    def problem_url(self, problem_id: str) -> str:
        """
        Return the page of a problem in the tenant's user interface.
        """
        host = urlsplit(self._environment).hostname or ""
        if host.endswith(".apps.dynatrace.com"):
            return f"{self._environment}/ui/apps/dynatrace.davis.problems/problem/{problem_id}"
        return f"{self._environment}/#problems/problemdetails;pid={problem_id}"


def belongs(environment_url: str, token: str) -> str:
    """
    Return where a token belongs that is of a kind which this URL does not take, else an empty text.
    """
    host = urlsplit(environment_url).hostname or ""
    for kind, wrong, right in (("dt0c01", "apps", "live"), ("dt0s16", "live", "apps")):
        if token.startswith(f"{kind}.") and host.endswith(f".{wrong}.dynatrace.com"):
            name = host.partition(".")[0]
            return f"a {kind} token belongs to https://{name}.{right}.dynatrace.com"
    return ""


def api_base(environment_url: str) -> str:
    """
    Return the base of the classic API v2 for SaaS, Managed, ActiveGate or the platform gateway, without a last slash.
    """
    url = environment_url.rstrip("/")
    if (urlsplit(url).hostname or "").endswith(".apps.dynatrace.com"):
        return url + "/platform/classic/environment-api/v2"
    return url + "/api/v2"


def _same(found: Found, path: str, asked: str, told: str | None) -> Found:
    """
    Return what was found if it is what was asked for: a cache between us may mix up its answers, and with them the hosts.
    """
    if told != asked:
        raise UnexpectedAnswer(f"GET {path}: the answer is about another one")
    return found


def _has_evidence(problem: Mapping[str, Any]) -> bool:
    """
    Tell whether all evidence that was asked for is there: what is not seen may be a maintenance window.
    """
    evidence = problem.get("evidenceDetails")
    details = evidence.get("details") if isinstance(evidence, Mapping) else None
    if not isinstance(details, list):
        return False
    total = evidence.get("totalCount") if isinstance(evidence, Mapping) else None
    return not isinstance(total, int) or total <= len(details)


def _path(problem_id: str, below: str = "") -> str:
    if not PROBLEM_ID.fullmatch(problem_id):
        raise NotFound(
            f"{problem_id[:80]!r} is no problem id: the API takes …V2 ids, not display ids"
        )
    return f"/problems/{quote(problem_id, safe='')}{below}"
