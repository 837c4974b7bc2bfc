"""
What the credentials of an engine may do at the tenant, found out by requests that write nothing.

Whoever may not is refused (403) before the tenant looks at what the request is about. So each asks about what does not
exist: a problem and a host of impossible ids, or no event at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ..api.client import PROBLEMS, Client
from ..api.credentials import Credentials
from ..api.environment import classic_base, is_platform
from ..api.rate_limiter import Kind
from ..api.transport import Transport
from ..config.config import Config
from ..core.errors import AuthError, BadRequest, NotAsked, NotFound, UnexpectedResponse
from .startup import client_for, credentials_for

NUMBER = "P-0"
NOBODY = "0_0V2"
NOTHING = "HOST-0000000000000000"
NOTE = "salt-dynatrace checks its credentials"
#: Events need a type and a title, so that this one is refused for what it is.
INGEST = "/events/ingest"
#: Of these scopes the first lets a query of Grail pass, and without the second it finds nothing.
EVENTS, BUCKETS = "storage:events:read", "storage:buckets:read"
SCHEMA = "builtin:alerting.profile"
AUTOMATION = "/platform/automation/v1"


@dataclass(frozen=True)
class Ability:
    """
    Something that the credentials may do or not; ``ask`` returns if they may, and else raises an ApiError.

    ``without`` says what is done without it; empty where the engine cannot do without. ``wanted`` is whether it lacks
    anything then.
    """

    name: str
    ask: Callable[[], object]
    without: str = ""
    wanted: bool = True


def abilities(config: Config) -> Iterator[Ability]:
    """
    Yield what is to be found out about an engine's credentials; nothing if it has none.
    """
    client = client_for(config)
    if client is None:
        return
    own, on_platform = credentials_for(config), is_platform(config.get("environment_url"))
    by_grail = on_platform and config.get("source") != PROBLEMS
    yield Ability("read problems", partial(_read_problems, client, own, by_grail))
    lacking = "a problem's own record names its hosts and processes" if on_platform else ""
    yield Ability("read entities", lambda: _known(lambda: client.entity(NOTHING)), lacking)
    yield from _reports(config, client, own)
    yield from _others(config, own)


def _read_problems(client: Client, own: Credentials, by_grail: bool) -> None:
    try:
        client.find_by_display_id(NUMBER)
    except NotFound as err:
        # It is a search, which finds nothing: what is not found is the API itself.
        raise UnexpectedResponse(str(err)) from err
    own.authorization()
    granted = own.granted or ()
    if by_grail and EVENTS in granted and BUCKETS not in granted:
        raise AuthError(
            f"the tenant answers, but shows no problem without {BUCKETS}: give the client that scope"
        )


def _reports(config: Config, client: Client, own: Credentials) -> Iterator[Ability]:
    # An engine that is to tell a tenant nothing does not do so in vain either.
    classic = _transport(config, own, classic_base(config.get("environment_url")))
    asked = {
        "comment": lambda: _known(lambda: client.comment(NOBODY, NOTE, "salt")),
        "close": lambda: _known(lambda: client.close_problem(NOBODY, NOTE)),
        "event": lambda: _taken(lambda: classic.call("POST", INGEST, Kind.FEEDBACK, payload={})),
    }
    for name, ask in asked.items():
        if config.get(f"feedback.{name}"):
            yield Ability(name, ask, "a business event is written instead, if that is allowed")
    if config.get("feedback"):
        ask = partial(_taken, partial(client.business_event, []))
        lacking = "it is needed only where one of the others is refused"
        yield Ability("business event", ask, lacking, wanted=False)


def _others(config: Config, own: Credentials) -> Iterator[Ability]:
    url = config.get("environment_url")
    lacking = "the engine does without, and `dynatrace.tenant` has credentials of its own"
    classic = _transport(config, own, classic_base(url))
    automation = _transport(config, own, url.rstrip("/") + AUTOMATION)
    query = {"schemaIds": SCHEMA, "pageSize": "1"}
    ask = partial(_known, partial(classic.get, "/settings/objects", Kind.READING, query))
    yield Ability("settings", ask, lacking, wanted=False)
    if is_platform(url):
        ask = partial(automation.get, "/workflows", Kind.READING, {"limit": "1"})
        yield Ability("workflows", ask, lacking, wanted=False)


def _transport(config: Config, own: Credentials, base: str) -> Transport:
    return Transport(base, own, config.get("ca_bundle"), config.get("proxy"), None)


def _known(call: Callable[[], object]) -> None:
    # To be told that something is not there, one must be allowed to ask.
    with contextlib.suppress(NotFound):
        try:
            call()
        except NotAsked as err:
            raise AuthError(str(err)) from err


def _taken(call: Callable[[], object]) -> None:
    # So too to be told that something is wrong with what was sent.
    with contextlib.suppress(BadRequest):
        call()
