"""
The endpoints of problems: list, detail, close.

Parameters, paging rules and bodies are Dynatrace documentation's; that an open problem older than
`from` is listed, that cursors freeze the window, and that a bad id is a 400 come from captured
answers. Wordings of violations other than the id's and the cursor's are synthetic, and so is
where a walk without `sort` begins.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.tenant.bodies import PROBLEM_FIELDS, problem_body
from tests.tenant.errors import ApiError, violated
from tests.tenant.kept import listed
from tests.tenant.paging import alone, page_length
from tests.tenant.problem import Problem
from tests.tenant.selectors import of_problem_alone, select_entities, select_problems
from tests.tenant.timeframe import now_ms, parse_moment
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_ID = re.compile(r"-?\d{1,19}_\d{1,14}V2")
_FIELDS = frozenset({"fields"})
_LIST = _FIELDS | {
    "nextPageKey",
    "pageSize",
    "from",
    "to",
    "problemSelector",
    "entitySelector",
    "sort",
}


@dataclass
class Walk:
    """
    One walk over pages: all that page one asked for, and the position behind the latest problem.
    """

    begin: int
    end: int
    size: int
    selector: str | None
    entities: str | None
    sort: list[str]
    after: list[Any] | None = None


class Walked(NamedTuple):
    """
    What a walk found: what it asked for, the state of the problems then, and the problems by their positions.
    """

    asked: tuple[Any, ...]
    state: tuple[int, int]
    found: list[tuple[list[Any], Problem]]


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    one = r"/api/v2/problems/(?P<problem>[^/]+)"
    return [
        Route("GET", r"/api/v2/problems", "problems.read", list_problems, _LIST),
        Route("GET", one, "problems.read", show_problem, _FIELDS),
        Route("POST", one + "/close", "problems.write", close_problem, instead=("problems.close",)),
    ]


def find_problem(tenant: Tenant, request: Request) -> Problem:
    """
    Give the problem that the path names; 400 for no problem id, 404 for an unknown one.
    """
    problem_id = request.parts["problem"]
    if not _ID.fullmatch(problem_id):
        raise violated("problemId", "Invalid format.", "PATH")
    problem = tenant.by_id.get(problem_id)
    if problem is None or (problem.hidden_for and problem.detail_hidden):
        raise ApiError(404, f"Problem {problem_id} not found.")
    return problem


def list_problems(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /problems.
    """
    fields = _problem_fields(request)
    key = request.query.get("nextPageKey")
    if key is None:
        walk = _begin(tenant, request)
    else:
        alone(request, _FIELDS)
        walk = Walk(**tenant.cursors.open("problems", key, tenant.switches.cursor_lifetime))
    limit = tenant.switches.fields_page_limit
    if limit and fields and walk.size > limit:
        raise violated("pageSize", f"must be at most {limit} with fields", noted=False)
    matching = _matching(tenant, walk, first=key is None)
    begin = 0 if walk.after is None else bisect_right(matching, walk.after, key=_key)
    page, more = matching[begin : begin + walk.size], len(matching) > begin + walk.size
    body: dict[str, Any] = {
        "totalCount": len(matching),
        "pageSize": walk.size,
        "problems": [],
        "warnings": [],
    }
    if more:
        walk.after = page[-1][0]
        body["nextPageKey"] = tenant.cursors.seal("problems", asdict(walk))
    elif tenant.last_key_is_null(request):
        body["nextPageKey"] = None
    shown = [problem for _, problem in page]
    if tenant.switches.keep_bodies:
        return listed(body, "problems", shown, lambda problem: _text(tenant, problem, fields))
    body["problems"] = [problem_body(problem, fields, tenant) for problem in shown]
    return Answer(200, body)


def show_problem(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET /problems/{id}.
    """
    problem = find_problem(tenant, request)
    fields = _problem_fields(request)
    keep = tenant.switches.keep_bodies
    body: Any = (
        _text(tenant, problem, fields).encode() if keep else problem_body(problem, fields, tenant)
    )
    for comment in problem.comments:
        comment.hidden_for = max(comment.hidden_for - 1, 0)
    return Answer(200, body)


def close_problem(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST /problems/{id}/close; 204 for a problem that is closed already.
    """
    problem = find_problem(tenant, request)
    message = request.text(request.json(), "message")
    if problem.status == "CLOSED":
        return Answer(204)
    comment = tenant.close_by_hand(problem, message)
    body = {
        "problemId": problem.problem_id,
        "comment": comment.body(),
        "closeTimestamp": now_ms(),
        "closing": True,
    }
    return Answer(200, body)


def _text(tenant: Tenant, problem: Problem, fields: list[str]) -> str:
    def make() -> dict[str, Any]:
        return problem_body(problem, fields, tenant)

    stamp = problem.changed, len(problem.comments)
    return tenant.kept.text((problem.problem_id, *fields), stamp, make)


def _begin(tenant: Tenant, request: Request) -> Walk:
    query, now = request.query, now_ms()
    fewer = tenant.switches.fields_page_limit if "fields" in query else None
    default = min(tenant.switches.page_default, fewer or tenant.switches.page_default)
    walk = Walk(
        begin=parse_moment(query.get("from", "now-2h"), now, "from"),
        end=parse_moment(query.get("to", "now"), now, "to"),
        size=page_length(request, tenant.switches.page_cap, default),
        selector=query.get("problemSelector"),
        entities=query.get("entitySelector"),
        sort=_sort(request),
    )
    if walk.begin > walk.end:
        raise violated("from", "must not be after to")
    return walk


def _matching(tenant: Tenant, walk: Walk, *, first: bool) -> list[tuple[list[Any], Problem]]:
    """
    Give what a walk passes, in its order; the pages after the first are cut from what that found.
    """
    asked = (walk.begin, walk.end, walk.selector, *walk.sort)
    state = (Problem.changes, len(tenant.by_id))
    kept = tenant.walked
    if not first and walk.entities is None and kept is not None and kept[:2] == (asked, state):
        return kept.found
    found = _found(tenant, walk, first=first)
    if walk.entities is None and of_problem_alone(walk.selector):
        tenant.walked = Walked(asked, state, found)
    return found


def _found(tenant: Tenant, walk: Walk, *, first: bool) -> list[tuple[list[Any], Problem]]:
    found = select_problems(tenant.by_id, walk.selector, tenant)
    if walk.entities is not None:
        chosen = select_entities(walk.entities, tenant, path="entitySelector")
        ids = {entity.entity_id for entity in chosen}
        found = [problem for problem in found if not ids.isdisjoint(problem.affected)]
    found = [problem for problem in found if _in_window(problem, walk)]
    seen = [problem for problem in found if not problem.hidden_for]
    if first:
        for problem in found:
            if problem.hidden_for:
                problem.hidden_for -= 1
    return sorted(((_position(problem, walk.sort), problem) for problem in seen), key=_key)


def _key(pair: tuple[list[Any], Problem]) -> list[Any]:
    return pair[0]


def _in_window(problem: Problem, walk: Walk) -> bool:
    if problem.status == "OPEN":
        return problem.start <= walk.end
    return any(walk.begin <= at <= walk.end for at in (problem.start, problem.end))


def _position(problem: Problem, sort: list[str]) -> list[Any]:
    values = {"status": int(problem.status == "CLOSED"), "startTime": problem.start, "relevance": 0}
    keys = [values[name[1:]] * (-1 if name[0] == "-" else 1) for name in sort]
    return [*keys, problem.problem_id]


def _sort(request: Request) -> list[str]:
    text = request.query.get("sort", "+status,-startTime")
    if " " in text:
        request.note("a '+' in sort must be percent-encoded")
    found = []
    for part in text.split(","):
        level = part.strip()
        level = level if level[:1] in ("+", "-") else "+" + level
        if level[1:] not in ("status", "startTime", "relevance"):
            raise violated("sort", f"Unknown sort field '{level[1:]}'")
        if level[1:] == "relevance" and "text(" not in request.query.get("problemSelector", ""):
            raise violated("sort", "relevance needs the text criterion")
        found.append(level)
    return found


def _problem_fields(request: Request) -> list[str]:
    text = request.query.get("fields", "")
    fields = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in fields if name not in PROBLEM_FIELDS]:
        raise violated("fields", f"'{unknown[0]}' is not a valid field")
    return fields
