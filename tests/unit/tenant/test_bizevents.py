"""
Business events: taken, flattened, and read back by a query.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.tenant import Tenant
from tests.unit.tenant.conftest import Client, on_platform

GATEWAY = "/platform/classic/environment-api/v2/bizevents/ingest"
EXECUTE = "/platform/storage/query/v1/query:execute"
EVENT = {"event.type": "salt.test", "event.provider": "salt", "attempt": 2, "tags": {"a": 1}}


def read(tenant: Tenant, query: str) -> Any:
    """Give the records of a query."""
    client = on_platform(tenant, "storage:bizevents:read", "storage:buckets:read")
    return client.call("POST", EXECUTE, {"query": query}).json()["result"]["records"]


def test_an_event_is_read_back(tenant: Tenant) -> None:
    """Nested objects are texts, and no problem is opened."""
    client = on_platform(tenant, "openpipeline:bizevents:ingest")
    answer = client.call("POST", GATEWAY, EVENT)
    assert (answer.status_code, answer.content) == (202, b"")
    client.call("POST", GATEWAY, [{**EVENT, "event.type": "other"}] * 2)
    query = 'fetch bizevents | filter event.type == "salt.test" and attempt == 2'
    assert read(tenant, f"{query} | fields event.provider, attempt, tags, event.kind") == [
        {
            "event.provider": "salt",
            "attempt": "2",
            "tags": '{"a": 1}',
            "event.kind": "BIZ_EVENT",
        }
    ]
    assert len(read(tenant, "fetch bizevents")) == 3
    assert tenant.problems == []
    tenant.check()


def test_the_classic_url_takes_it_with_a_classic_scope(tenant: Tenant) -> None:
    """And with a platform token as Bearer."""
    path = "/api/v2/bizevents/ingest"
    classic = Client(tenant, tenant.add_token(["bizevents.ingest"]))
    assert classic.call("POST", path, EVENT).status_code == 202
    token = tenant.add_platform_token(["openpipeline:bizevents:ingest"])
    assert Client(tenant, token, "Bearer").call("POST", path, EVENT).status_code == 202
    assert Client(tenant, tenant.add_token()).call("POST", path, EVENT).status_code == 403


def test_cloud_events_are_flattened(tenant: Tenant) -> None:
    """Type and source are renamed, the data is beside them."""
    token = tenant.add_platform_token(["storage:events:write"])
    event = {"specversion": "1.0", "id": "1", "source": "salt", "type": "t", "data": {"x": "y"}}
    answer = requests.post(
        tenant.platform_url + GATEWAY,
        data=json.dumps([event]),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/cloudevents-batch+json",
        },
        timeout=5,
    )
    assert answer.status_code == 202
    [record] = read(tenant, 'fetch bizevents | filter event.type == "t"')
    assert (record["event.provider"], record["event.id"], record["x"]) == ("salt", "1", "y")


@pytest.mark.parametrize("body", [{}, ["x"], "x", {"event.type": 1}, [EVENT, {}]])
def test_what_is_no_event_is_refused_whole(tenant: Tenant, body: Any) -> None:
    """Nothing of it is kept."""
    client = on_platform(tenant, "openpipeline:bizevents:ingest")
    assert client.call("POST", GATEWAY, body).status_code == 400
    assert tenant.bizevents == []
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/plain"}
    url = tenant.platform_url + GATEWAY
    assert requests.post(url, data="{}", headers=headers, timeout=5).status_code == 415
