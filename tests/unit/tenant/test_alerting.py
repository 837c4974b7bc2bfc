"""
The tenant does what its settings say: raising, telling, keeping silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tenant import Tenant
from tests.tenant.kinds import MASK
from tests.unit.tenant.conftest import Client, Receiver
from tests.unit.tenant.settings import (
    AVAILABILITY,
    FAST,
    PROFILE,
    notify,
    profile,
    rule,
    sent,
    told,
)


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    with Tenant.empty(site_local_urls=True, minute=0.05) as one:
        yield one
    assert "tenant failed" not in [entry.what for entry in one.journal]


def test_nothing_is_raised_until_alerting_is_on_for_the_group(tenant: Tenant, process: str) -> None:
    """A dead process is seen and held back; one setting later it is a problem."""
    tenant.monitor(process, "http://127.0.0.1:9/", **FAST)
    held = tenant.wait_for("problem not raised")
    assert held.detail["reason"] == "availability alerting is off"
    assert tenant.problems == []
    tenant.alerting(process)
    tenant.wait_for("problem opened")
    assert tenant.problems[0].affected == [process]


@pytest.mark.parametrize(
    ("value", "on"),
    [
        ({"enabled": False}, False),
        ({"enabled": True, "alertingMode": "ON_PGI_UNAVAILABILITY"}, True),
        (
            {
                "enabled": True,
                "alertingMode": "ON_INSTANCE_COUNT_VIOLATION",
                "minimumInstanceThreshold": 1,
            },
            False,
        ),
    ],
)
@pytest.mark.parametrize("by_default", [False, True])
def test_the_object_of_the_group_decides(
    tenant: Tenant, process: str, value: Any, on: bool, by_default: bool
) -> None:
    """Over the default, and no longer when it is deleted; other groups have nothing of it."""
    tenant.switches.alerting_by_default = by_default
    group = tenant.entities[process].links["isInstanceOf"][0]
    other = tenant.add_process(tenant.add_host("web02"), "nginx", "NGINX")
    assert tenant.alerting_on(process) is by_default
    made = tenant.put_settings(AVAILABILITY, value, group)
    assert tenant.alerting_on(process) is on
    assert tenant.alerting_on(other) is by_default
    tenant.delete_settings(made)
    assert tenant.alerting_on(process) is by_default


def test_a_notification_of_settings_is_what_is_sent(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Its headers, secret and plain, and its payload; nothing before it exists or once it is gone."""
    tenant.open_problem(process)
    made = notify(tenant, receiver)
    problem = tenant.open_problem(process)
    tenant.close_problem(problem)
    sent(tenant, 2)
    assert told(receiver) == [("OPEN", problem.problem_id), ("RESOLVED", problem.problem_id)]
    headers = receiver.taken[0][0]
    assert (headers["authorization"], headers["x-plain"]) == ("Bearer s3cret", "seen")
    tenant.delete_settings(made)
    tenant.open_problem(process)
    assert tenant.notify(problem) == []
    assert len(tenant.deliveries) == 2


def put(tenant: Tenant, object_id: str, value: dict[str, Any]) -> None:
    client = Client(tenant, tenant.add_token(["settings.read", "settings.write"]))
    with client.session:
        answer = client.call("PUT", f"/api/v2/settings/objects/{object_id}", {"value": value})
    assert answer.status_code == 200, answer.text


def test_a_change_over_http_is_followed(tenant: Tenant, receiver: Receiver, process: str) -> None:
    """Disabled it is silent, enabled again it sends with the secret that was masked."""
    made = notify(tenant, receiver)
    value = tenant.settings[made].schema.root.masked(tenant.settings[made].value)
    assert value["webHookNotification"]["headers"][0]["secretValue"] == MASK
    put(tenant, made, {**value, "enabled": False})
    tenant.open_problem(process)
    put(tenant, made, value)
    problem = tenant.open_problem(process)
    sent(tenant, 1)
    assert told(receiver) == [("OPEN", problem.problem_id)]
    assert receiver.taken[0][0]["authorization"] == "Bearer s3cret"


def test_closed_problems_are_told_only_if_asked_for(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """notifyClosedProblems."""
    notify(tenant, receiver, notifyClosedProblems=False)
    tenant.close_problem(tenant.open_problem(process))
    tenant.open_problem(process)
    sent(tenant, 2)
    assert [state for state, _ in told(receiver)] == ["OPEN", "OPEN"]


@pytest.mark.parametrize(
    ("changes", "through"),
    [
        ({}, True),
        ({"severityRules": []}, False),
        ({"severityRules": [rule(severityLevel="ERRORS")]}, False),
        ({"severityRules": [rule(severityLevel="ERRORS"), rule()]}, True),
        ({"severityRules": [rule(tagFilterIncludeMode="INCLUDE_ANY", tagFilter=["a", "b"])]}, True),
        (
            {"severityRules": [rule(tagFilterIncludeMode="INCLUDE_ALL", tagFilter=["a", "b"])]},
            False,
        ),
        ({"severityRules": [rule(tagFilterIncludeMode="INCLUDE_ANY", tagFilter=["team"])]}, False),
        (
            {"severityRules": [rule(tagFilterIncludeMode="INCLUDE_ALL", tagFilter=["team:web"])]},
            True,
        ),
    ],
)
def test_severity_and_tags_decide_what_gets_through(
    tenant: Tenant, process: str, changes: Any, through: bool
) -> None:
    """One fitting rule is enough; a tag is exact. The problem names the profiles that fit."""
    tenant.put_settings(PROFILE, profile(**changes))
    problem = tenant.open_problem(process, tags=["a", "team:web"])
    client = Client(tenant, tenant.add_token())
    filters = [one["name"] for one in client.problem(problem).json()["problemFilters"]]
    assert filters == ["Default", *(["Salt"] if through else [])]
    selected = client.display_ids(problemSelector='problemFilterNames.equals("Salt")')
    assert selected == ([problem.display_id] if through else [])
    client.session.close()


def event(kind: str, negate: bool = False) -> dict[str, Any]:
    return {"type": "PREDEFINED", "predefinedFilter": {"eventType": kind, "negate": negate}}


def title(operator: str, value: str, negate: bool = False, case: bool = False) -> dict[str, Any]:
    text = {
        "enabled": True,
        "operator": operator,
        "value": value,
        "negate": negate,
        "caseSensitive": case,
    }
    return {"type": "CUSTOM", "customFilter": {"titleFilter": text}}


@pytest.mark.parametrize(
    ("filters", "through"),
    [
        ([event("PGI_UNAVAILABLE")], True),
        ([event("OSI_HIGH_CPU")], False),
        ([event("OSI_HIGH_CPU"), event("PGI_UNAVAILABLE")], True),
        ([event("PGI_UNAVAILABLE", negate=True)], False),
        ([event("OSI_HIGH_CPU", negate=True)], True),
        ([event("OSI_HIGH_CPU", negate=True), event("OSI_LOW_DISK_SPACE")], False),
        ([title("CONTAINS", "UNAVAILABLE")], True),
        ([title("CONTAINS", "UNAVAILABLE", case=True)], False),
        ([title("BEGINS_WITH", "process")], True),
        ([title("STRING_EQUALS", "process")], False),
        ([title("ENDS_WITH", "able", negate=True)], False),
        ([title("REGEX_MATCHES", "^p.*e$")], True),
    ],
)
def test_event_filters_decide_too(
    tenant: Tenant, process: str, filters: Any, through: bool
) -> None:
    """Negated ones must all agree, of the others one."""
    tenant.put_settings(PROFILE, profile(eventFilters=filters))
    client = Client(tenant, tenant.add_token())
    found = client.problem(tenant.open_problem(process)).json()["problemFilters"]
    assert ("Salt" in [one["name"] for one in found]) is through
    client.session.close()


def test_what_ends_within_the_delay_is_never_told_and_keeps_nobody_waiting(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """The minutes of the profile count, each severity its own."""
    notify(tenant, receiver, rule(delayInMinutes=12), rule(severityLevel="ERRORS"))
    tenant.close_problem(tenant.open_problem(process))
    lasting = tenant.open_problem(process)
    at_once = tenant.open_problem(process, severity="ERROR")
    sent(tenant, 2)
    assert [pid for _, pid in told(receiver)] == [at_once.problem_id, lasting.problem_id]
    first, second = tenant.deliveries
    assert second.at - lasting.start / 1000 >= 0.59
    assert first.at < second.at


def test_a_profile_that_is_gone_tells_nothing(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """A notification names one that must exist."""
    made = notify(tenant, receiver)
    tenant.delete_settings(tenant.settings[made].value["alertingProfile"])
    other = Receiver()
    notify(tenant, other)
    tenant.open_problem(process)
    sent(tenant, 1)
    other.stop()
    assert told(receiver) == []


def test_the_button_sends_the_test_notification_of_an_object(
    tenant: Tenant, receiver: Receiver
) -> None:
    """By name or id, with its own headers and payload."""
    made = notify(tenant, receiver)
    assert tenant.test_notification("Salt").status == 202
    assert tenant.test_notification(made, values={"PID": "999999"}).status == 202
    assert told(receiver) == [("OPEN", "99999"), ("OPEN", "999999")]
    assert receiver.taken[0][0]["authorization"] == "Bearer s3cret"
    with pytest.raises(ValueError, match="not one webhook notification 'none'"):
        tenant.test_notification("none")


def test_webhooks_of_a_test_need_no_settings(
    tenant: Tenant, receiver: Receiver, process: str
) -> None:
    """Also in a new environment."""
    tenant.add_webhook(receiver.url)
    tenant.open_problem(process)
    sent(tenant, 1)
    assert receiver.bodies()[0]["State"] == "OPEN"
