"""
The list of settings objects: what it needs, its pages, filters and order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client
from tests.unit.tenant.settings import OBJECTS, PROFILE, post, profile


@pytest.fixture
def client(tenant: Tenant) -> Iterator[Client]:
    one = Client(tenant, tenant.add_token(["settings.read", "settings.write"]))
    with one.session:
        yield one


def names(client: Client, **query: Any) -> list[str]:
    answer = client.get(OBJECTS, **query)
    assert answer.status_code == 200, answer.text
    return [one["value"]["name"] for one in answer.json()["items"]]


@pytest.mark.parametrize("query", [{"schemaIds": "builtin:no.such"}, {"scopes": "HOST-0"}])
def test_a_list_of_what_is_not_there_is_no_empty_list(client: Client, query: Any) -> None:
    """An unknown schema or scope is a 404."""
    answer = client.get(OBJECTS, **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 404)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"schemaIds": PROFILE, "fields": "nothing"},
        {"schemaIds": PROFILE, "pageSize": "501"},
        {"schemaIds": PROFILE, "filter": "value.name ="},
        {"schemaIds": PROFILE, "filter": "value.name ~ 'x'"},
        {"schemaIds": PROFILE, "filter": "scope = 'environment'"},
        {"schemaIds": PROFILE, "filter": "modified > 5"},
        {"schemaIds": PROFILE, "filter": "((((((value.name = 'x'))))))"},
        {"schemaIds": PROFILE, "filter": "value.name = '" + "x" * 1024 + "'"},
        {"schemaIds": PROFILE, "filter": "value.name = 'x' value.name = 'y'"},
        {"schemaIds": PROFILE, "sort": "created"},
    ],
)
def test_a_wrong_list_is_refused(client: Client, query: Any) -> None:
    """Neither schema nor scope, wrong fields and filters, and fields that are not returned."""
    assert client.get(OBJECTS, **query).status_code == 400


def test_a_list_is_walked_page_by_page(client: Client) -> None:
    """The key alone; it keeps filter, fields and size of the first page."""
    values = [profile(name=f"p{number}") for number in range(5)]
    assert post(client, PROFILE, *values).status_code == 200
    query = {"fields": "value,updateToken", "filter": "value.name != 'p3'", "pageSize": 2}
    pages = client.walk(OBJECTS, "items", schemaIds=PROFILE, **query)
    assert [len(page) for page in pages] == [2, 2, 1]
    found = [one["value"]["name"] for page in pages for one in page]
    assert found == ["Default", "p0", "p1", "p2", "p4"]
    assert all(set(one) == {"value", "updateToken"} for page in pages for one in page)
    key = client.get(OBJECTS, schemaIds=PROFILE, pageSize=1).json()["nextPageKey"]
    together = client.get(OBJECTS, nextPageKey=key, pageSize=1)
    assert together.status_code == 400
    assert client.get("/api/v2/settings/objects", nextPageKey="x").status_code == 400


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("value.name = 'b'", "b"),
        ("value.name = 'b' or value.name = 'c'", "bc"),
        ("not (value.name = 'b' or value.name = 'c') and value.name != 'Default'", "a"),
        ("value.name starts-with 'De'", "Default"),
        ("value.name contains 'fau' and created > 0", "Default"),
        ("value.nothing = 'b'", ""),
        (r"value.name = 'it\'s'", ""),
    ],
)
def test_a_filter_chooses(client: Client, text: str, found: str) -> None:
    """By comparisons with and, or, not and parentheses; sort orders what is found."""
    post(client, PROFILE, *(profile(name=name) for name in "cab"))
    query = {"fields": "value,created", "sort": "value.name"}
    assert "".join(names(client, schemaIds=PROFILE, filter=text, **query)) == found
