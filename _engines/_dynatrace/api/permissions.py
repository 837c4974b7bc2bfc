"""
Which permission each call needs: the scope of an API token, and those of platform tokens and OAuth clients.

By the documentation of the scopes of classic tokens, and of the platform's own clients, operation by operation.
"""

from __future__ import annotations

import re

#: The request as errors name it, the classic scope (empty: no API token may), and platform scopes of which one suffices.
_NEEDED = (
    (r"POST /problems/[^/]+/comments", "problems.write", ("environment-api:problems:write",)),
    (
        r"POST /problems/[^/]+/close",
        "problems.write",
        ("environment-api:problems:write", "openpipeline:events.davis:ingest"),
    ),
    (r"GET /problems(/.*)?", "problems.read", ("environment-api:problems:read",)),
    (r"GET /entities(/.*)?", "entities.read", ("environment-api:entities:read",)),
    (
        "POST /events/ingest",
        "events.ingest",
        (
            "environment-api:events:write",
            "storage:events:write",
            "openpipeline:events.davis:ingest",
        ),
    ),
    (
        "POST /bizevents/ingest",
        "bizevents.ingest",
        ("storage:events:write", "openpipeline:bizevents:ingest"),
    ),
    (r"(GET|POST) /query:.*", "", ("storage:events:read and storage:buckets:read",)),
    (r"GET /settings/.*", "settings.read", ("settings:objects:read",)),
    (r"GET /workflows(/.*)?", "", ("automation:workflows:read",)),
    ("GET /environment", "", ("platform-management:environments:read",)),
)


def classic_scope(what: str) -> str:
    """
    Return the scope that an API token needs for a request such as ``GET /problems``; empty if that is not known.
    """
    return next((scope for call, scope, _ in _NEEDED if re.fullmatch(call, what)), "")


def platform_scopes(what: str) -> tuple[str, ...]:
    """
    Return the scopes of which a platform token or OAuth client needs one for a request; empty if that is not known.
    """
    return next((scopes for call, _, scopes in _NEEDED if re.fullmatch(call, what)), ())
