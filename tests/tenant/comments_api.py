"""
The endpoints of a problem's comments: sent as `message`, read as `content`, 201 without a body.

Calls and codes are Dynatrace documentation's, the body of a comment is a captured one. The order
(newest first) is captured for `recentComments` and assumed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError
from tests.tenant.paging import alone, page_length
from tests.tenant.problem import Comment, Problem
from tests.tenant.problems_api import find_problem
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_DEFAULT_PAGE = 10


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    all_ = r"/api/v2/problems/(?P<problem>[^/]+)/comments"
    one = all_ + r"/(?P<comment>[^/]+)"
    paging = frozenset({"pageSize", "nextPageKey"})
    return [
        Route("GET", all_, "problems.read", list_comments, paging),
        Route("POST", all_, "problems.write", add_comment),
        Route("GET", one, "problems.read", show_comment),
        Route("PUT", one, "problems.write", change_comment),
        Route("DELETE", one, "problems.write", delete_comment),
    ]


def list_comments(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET …/comments; ten a page unless asked otherwise.
    """
    problem = find_problem(tenant, request)
    key = request.query.get("nextPageKey")
    if key is None:
        size, begin = page_length(request, None, _DEFAULT_PAGE), 0
    else:
        alone(request)
        walk = tenant.cursors.open(problem.problem_id, key, tenant.switches.cursor_lifetime)
        size, begin = walk["size"], walk["begin"]
    shown = [comment for comment in reversed(problem.comments) if not comment.hidden_for]
    for comment in problem.comments:
        comment.hidden_for = max(comment.hidden_for - 1, 0)
    body: dict[str, Any] = {
        "totalCount": len(shown),
        "pageSize": size,
        "comments": [comment.body() for comment in shown[begin : begin + size]],
    }
    if begin + size < len(shown):
        walk = {"size": size, "begin": begin + size}
        body["nextPageKey"] = tenant.cursors.seal(problem.problem_id, walk)
    elif tenant.last_key_is_null(request):
        body["nextPageKey"] = None
    return Answer(200, body)


def add_comment(tenant: Tenant, request: Request) -> Answer:
    """
    Answer POST …/comments.
    """
    problem = find_problem(tenant, request)
    body = request.json()
    message, context = request.text(body, "message"), request.text(body, "context", required=False)
    tenant.add_comment(problem, message, context)
    if tenant.faults.take("comment_accepted_then_500", request.method, request.path):
        raise ApiError(500, "Internal server error")
    return Answer(201)


def show_comment(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET …/comments/{id}.
    """
    return Answer(200, _find(find_problem(tenant, request), request).body())


def change_comment(tenant: Tenant, request: Request) -> Answer:
    """
    Answer PUT …/comments/{id}.
    """
    comment = _find(find_problem(tenant, request), request)
    body = request.json()
    comment.message = request.text(body, "message")
    comment.context = request.text(body, "context", required=False)
    tenant.log.add("comment changed", comment=comment.comment_id, message=comment.message)
    return Answer(204)


def delete_comment(tenant: Tenant, request: Request) -> Answer:
    """
    Answer DELETE …/comments/{id}.
    """
    problem = find_problem(tenant, request)
    comment = _find(problem, request)
    problem.comments.remove(comment)
    tenant.log.add("comment deleted", comment=comment.comment_id)
    return Answer(204)


def _find(problem: Problem, request: Request) -> Comment:
    for comment in problem.comments:
        if comment.comment_id == request.parts["comment"] and not comment.hidden_for:
            return comment
    raise ApiError(404, f"Comment {request.parts['comment']} not found.")
