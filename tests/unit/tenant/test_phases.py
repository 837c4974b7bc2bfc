"""
What each phase of an environment has taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.newer_schemas import NEWER_WINDOW, OUTBOUND
from tests.tenant.newer_windows import active_newer, newer_window
from tests.tenant.schemas import NOTIFICATION, PROFILE, WINDOW
from tests.unit.tenant.conftest import Client, Receiver, on_platform

GATEWAY = "/platform/classic/environment-api/v2"
EXECUTE = "/platform/storage/query/v1/query:execute"
ALL = (
    *(f"environment-api:{name}" for name in ("problems:read", "problems:write", "entities:read")),
    *("environment-api:events:write", "settings:objects:read", "settings:schemas:read"),
    *(f"storage:{name}:read" for name in ("events", "buckets", "entities", "smartscape")),
    "openpipeline:bizevents:ingest",
)


@pytest.fixture
def newer() -> Iterator[Tenant]:
    """A tenant of phase 2."""
    with Tenant(phase=2) as one:
        yield one


def upgraded(tenant: Tenant) -> Client:
    """Let a tenant be in phase 3; give a client with all scopes."""
    client = on_platform(tenant, *ALL)
    tenant.enter_phase(3)
    return client


def test_a_new_tenant_has_no_classic_alerting(newer: Tenant, receiver: Receiver) -> None:
    """Neither schemas nor notifications; the new windows and the allowed hosts are there."""
    client = on_platform(newer, *ALL)
    items = client.get(f"{GATEWAY}/settings/schemas").json()["items"]
    names = {one["schemaId"] for one in items}
    assert names.isdisjoint({NOTIFICATION, PROFILE, WINDOW})
    assert {NEWER_WINDOW, OUTBOUND} <= names
    objects = client.get(f"{GATEWAY}/settings/objects", schemaIds=PROFILE)
    assert objects.status_code == 404
    with pytest.raises(ValueError, match="workflow"):
        newer.add_webhook(receiver.url)


def test_a_new_tenant_has_no_profiles_and_zones_in_its_problems(newer: Tenant) -> None:
    """On both APIs; classic tokens work still."""
    process = newer.add_process(newer.add_host())
    newer.open_problem(process, management_zones=["production"])
    client = Client(newer, newer.add_token())
    [body] = client.problems().json()["problems"]
    assert (body["problemFilters"], body["managementZones"]) == ([], [])
    answer = on_platform(newer).call("POST", EXECUTE, {"query": "fetch dt.davis.problems"})
    [record] = answer.json()["result"]["records"]
    assert "labels.alerting_profile" not in record


def test_an_upgrade_ends_notifications_and_classic_tokens(
    tenant: Tenant, client: Client, process: str, receiver: Receiver
) -> None:
    """Mid-way: what worked before is refused, and nothing classic can be made."""
    tenant.add_webhook(receiver.url)
    problem = tenant.open_problem(process)
    tenant.wait_for("notification sent")
    assert client.problems().status_code == 200
    upgraded(tenant)
    tenant.close_problem(problem)
    assert client.problems().status_code == 401
    with pytest.raises(ValueError, match="classic token"):
        tenant.add_token()
    with pytest.raises(ValueError, match="phase 3"):
        tenant.enter_phase(1)
    assert len(tenant.deliveries) == 1


@pytest.mark.parametrize("path", ["problems", "problems/1_1V2", "problems/1_1V2/comments"])
def test_what_an_upgrade_has_taken_is_refused(tenant: Tenant, path: str) -> None:
    """A 403 that names no scope; a tenant may answer otherwise, or keep its problems."""
    client = upgraded(tenant)
    answer = client.get(f"{GATEWAY}/{path}")
    assert answer.status_code == 403
    assert answer.json()["error"].keys() == {"code", "message"}
    tenant.switches.gone_status = 404
    assert client.get(f"{GATEWAY}/{path}").json()["error"]["code"] == 404
    tenant.switches.phase_3_has_problems = True
    assert "not available" not in client.get(f"{GATEWAY}/{path}").text
    entities = client.get(f"{GATEWAY}/entities", entitySelector='type("HOST")')
    assert "not available" in entities.text


def test_an_upgraded_tenant_is_read_by_queries(tenant: Tenant, process: str) -> None:
    """Problems and Smartscape are there, the classic tables of entities are not."""
    client = upgraded(tenant)
    tenant.open_problem(process)

    def ask(query: str) -> Any:
        return client.call("POST", EXECUTE, {"query": query}).json()

    assert len(ask("fetch dt.davis.problems")["result"]["records"]) == 1
    assert len(ask('smartscapeNodes "PROCESS"')["result"]["records"]) == 1
    error = ask("fetch dt.entity.host")["error"]
    assert error["message"] == "UNKNOWN_DATA_OBJECT"
    tenant.check()


def test_an_event_names_its_entity_without_a_selector(tenant: Tenant, process: str) -> None:
    """The selector is gone, business events stay."""
    client = upgraded(tenant)
    event: dict[str, Any] = {"eventType": "CUSTOM_INFO", "title": "x"}
    selector = {"entitySelector": f'entityId("{process}")'}
    path = f"{GATEWAY}/events/ingest"
    assert client.call("POST", path, {**event, **selector}).status_code == 400
    named = {"properties": {"dt.source_entity": process}}
    assert client.call("POST", path, {**event, **named}).status_code == 201
    biz = {"event.type": "x", "event.provider": "y"}
    assert client.call("POST", f"{GATEWAY}/bizevents/ingest", biz).status_code == 202


def test_a_window_of_a_new_tenant_marks_a_problem(newer: Tenant) -> None:
    """It hides nothing, and is for one entity or for all."""
    host = newer.add_host()
    process, other = newer.add_process(host), newer.add_process(newer.add_host("web02"))
    newer.maintenance(host, seconds=600)
    assert newer.raise_problem(process) is not None
    assert [newer.raise_problem(one).under_maintenance for one in (process, other)] == [  # type: ignore[union-attr]
        True,
        False,
    ]
    newer.maintenance(seconds=600)
    assert newer.open_problem(other).under_maintenance
    [one, _] = newer.settings_objects(NEWER_WINDOW)
    assert one.value["filter"] == f'matchesValue(dt.entity.host, "{host}")'


@pytest.mark.parametrize(
    ("filter_", "covered"),
    [
        ('matchesValue(entity_tags, "web:on")', True),
        ('matchesValue(entity_tags, "web:off")', False),
        (
            '(matchesValue(entity_tags, "web:on") and matchesValue(dt.source_entity.type, "host"))',
            False,
        ),
        ('matchesValue(entity_tags, "x") or matchesValue(dt.source_entity.type, "process*")', True),
    ],
)
def test_a_window_has_a_matcher(newer: Tenant, filter_: str, covered: bool) -> None:
    """Asked of the fields of the event."""
    process = newer.add_process(newer.add_host(), tags=["web:on"])
    value = newer_window("one", None, datetime.now(timezone.utc), 10)
    newer.put_settings(NEWER_WINDOW, {**value, "filter": filter_})
    assert newer.open_problem(process).under_maintenance is covered


@pytest.mark.parametrize(
    ("minutes_later", "active"), [(-1, False), (0, True), (29, True), (30, False), (1440, False)]
)
def test_a_window_is_open_once_for_its_minutes(minutes_later: int, active: bool) -> None:
    """In its time zone."""
    begin = datetime(2026, 11, 27, 8, tzinfo=timezone.utc)
    value = newer_window("one", None, begin, 30)
    assert active_newer(value, begin + timedelta(minutes=minutes_later)) is active
    value["schedule"]["timezone"] = "Europe/Vienna"
    assert not active_newer(value, begin + timedelta(minutes=minutes_later))


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2026-11-26T23:30:00+00:00", False),
        ("2026-11-27T23:30:00+00:00", True),
        ("2026-11-28T00:30:00+00:00", True),
        ("2026-11-28T01:30:00+00:00", False),
        ("2026-11-29T00:30:00+00:00", True),
        ("2026-11-29T23:30:00+00:00", False),
    ],
)
def test_a_window_repeats_daily_between_two_days(moment: str, active: bool) -> None:
    """Over midnight too; disabled or by a rule it is never open."""
    value = newer_window("one", None, datetime.now(timezone.utc), 120)
    plan = {"time": "23:00:00", "earliestStart": "2026-11-27", "until": "2026-11-28"}
    value["schedule"]["trigger"] = {"type": "time", "recurring": plan}
    now = datetime.fromisoformat(moment)
    assert active_newer(value, now) is active
    assert not active_newer({**value, "enabled": False}, now)
    plan["rule"] = "a rule"
    assert not active_newer(value, now)
