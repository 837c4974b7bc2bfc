"""
The credentials of a client: asked for at each request, and once more after the tenant rejected them.
"""

from __future__ import annotations

import socket

import pytest
from _dynatrace.api.client import Client
from _dynatrace.api.credentials import Credentials
from _dynatrace.core.errors import AuthError

from tests.functional.client.servers import Behaviour, says, serving


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
