"""
Problems by the Problems API v2, of a classic environment or through the platform's gateway.

No request is conditional, since Dynatrace documents no ETag for problems. The list without details saves calls.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from ..core.errors import ApiError, BadRequest, NotFound, UnexpectedResponse
from ..core.problem import PROBLEM_ID, Problem
from .json_values import objects_of, typed
from .problems import parse_problem
from .rate_limiter import Kind
from .sources import Listing, OnPage, check_same, ignored
from .transport import Transport

PAGE_SIZE = 500
#: Details of one request. Some Managed tenants allow only 10 problems a page with evidence, and are asked for so many.
DETAILS, FEWER_DETAILS = 40, 10
#: Open problems that began before `from` are listed all the same in captured responses; a wide window does not rely on it.
WINDOW = "now-90d"


class ClassicProblems:
    """
    Reads the problems of one environment; ``selector`` is added to that of open problems.
    """

    def __init__(self, transport: Transport, selector: str | None) -> None:
        self.batch = DETAILS
        self._transport = transport
        self._more = f",{selector}" if selector else ""
        self._selector = 'status("open")' + self._more

    def list_open(self, kind: Kind, on_page: OnPage = ignored) -> Listing:
        """
        Return all open problems, without evidence; every page or none: a walk that breaks raises.
        """
        problems: dict[str | None, Problem] = {}
        unreadable: list[str] = []
        told = 0
        for number, item in enumerate(self._listed(self._selector, kind), start=1):
            try:
                problem = _parsed(item)
            except UnexpectedResponse as err:
                unreadable.append(str(err))
            else:
                problems[problem.problem_id] = problem
            if not number % PAGE_SIZE:
                on_page(list(islice(problems.values(), told, None)))
                told = len(problems)
        return Listing(tuple(problems.values()), tuple(unreadable))

    def in_maintenance(self, kind: Kind) -> frozenset[str]:
        """
        Return the ids of all open problems that the tenant says are under maintenance.
        """
        selector = f"{self._selector},underMaintenance(true)"
        items = self._listed(selector, kind)
        return frozenset(str(typed(item, dict).get("problemId")) for item in items)

    def problems(self, ids: Iterable[str], kind: Kind) -> dict[str, Problem | ApiError]:
        """
        Return several problems with their evidence by one request, by id; what does not come whole is left out.

        Raises UnexpectedResponse too where a tenant allows fewer problems a page with ``fields``.
        """
        wanted = [one for one in ids if PROBLEM_ID.fullmatch(one)]
        query = {
            "problemSelector": "problemId({})".format(",".join(f'"{one}"' for one in wanted)),
            "from": WINDOW,
            "fields": "evidenceDetails",
            "pageSize": str(len(wanted)),
        }
        try:
            body = typed(self._transport.get("/problems", kind, query), dict)
        except BadRequest:
            self.batch = FEWER_DETAILS if self.batch > FEWER_DETAILS else 1
            raise
        found: dict[str, Problem | ApiError] = {}
        for item in objects_of(body.get("problems")):
            try:
                problem = _parsed(item)
            except UnexpectedResponse:
                continue  # Read by itself, it says what is wrong.
            own_id = problem.problem_id
            if own_id in wanted and (_has_evidence(item) or not problem.is_open):
                found[own_id] = problem
        return found

    def problem(self, problem_id: str, kind: Kind) -> Problem:
        """
        Return one problem with its evidence; raises NotFound, and UnexpectedResponse where its evidence is not whole.
        """
        # Always asked for explicitly: the documentation needs `fields`, some versions send evidence without.
        path = problem_path(problem_id)
        body = self._transport.get(path, kind, {"fields": "evidenceDetails"})
        problem = _parsed(body)
        if problem.is_open and not _has_evidence(body):
            what = f"GET {path}: the problem is open, and its evidence is not whole"
            raise UnexpectedResponse(what)
        check_same(f"GET {path}", problem_id, problem.problem_id)
        return problem

    def find_by_display_id(self, display_id: str, kind: Kind) -> Problem | None:
        """
        Return the newest problem of this id, which cannot be used in API paths.
        """
        escaped = display_id.replace("~", "~~").replace('"', '~"')
        query = {
            "problemSelector": f'displayId("{escaped}")',
            "from": WINDOW,
            "sort": "-startTime",
        }
        body = self._transport.get("/problems", kind, query)
        found = typed(typed(body, dict).get("problems"), list)
        return _parsed(found[0]) if found else None

    def closed(self, hours: int, kind: Kind) -> Listing:
        """
        Return the problems that were open within so many hours and are closed, with what is known of their evidence.
        """
        items = self._listed('status("closed")' + self._more, kind, f"now-{hours}h")
        wanted = [str(typed(item, dict).get("problemId")) for item in items]
        found: list[Problem] = []
        unreadable: list[str] = []
        while wanted:
            part = wanted[: self.batch]
            try:
                read = self.problems(part, kind)
            except BadRequest:
                if len(part) == 1:
                    raise
                continue  # It asks for fewer now.
            found += [one for one in read.values() if isinstance(one, Problem)]
            unreadable += [f"{one} does not come whole" for one in part if one not in read]
            wanted = wanted[len(part) :]
        return Listing(tuple(found), tuple(unreadable))

    def _listed(self, selector: str, kind: Kind, begin: str = WINDOW) -> Iterator[Any]:
        # Without `fields`: some deployments allow only 10 problems a page with them.
        query = {"problemSelector": selector, "from": begin, "pageSize": str(PAGE_SIZE)}
        return self._transport.items("/problems", kind, query, "problems")


def problem_path(problem_id: str, below: str = "") -> str:
    """
    Return the path of a problem, or of what is below it; raises NotFound for what cannot be an id.
    """
    if not PROBLEM_ID.fullmatch(problem_id):
        raise NotFound(
            f"{problem_id[:80]!r} is no problem id: the API takes …V2 ids, not display ids"
        )
    return f"/problems/{quote(problem_id, safe='')}{below}"


def _parsed(body: Any) -> Problem:
    return parse_problem(body, now_ms=time.time() * 1000)


def _has_evidence(problem: Mapping[str, Any]) -> bool:
    # Missing evidence may hide a maintenance window.
    evidence = typed(problem.get("evidenceDetails"), dict)
    details, total = evidence.get("details"), evidence.get("totalCount")
    return isinstance(details, list) and (not isinstance(total, int) or total <= len(details))
