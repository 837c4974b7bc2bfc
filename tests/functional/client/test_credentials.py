"""
The credentials of a client: asked for at each request, read again where they are kept, and once more after the tenant
rejected them.
"""

from __future__ import annotations

import socket
import threading

import pytest
from _dynatrace.api import secret
from _dynatrace.api.client import Client
from _dynatrace.api.credentials import Credentials, TokenCredentials
from _dynatrace.api.secret import Secret
from _dynatrace.core.errors import AuthError

from tests.functional.client.servers import Behaviour, says, serving
from tests.tenant import Tenant


class Changing(Credentials):
    """
    Credentials that have another header after each refusal, as long as there are some left.
    """

    def __init__(self, *tokens: str) -> None:
        super().__init__("http://127.0.0.1")
        self.tokens = list(tokens)
        self.refused: list[str] = []

    def authorization(self) -> str:
        return f"Bearer {self.tokens[0]}"

    def renew(self, refused: str) -> bool:
        self.refused.append(refused)
        if len(self.tokens) > 1:
            del self.tokens[0]
            return True
        return False


def takes(token: str) -> Behaviour:
    """
    Return the behaviour of a tenant that takes one token.
    """

    def answer(connection: socket.socket, head: str) -> None:
        good = f"\r\nAuthorization: Bearer {token}\r\n" in head
        says(status=b"200 OK" if good else b"401 Unauthorized")(connection, head)

    return answer


def test_a_rejected_request_is_made_once_more_with_renewed_credentials() -> None:
    """The caller learns nothing of it; the next request uses the new ones at once."""
    credentials = Changing("old", "new")
    with serving(takes("new")) as tenant:
        client = Client(f"http://127.0.0.1:{tenant.port}", "", credentials=credentials)
        assert client.list_open().problems == ()
        client.comment("7_1700000000000V2", "x", "y")
    assert credentials.refused == ["Bearer old"]
    shown = [tenant.header("Authorization", number) for number in range(len(tenant.heads))]
    assert shown == ["Bearer old", "Bearer new", "Bearer new"]


@pytest.mark.parametrize("tokens", [["old"], ["old", "older", "oldest"]])
def test_a_request_is_made_twice_at_most(tokens: list[str]) -> None:
    """Where there are no others, and where the others are no better."""
    with serving(takes("new")) as tenant, pytest.raises(AuthError, match="401"):
        address = f"http://127.0.0.1:{tenant.port}"
        Client(address, "", credentials=Changing(*tokens)).list_open()
    assert len(tenant.heads) == min(len(tokens), 2)


def test_a_missing_permission_renews_nothing() -> None:
    """The same credentials would be refused again (403)."""
    credentials = Changing("old", "new")
    with serving(says(status=b"403 Forbidden")) as tenant, pytest.raises(AuthError, match="403"):
        Client(f"http://127.0.0.1:{tenant.port}", "", credentials=credentials).list_open()
    assert credentials.refused == []
    assert len(tenant.heads) == 1


# -- read again where they are kept --------------------------------------------------------------------------------------


class Kept:
    """
    A source that counts how often it is read, and its clock.
    """

    def __init__(self, value: object) -> None:
        self.value, self.read, self.now = value, 0, 1000.0

    def __call__(self) -> object:
        self.read += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def clock(self) -> float:
        return self.now

    def secret(self, value: str) -> Secret:
        return Secret(value, self, self.clock)


def test_a_token_that_was_replaced_is_used_without_a_restart() -> None:
    """The tenant rejects the old one, and the request goes on with the one that is kept now, of another kind even."""
    with Tenant() as tenant:
        old, kept = tenant.add_token(), Kept(tenant.add_token(kind="platform"))
        credentials = TokenCredentials(tenant.url, kept.secret(old))
        client = Client(tenant.url, "", credentials=credentials)
        client.list_open()
        tenant.expire_token(old)
        kept.now += secret.AFTER_REFUSAL_S
        assert client.list_open().problems == ()
        assert [call.status for call in tenant.requests] == [200, 401, 200]
        texts = [old, kept.value, old.rpartition(".")[2]]
        assert credentials.redact(" ".join(map(str, texts))) == "<token> <token> <token>"


def test_a_token_that_still_works_is_replaced_within_a_minute() -> None:
    """Who replaces it looks whether the old one is used before they take it away. Its source is read seldom."""
    kept = Kept("new")
    own = kept.secret("old")
    for _ in range(59):
        assert own.current() == "old"
        kept.now += 1
    kept.now += 1
    assert own.current() == "new"
    for _ in range(100):
        own.current()
    assert kept.read == 1


def test_rejections_read_the_source_seldom() -> None:
    """Nine readers get one at once, at each poll; the source may be a vault that others use too."""
    kept = Kept("old")
    own = kept.secret("old")
    kept.now += secret.AFTER_REFUSAL_S
    for _ in range(9):
        assert own.refused() == "old"
    assert kept.read == 1


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        (None, "it gives no value"),
        ("", "it gives no value"),
        ("sdb://vault/token", "it gives no value"),
        ("two words", "it gives no value"),
        (LookupError("dt0c01.ABC.NOTSHOWN"), "LookupError"),
    ],
)
def test_a_source_that_gives_nothing_leaves_the_old_one(value: object, trouble: str) -> None:
    """It may be good all the same; where it is rejected, both is said."""
    kept = Kept(value)
    with Tenant() as tenant, pytest.raises(AuthError) as caught:
        old = tenant.add_token()
        own = kept.secret(old)
        client = Client(tenant.url, "", credentials=TokenCredentials(tenant.url, own))
        kept.now += secret.EVERY_S
        client.list_open()
        tenant.expire_token(old)
        client.list_open()
    assert str(caught.value).endswith(
        f"set a valid `api_token` (its source cannot be read again: {trouble})"
    )


def test_a_source_that_does_not_answer_delays_one_request_at_most() -> None:
    """All others go on with the token that they have."""
    release = threading.Event()
    kept = Kept("old")
    own = Secret("old", lambda: release.wait(60) and "new", kept.clock)
    kept.now += secret.EVERY_S
    reading = threading.Thread(target=own.current)
    reading.start()
    try:
        while not own._lock.locked():
            reading.join(0.01)
        assert [own.current() for _ in range(5)] == ["old"] * 5
        assert reading.is_alive()
    finally:
        release.set()
        reading.join(30)
    assert own.current() == "new"


def test_plain_text_is_never_read_again() -> None:
    """There is nothing to read."""
    own = TokenCredentials("https://abc12345.live.dynatrace.com", "plain")
    assert own.renew(own.authorization()) is False
    assert own.fix == "set a valid `api_token`"
