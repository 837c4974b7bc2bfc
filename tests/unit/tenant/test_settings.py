"""
Settings 2.0 over HTTP: list, show, create, update, delete.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tenant import MASK, Tenant
from tests.unit.tenant.conftest import Client
from tests.unit.tenant.settings import (
    AVAILABILITY,
    NOTIFICATION,
    OBJECTS,
    PROFILE,
    WINDOW,
    post,
    profile,
    violations,
    webhook,
    window,
)


@pytest.fixture
def client(tenant: Tenant) -> Iterator[Client]:
    one = Client(tenant, tenant.add_token(["settings.read", "settings.write"]))
    with one.session:
        yield one


@pytest.fixture
def group(tenant: Tenant, process: str) -> str:
    return tenant.entities[process].links["isInstanceOf"][0]


def names(client: Client, **query: Any) -> list[str]:
    answer = client.get(OBJECTS, **query)
    assert answer.status_code == 200, answer.text
    return [one["value"]["name"] for one in answer.json()["items"]]


def test_a_new_environment_has_the_default_profile_alone(client: Client) -> None:
    """Its id holds the UUID that problems show; a list gives id and value."""
    answer = client.get(OBJECTS, schemaIds=f"{PROFILE},{NOTIFICATION},{WINDOW},{AVAILABILITY}")
    body = answer.json()
    assert (body["totalCount"], body["pageSize"]) == (1, 100)
    assert "nextPageKey" not in body
    (default,) = body["items"]
    assert set(default) == {"objectId", "value"}
    assert default["value"]["name"] == "Default"
    decoded = base64.urlsafe_b64decode(default["objectId"] + "==")
    assert b"\0\x18builtin:alerting.profile\0\x06tenant\0\x06tenant\0$c21f969b-" in decoded


def test_an_object_is_created_shown_changed_and_deleted(client: Client) -> None:
    """Each step as documented, with the codes of the documentation."""
    created = post(client, PROFILE, profile())
    assert created.status_code == 200
    (result,) = created.json()
    assert result["code"] == 200
    path = f"{OBJECTS}/{result['objectId']}"
    shown = client.get(path).json()
    assert shown["value"] == profile()
    assert (shown["schemaId"], shown["scope"]) == (PROFILE, "environment")
    changed = client.call("PUT", path, {"value": profile(name="Other")})
    assert (changed.status_code, changed.json()) == (200, result)
    assert client.get(path).json()["value"]["name"] == "Other"
    deleted = client.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(path).status_code == 404
    assert client.get(path).json()["error"]["code"] == 404
    for method, body in (("PUT", {"value": profile()}), ("DELETE", None)):
        gone = client.call(method, path, body)
        assert (gone.status_code, gone.json()["code"]) == (404, 404)


def test_a_stale_update_token_is_refused(client: Client) -> None:
    """By update and deletion; without a token neither looks."""
    (result,) = post(client, PROFILE, profile()).json()
    path = f"{OBJECTS}/{result['objectId']}"
    token = client.get(path).json()["updateToken"]
    change = {"value": profile(name="Mine"), "updateToken": token}
    assert client.call("PUT", path, change).status_code == 200
    conflict = client.call("PUT", path, {**change, "value": profile(name="Theirs")})
    assert (conflict.status_code, conflict.json()["code"]) == (409, 409)
    assert client.call("DELETE", path, updateToken=token).status_code == 409
    assert client.get(path).json()["value"]["name"] == "Mine"
    assert client.call("PUT", path, {"value": profile(name="Last")}).status_code == 200
    assert client.call("DELETE", path).status_code == 204


def test_elements_of_one_request_stand_for_themselves(client: Client) -> None:
    """Different codes are a 207, equal ones are the answer's; the good ones are kept."""
    both = post(client, PROFILE, profile(), profile(name=""))
    assert both.status_code == 207
    assert [one["code"] for one in both.json()] == [200, 400]
    assert list(violations(both, 1)) == [f"{PROFILE}/1/name"]
    assert both.json()[1]["invalidValue"] == profile(name="")
    bad = post(client, PROFILE, profile(name=""), profile(name=7))
    assert (bad.status_code, len(bad.json())) == (400, 2)
    assert names(client, schemaIds=PROFILE) == ["Default", "Salt"]


def test_validation_alone_keeps_nothing(client: Client, tenant: Tenant) -> None:
    """Good or bad, for a new object and for a change."""
    assert post(client, PROFILE, profile(), validateOnly="true").json() == [{"code": 200}]
    assert post(client, PROFILE, profile(name=""), validateOnly="true").status_code == 400
    (default,) = tenant.settings_objects()
    path = f"{OBJECTS}/{default.object_id}"
    change = {"value": {**default.value, "severityRules": []}}
    assert client.call("PUT", path, change, validateOnly="true").status_code == 200
    assert tenant.settings_objects() == [default]


def test_a_scope_of_a_single_object_schema_has_one(client: Client, group: str) -> None:
    """A second one replaces the first under the same id."""
    on = {"enabled": True, "alertingMode": "ON_PGI_UNAVAILABILITY"}
    first = post(client, AVAILABILITY, on, scope=group).json()
    second = post(client, AVAILABILITY, {"enabled": False}, scope=group).json()
    assert first == second
    (item,) = client.get(OBJECTS, schemaIds=AVAILABILITY, scopes=group).json()["items"]
    assert item["value"] == {"enabled": False}


def test_an_external_id_is_replaced_and_found(client: Client) -> None:
    """It takes the place of one with that id, and of no other."""
    item = {"schemaId": PROFILE, "scope": "environment", "externalId": "salt", "value": profile()}
    (first,) = client.call("POST", OBJECTS, [item]).json()
    (other,) = client.call("POST", OBJECTS, [{**item, "externalId": "x"}]).json()
    (again,) = client.call("POST", OBJECTS, [{**item, "value": profile(name="New")}]).json()
    assert first == again != other
    assert names(client, schemaIds=PROFILE, externalIds="salt") == ["New"]


@pytest.mark.parametrize(
    ("schema", "scope", "code"),
    [
        ("builtin:no.such", "environment", 404),
        (PROFILE, "PROCESS_GROUP-0000000000000000", 400),
        (AVAILABILITY, "environment", 400),
        (AVAILABILITY, "PROCESS_GROUP-0000000000000000", 404),
        (AVAILABILITY, "HOST-0000000000000000", 400),
    ],
)
def test_a_schema_or_scope_that_is_not_there_is_refused(
    client: Client, schema: str, scope: str, code: int
) -> None:
    """The answer is an array all the same."""
    answer = post(client, schema, {"enabled": False}, scope=scope)
    assert (answer.status_code, answer.json()[0]["code"]) == (code, code)


def test_secrets_never_come_back(client: Client, tenant: Tenant) -> None:
    """Neither in a list, nor shown, nor with a refusal."""
    (default,) = tenant.settings_objects()
    (made,) = post(client, NOTIFICATION, webhook(default.object_id)).json()
    path = f"{OBJECTS}/{made['objectId']}"
    listed = client.get(OBJECTS, schemaIds=NOTIFICATION)
    refused = post(client, NOTIFICATION, webhook(default.object_id, payload="no json"))
    twice = client.call("PUT", path, {"value": webhook("none")})
    shown = client.get(path)
    for answer in (listed, refused, twice, shown):
        assert "s3cret" not in answer.text
    secret, plain = shown.json()["value"]["webHookNotification"]["headers"]
    assert secret == {"name": "Authorization", "secret": True, "secretValue": MASK}
    assert plain["value"] == "seen"
    tenant.switches.secrets_in_invalid_value = True
    assert "s3cret" in post(client, NOTIFICATION, webhook("none")).text


def test_a_masked_secret_is_kept_unless_the_url_changes(client: Client, tenant: Tenant) -> None:
    """Whoever changes where it goes must know it; by POST a mask is just a text."""
    (default,) = tenant.settings_objects()
    (made,) = post(client, NOTIFICATION, webhook(default.object_id)).json()
    path = f"{OBJECTS}/{made['objectId']}"
    value = client.get(path).json()["value"]
    value["displayName"] = "Renamed"
    value["webHookNotification"]["headers"].reverse()
    assert client.call("PUT", path, {"value": value}).status_code == 200

    def secrets() -> list[str]:
        return [
            header["secretValue"]
            for one in tenant.settings_objects(NOTIFICATION)
            for header in one.value["webHookNotification"]["headers"]
            if header["secret"]
        ]

    assert secrets() == ["Bearer s3cret"]
    value["webHookNotification"]["url"] = "https://elsewhere.example.com/"
    answer = client.call("PUT", path, {"value": value})
    assert "re-enter all secret token(s)" in violations(answer)[f"{NOTIFICATION}/0"]
    post(client, NOTIFICATION, value)
    assert secrets() == ["Bearer s3cret", MASK]


def test_the_default_profile_stays(client: Client, tenant: Tenant) -> None:
    """It may be changed, but neither deleted nor renamed."""
    (default,) = tenant.settings_objects()
    path = f"{OBJECTS}/{default.object_id}"
    assert client.call("DELETE", path).status_code == 400
    renamed = client.call("PUT", path, {"value": profile()})
    assert f"{PROFILE}/0/name" in violations(renamed)
    assert client.call("PUT", path, {"value": profile(name="Default")}).status_code == 200


@pytest.mark.parametrize(
    ("scopes", "method", "missing"),
    [
        (["settings.write"], "GET", "settings.read (Read settings)"),
        (["settings.read"], "POST", "settings.write (Write settings)"),
        (["settings.read"], "DELETE", "settings.write (Write settings)"),
        (["settings.write"], "PUT", "settings.read (Read settings)"),
        (["settings.read"], "PUT", "settings.write (Write settings)"),
    ],
)
def test_each_call_has_its_scope(
    tenant: Tenant, scopes: list[str], method: str, missing: str
) -> None:
    """An update needs both."""
    client = Client(tenant, tenant.add_token(scopes))
    (default,) = tenant.settings_objects()
    path = OBJECTS if method == "POST" else f"{OBJECTS}/{default.object_id}"
    answer = client.call(method, path, [] if method == "POST" else {})
    assert answer.status_code == 403
    assert answer.json()["error"]["message"].endswith(missing)
    assert tenant.settings_objects() == [default]


def test_a_platform_token_has_the_platforms_scopes(tenant: Tenant) -> None:
    """settings:objects:read is settings.read."""
    token = tenant.add_token(["settings:objects:read"], kind="platform")
    client = Client(tenant, token, scheme="Bearer")
    assert client.get(OBJECTS, schemaIds=WINDOW).json()["items"] == []


@pytest.mark.parametrize("body", [{}, "x", ["x"], None])
def test_a_body_that_is_no_array_of_objects_is_refused(client: Client, body: Any) -> None:
    """Even one object is sent as an array."""
    answer = client.session.post(
        client.tenant.url + OBJECTS,
        json=body,
        headers={"Authorization": f"Api-Token {client.token}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Could not map JSON."


def test_a_window_is_kept_as_it_was_sent(client: Client) -> None:
    """What is left out is not filled in."""
    (made,) = post(client, WINDOW, window()).json()
    assert client.get(f"{OBJECTS}/{made['objectId']}").json()["value"] == window()
