"""
What an endpoint gets and gives: request, answer, route. No sockets here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.tenant.errors import ApiError, violated
from tests.tenant.platform.dql.queried import queried

if TYPE_CHECKING:
    from tests.tenant.platform.logins import Token

#: The scope of a route that any valid token may use.
ANY = "any"


def to_json(value: Any) -> str:
    """
    Give JSON as readable text; what UTF-8 cannot carry (a lone surrogate) is escaped.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


@dataclass
class Request:
    """
    One call, decoded. `path` begins behind the environment's; `parts` are the route's groups.

    `platform` says that it came to the platform's URL, `token` who asks.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    raw: bytes = b""
    parts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    platform: bool = False
    token: Token | None = None

    def concerns(self) -> str:
        """
        Give the path, and those of the problems or entities that a selector or a query names: a fault of one strikes a
        list of it.
        """
        if self.path.endswith("/query:execute"):
            return " ".join([self.path, *queried(self.raw)])
        text = self.query.get("problemSelector", self.query.get("entitySelector", ""))
        named = re.search(r"(?:problemId|entityId)\(([^)]*)\)", text)
        ids = re.findall(r'"([^"]+)"', named[1]) if named else []
        return " ".join([self.path, *(f"{self.path}/{one}" for one in ids)])

    def note(self, rule: str) -> None:
        """
        Keep a broken rule that the real API lets pass; `Tenant.check` reports it.
        """
        self.notes.append(f"{self.method} {self.path}: {rule}")

    def parsed(self) -> Any:
        """
        Give the body, which must be JSON.
        """
        if not self.headers.get("content-type", "").lower().startswith("application/json"):
            raise ApiError(415, "HTTP 415 Unsupported Media Type", noted=True)
        try:
            return json.loads(self.raw)
        except ValueError as err:
            raise ApiError(400, "Could not map JSON.", noted=True) from err

    def json(self) -> dict[str, Any]:
        """
        Give the body, which must be a JSON object.
        """
        value = self.parsed()
        if not isinstance(value, dict):
            raise ApiError(400, "Could not map JSON.", noted=True)
        return value

    def text(self, body: Mapping[str, Any], key: str, *, required: bool = True) -> str:
        """
        Give a text from the body.
        """
        value = body.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value):
            raise violated(key, "must not be null", "PAYLOAD_BODY")
        return value

    def number(self, key: str, default: int, largest: int) -> int:
        """
        Give a whole number from the query, from 1 to `largest`.
        """
        text = self.query.get(key)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= largest:
            raise violated(key, f"must be between 1 and {largest}")
        return int(text)


@dataclass
class Answer:
    """
    One answer; a `body` that is neither bytes nor None goes out as JSON.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def payload(self) -> bytes:
        """
        Give the bytes that go out.
        """
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return to_json(self.body).encode()


@dataclass(frozen=True)
class Route:
    """
    One endpoint: what it is called, which scope it asks for (`also` which others, `instead` which
    one may have for it; an empty one: no token), and which parameters it knows. One that may wait
    is not `locked`.
    """

    method: str
    pattern: str
    scope: str
    answer: Callable[[Any, Request], Answer]
    parameters: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    locked: bool = True
