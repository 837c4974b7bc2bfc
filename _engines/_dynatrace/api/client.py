"""
The client of the Dynatrace environment API v2: problems, entities, comments, events.

It returns values and raises the errors of ``core.errors``; it does not log or decide, and the next cycle is the retry.
No request is conditional, since Dynatrace documents no ETag for problems or entities. The list without details saves calls.
Sources of the wire facts: the documentation of Problems API v2, Entities API v2, Events API v2 and access limits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from ..core.errors import NotFound, UnexpectedResponse
from ..core.problem import PROBLEM_ID, EntityDetail, Problem, is_entity_id
from .credentials import Credentials, TokenCredentials
from .entities import parse_entity
from .json_values import objects_of, typed
from .problems import parse_problem
from .rate_limiter import Kind, RateLimiter
from .response import decode
from .transport import Transport

PAGE_SIZE = 500
#: Open problems that began before `from` are listed all the same in captured responses; a wide window does not rely on it.
PROBLEM_WINDOW = "now-90d"
ENTITY_WINDOW = "now-30d"
ENTITY_FIELDS = "+properties,+tags,+fromRelationships"
#: The documentation allows a selector of entities so many characters.
SELECTOR_CHARS = 2000
#: Of the event types, one that opens no problem: the engine must not feed itself.
EVENT_TYPE = "CUSTOM_INFO"


@dataclass(frozen=True)
class Listing:
    """
    The problems of one walk over all pages, and why some entries of it could not be read.

    ``in_maintenance`` are the ids of those that are under maintenance, None where that was not asked.
    """

    problems: tuple[Problem, ...]
    unreadable: tuple[str, ...] = ()
    in_maintenance: frozenset[str] | None = None


class Client(Transport):
    """
    Reads one environment, and reports to it what was done. Methods may be called from several threads at once.
    """

    def __init__(
        self,
        environment_url: str,
        token: str,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        problem_selector: str | None = None,
        rate_limiter: RateLimiter | None = None,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        credentials = credentials or TokenCredentials(environment_url, token, proxy)
        super().__init__(api_base(environment_url), credentials, ca_bundle, proxy, rate_limiter)
        self._environment = environment_url.rstrip("/")
        self._selector = 'status("open")' + (f",{problem_selector}" if problem_selector else "")

    def list_open(self, kind: Kind = Kind.LISTING) -> Listing:
        """
        Return all open problems, without evidence; every page or none: a walk that breaks raises.
        """
        problems: dict[str | None, Problem] = {}
        unreadable: list[str] = []
        for item in self._listed(self._selector, kind):
            try:
                problem = _parsed(item)
            except UnexpectedResponse as err:
                unreadable.append(str(err))
            else:
                problems[problem.problem_id] = problem
        return Listing(tuple(problems.values()), tuple(unreadable))

    def in_maintenance(self, kind: Kind = Kind.LISTING) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """
        selector = f"{self._selector},underMaintenance(true)"
        items = self._listed(selector, kind)
        return frozenset(str(typed(item, dict).get("problemId")) for item in items)

    def _listed(self, selector: str, kind: Kind) -> Iterator[Any]:
        # Without `fields`: some deployments allow only 10 problems a page with them.
        query = {"problemSelector": selector, "from": PROBLEM_WINDOW, "pageSize": str(PAGE_SIZE)}
        return self._items("/problems", kind, query, "problems")

    def problems(self, ids: Iterable[str], kind: Kind = Kind.READING) -> dict[str, Problem]:
        """
        Return several problems with their evidence by one request, by id; what does not come whole is left out.

        Raises UnexpectedResponse too where a tenant allows fewer problems a page with ``fields``.
        """
        wanted = [one for one in ids if PROBLEM_ID.fullmatch(one)]
        query = {
            "problemSelector": "problemId({})".format(",".join(f'"{one}"' for one in wanted)),
            "from": PROBLEM_WINDOW,
            "fields": "evidenceDetails",
            "pageSize": str(len(wanted)),
        }
        body = typed(self._get("/problems", kind, query), dict)
        found: dict[str, Problem] = {}
        for item in objects_of(body.get("problems")):
            try:
                problem = _parsed(item)
            except UnexpectedResponse:
                continue  # Read by itself, it says what is wrong.
            own_id = problem.problem_id
            if own_id in wanted and (_has_evidence(item) or not problem.is_open):
                found[own_id] = self._with_url(problem)
        return found

    def problem(self, problem_id: str, kind: Kind = Kind.READING) -> Problem:
        # Always asked for explicitly: the documentation needs `fields`, some versions send evidence without.
        path = _path(problem_id)
        body = self._get(path, kind, {"fields": "evidenceDetails"})
        problem = _parsed(body)
        if problem.is_open and not _has_evidence(body):
            what = f"GET {path}: the problem is open, and its evidence is not whole"
            raise UnexpectedResponse(what)
        _check_same(path, problem_id, problem.problem_id)
        return self._with_url(problem)

    def find_by_display_id(self, display_id: str, kind: Kind = Kind.LISTING) -> Problem | None:
        # The newest of this id, which cannot be used in API paths.
        escaped = display_id.replace("~", "~~").replace('"', '~"')
        query = {
            "problemSelector": f'displayId("{escaped}")',
            "from": PROBLEM_WINDOW,
            "sort": "-startTime",
        }
        body = self._get("/problems", kind, query)
        found = typed(typed(body, dict).get("problems"), list)
        return _parsed(found[0]) if found else None

    def entity(self, entity_id: str) -> EntityDetail:
        path = f"/entities/{_checked(entity_id)}"
        query = {"fields": ENTITY_FIELDS, "from": ENTITY_WINDOW}
        detail = parse_entity(self._get(path, Kind.READING, query))
        _check_same(path, entity_id, detail.id)
        return detail

    def entities(self, ids: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return several entities of one type by few requests, by id; what the tenant does not know is left out.
        """
        found: dict[str, EntityDetail] = {}
        for part in _parts([one for one in ids if is_entity_id(one)]):
            found.update(self._entities(_entity_ids(part)))
        return found

    def all_of(self, kind: str) -> dict[str, EntityDetail]:
        """
        Return all entities of a type by id, such as ``PROCESS_GROUP_INSTANCE``; it takes a request for each 500.
        """
        return self._entities(f'type("{kind}")')

    def _entities(self, selector: str) -> dict[str, EntityDetail]:
        query = {
            "entitySelector": selector,
            "fields": ENTITY_FIELDS,
            "from": ENTITY_WINDOW,
            "pageSize": str(PAGE_SIZE),
        }
        items = self._items("/entities", Kind.READING, query, "entities")
        return {detail.id: detail for detail in map(parse_entity, items)}

    def hosts_of(self, processes: Iterable[str]) -> dict[str, EntityDetail]:
        """
        Return the hosts that processes run on, by id, without knowing which: their ids come with the processes.
        """
        found: dict[str, EntityDetail] = {}
        for part in _parts([one for one in processes if is_entity_id(one)]):
            nested = f'type("PROCESS_GROUP_INSTANCE"),{_entity_ids(part)}'
            found.update(self._entities(f'type("HOST"),toRelationships.isProcessOf({nested})'))
        return found

    def comments(self, problem_id: str) -> Iterator[str]:
        path = _path(problem_id, "/comments")
        for item in self._items(path, Kind.FEEDBACK, {"pageSize": str(PAGE_SIZE)}, "comments"):
            text = typed(item, dict).get("content")
            if isinstance(text, str):
                yield text

    def comment(self, problem_id: str, message: str, context: str) -> None:
        # Not idempotent: after Unavailable (other than NotSent) it may have been stored all the same.
        payload = {"message": message, "context": context}
        self._post(_path(problem_id, "/comments"), payload)

    def close_problem(self, problem_id: str, message: str) -> None:
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

        Raises UnexpectedResponse also for a 201 that says that the entity did not take it.
        """
        payload: dict[str, Any] = {
            "eventType": EVENT_TYPE,
            "title": title,
            # Without a selector the event would be the whole environment's.
            "entitySelector": f'entityId("{_checked(entity_id)}")',
            "properties": dict(properties),
        }
        times = {"startTime": start_ms, "endTime": end_ms}
        payload.update({name: at for name, at in times.items() if at is not None})
        what = "POST /events/ingest"
        body = decode(self._post("/events/ingest", payload), what, self._redact)
        results = objects_of(typed(body, dict).get("eventIngestResults"))
        states = [result.get("status") for result in results]
        if "OK" not in states:
            reason = self._redact(states[:5] or "no result")
            raise UnexpectedResponse(f"{what}: no entity took the event: {reason}")

    def _post(self, path: str, payload: Mapping[str, Any]) -> bytes:
        return self._call("POST", path, Kind.FEEDBACK, payload=payload)

    def _with_url(self, problem: Problem) -> Problem:
        if problem.problem_id is None:
            return problem
        return replace(problem, url=self.problem_url(problem.problem_id))

    def problem_url(self, problem_id: str) -> str:
        host = urlsplit(self._environment).hostname or ""
        if host.endswith(".apps.dynatrace.com"):
            return f"{self._environment}/ui/apps/dynatrace.davis.problems/problem/{problem_id}"
        return f"{self._environment}/#problems/problemdetails;pid={problem_id}"


def api_base(environment_url: str) -> str:
    """
    Return the base of the classic API v2 for SaaS, Managed, ActiveGate or the platform gateway, without a last slash.
    """
    url = environment_url.rstrip("/")
    if (urlsplit(url).hostname or "").endswith(".apps.dynatrace.com"):
        return url + "/platform/classic/environment-api/v2"
    return url + "/api/v2"


def _parsed(body: Any) -> Problem:
    return parse_problem(body, now_ms=time.time() * 1000)


def _entity_ids(ids: Iterable[str]) -> str:
    return "entityId({})".format(",".join(f'"{one}"' for one in ids))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    # As many as a selector may name, beside what else it says.
    step = max((SELECTOR_CHARS - 100) // (max(map(len, ids), default=0) + 3), 1)
    for at in range(0, len(ids), step):
        yield ids[at : at + step]


def _check_same(path: str, asked: str, received: str | None) -> None:
    # A proxy's cache may return the response of another request.
    if received != asked:
        raise UnexpectedResponse(f"GET {path}: the answer is about another one")


def _has_evidence(problem: Mapping[str, Any]) -> bool:
    # Missing evidence may hide a maintenance window.
    evidence = typed(problem.get("evidenceDetails"), dict)
    details, total = evidence.get("details"), evidence.get("totalCount")
    return isinstance(details, list) and (not isinstance(total, int) or total <= len(details))


def _checked(entity_id: str) -> str:
    if not is_entity_id(entity_id):
        raise NotFound(f"{entity_id[:80]!r} is no entity id")
    return entity_id


def _path(problem_id: str, below: str = "") -> str:
    if not PROBLEM_ID.fullmatch(problem_id):
        raise NotFound(
            f"{problem_id[:80]!r} is no problem id: the API takes …V2 ids, not display ids"
        )
    return f"/problems/{quote(problem_id, safe='')}{below}"
