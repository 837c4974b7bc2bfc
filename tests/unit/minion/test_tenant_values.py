"""
What is to be set in the tenant, how it differs from what is, and what of it may be shown.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tenant import RECOMMENDED_TEMPLATE
from tests.tenant.grammar import parse
from tests.unit.minion.loading import private
from tests.unit.minion.tenant import checked

modules = private()
values, window = modules.tenant.values, modules.tenant.window
URL = "https://master.example.com:8765/dynatrace"
MASK = "(masked)"
OURS = {"name": "Authorization", "secret": True, "secretValue": MASK}
OWN = {"name": "X-Site", "secret": True, "secretValue": MASK}


def notification(secret: str = "s3cret", **options: Any) -> dict[str, Any]:
    headers = options.pop("headers", [])
    asked = checked("webhook", **{"name": "Salt", "url": URL, **options})
    found = values.notification(asked, "profile-id", secret, headers)
    return dict(values.merged({}, found))


def test_the_payload_is_the_recommended_one() -> None:
    """What the documentation tells admins to paste is what the state sets."""
    assert notification()["webHookNotification"]["payload"] == RECOMMENDED_TEMPLATE


def test_the_token_goes_into_a_secret_header() -> None:
    """Nowhere else."""
    value = notification()
    [header] = value["webHookNotification"].pop("headers")
    assert header == {
        "name": "Authorization",
        "secret": True,
        "secretValue": "Bearer s3cret",
    }
    assert "s3cret" not in str(value)


def test_the_headers_of_a_person_stay_and_ours_is_there_once() -> None:
    """With the mask of their secret, which keeps it; whatever the case of our header's name."""
    plain = {"name": "authorization", "secret": False, "value": "Basic eDp5"}
    headers = notification(headers=[OWN, plain])["webHookNotification"]["headers"]
    assert headers[0] == OWN
    assert [one["name"] for one in headers] == ["X-Site", "Authorization"]


def test_rules_of_a_profile_filter_by_tags_when_there_are_any() -> None:
    """Dynatrace refuses a filter of tags in the mode NONE."""
    options = checked("webhook", name="Salt", url=URL, severities={"ERRORS": 5})
    [rule] = values.profile(options)["severityRules"]
    assert rule == {"severityLevel": "ERRORS", "delayInMinutes": 5, "tagFilterIncludeMode": "NONE"}
    [rule] = values.profile({**options, "tags": ["owner:web"]})["severityRules"]
    assert (rule["tagFilterIncludeMode"], rule["tagFilter"]) == ("INCLUDE_ANY", ["owner:web"])


def test_alerting_is_by_process_or_by_number() -> None:
    """The threshold is there only in the mode that has it."""
    one = values.merged({"minimumInstanceThreshold": 3}, values.alerting({"minimum": None}))
    assert one == {"enabled": True, "alertingMode": "ON_PGI_UNAVAILABILITY"}
    two = values.merged({}, values.alerting({"minimum": 2}))
    assert two["alertingMode"] == "ON_INSTANCE_COUNT_VIOLATION"
    assert two["minimumInstanceThreshold"] == 2


# -- selectors


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=50))
def test_any_name_is_one_value_of_the_selector(name: str) -> None:
    """Quotes, tildes, parentheses and commas do not end it or begin another criterion."""
    selector = values.selector({"process_group": name, "management_zone": name})
    kind, equals, zone = parse(selector)
    assert kind.values == ["PROCESS_GROUP"]
    assert (equals.name, equals.values, equals.nested) == ("entityName.equals", [name], [])
    assert (zone.name, zone.values, zone.nested) == ("mzName", [name], [])


def test_what_is_not_given_is_no_criterion() -> None:
    """All that is given must be met."""
    selector = values.selector({"technology": "NGINX", "process_group": None})
    assert selector == 'type("PROCESS_GROUP"),softwareTechnologies("NGINX")'


# -- windows


def test_a_window_holds_only_its_own_recurrence() -> None:
    """Another one's is taken away when the recurrence changes."""
    asked = {"name": "w", "start": "22:00", "end": "23:00", "tags": ["a:b"], "recurrence": "weekly"}
    days = {"day": "SUNDAY", "first_day": "2026-11-25", "last_day": "2026-12-25"}
    value = window.value(checked("maintenance_window", **asked, **days))
    was = {"schedule": {"scheduleType": "ONCE", "onceRecurrence": {"startTime": "x"}}}
    assert values.merged(was, value)["schedule"] == {
        "scheduleType": "WEEKLY",
        "weeklyRecurrence": {
            "dayOfWeek": "SUNDAY",
            "timeWindow": {"startTime": "22:00:00", "endTime": "23:00:00", "timeZone": "UTC"},
            "recurrenceRange": {
                "scheduleStartDate": "2026-11-25",
                "scheduleEndDate": "2026-12-25",
            },
        },
    }


def test_each_entity_of_a_window_is_a_filter_and_tags_are_one() -> None:
    """Filters are met one or the other, tags all together."""
    hosts = ["HOST-0000000000000001", "HOST-0000000000000002"]
    asked = {"name": "w", "start": "2026-11-25T22:00", "end": "2026-11-25T23:00"}
    options = checked(
        "maintenance_window", **asked, entities=hosts, tags=["a:b", "c"], entity_type="HOST"
    )
    filters = window.value(options)["filters"]
    assert [one.get("entityId") for one in filters] == [*hosts, None]
    assert filters[2]["entityTags"] == ["a:b", "c"]
    assert filters[2]["entityType"] == "HOST"


# -- differences


def test_what_a_person_has_added_is_no_difference() -> None:
    """Only what is wanted is compared, and what is there beside it stays."""
    was = {"name": "Salt", "severityRules": [], "eventFilters": [{"type": "CUSTOM"}]}
    rules = [{"severityLevel": "ERRORS", "delayInMinutes": 0, "tagFilterIncludeMode": "NONE"}]
    value = values.merged(was, {"name": "Salt", "severityRules": rules})
    assert value["eventFilters"] == [{"type": "CUSTOM"}]
    assert list(values.difference(was, value)) == ["severityRules"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"filters": [{"a": 1}, {"b": 2}]}, {"filters": [{"b": 2}, {"a": 1}]}),
        ({"filters": [{"entityTags": ["x", "y"]}]}, {"filters": [{"entityTags": ["y", "x"]}]}),
        ({"filters": [{"a": 1, "entityType": None}]}, {"filters": [{"a": 1, "entityTags": []}]}),
        ({"a": None}, {}),
        ({"minimumInstanceThreshold": 5}, {}),
        ({"webHookNotification": {"urlContainsSecret": False}}, {"webHookNotification": {}}),
        ({"headers": [OURS]}, {"headers": [{**OURS, "secretValue": "Bearer x"}]}),
    ],
)
def test_what_means_the_same_is_no_difference(old: Any, new: Any) -> None:
    """A state that finds one on every run would never be idempotent."""
    assert values.difference(old, new) == {}
    assert values.same(old, new)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": 1}, {"a": "1"}, "a"),
        ({"enabled": False}, {}, "enabled"),
        ({"filters": [{"a": 1}]}, {"filters": []}, "filters"),
        ({"minimumInstanceThreshold": 5}, {"minimumInstanceThreshold": 6}, "minimumInst"),
        ({}, {"headers": [OURS]}, "headers"),
        ({"schedule": {"scheduleType": "ONCE"}}, {"schedule": {"scheduleType": "DAILY"}}, "sched"),
    ],
)
def test_what_differs_is_found(old: Any, new: Any, where: str) -> None:
    """One entry, by its path."""
    [path] = values.difference(old, new)
    assert path.startswith(where)


def test_no_secret_is_shown() -> None:
    """Neither ours, nor a header's plain value, which may be a password too."""
    plain = {"name": "X-Key", "secret": False, "value": "pl4in"}
    value = {**notification("s3cret", headers=[plain]), "other": {"clientSecret": "0auth"}}
    shown = str(values.shown(value)) + str(values.difference({}, value))
    for secret in ("s3cret", "pl4in", "0auth"):
        assert secret not in shown
    assert value["webHookNotification"]["headers"][1]["secretValue"] == "Bearer s3cret"


def test_another_secret_shows_as_a_change_and_not_as_itself() -> None:
    """Who reads the changes learns that it is sent again."""
    value = notification("s3cret", headers=[OWN])
    changed = values.difference(value, values.with_changed_secret(value))
    assert list(changed) == ["webHookNotification.headers"]
    assert values.CHANGED in str(changed)
    assert "s3cret" not in str(changed)


# -- putting back


def test_a_secret_that_is_ours_is_not_put_back_as_a_persons() -> None:
    """The mask in our header would keep our token in a person's notification."""
    was = {"webHookNotification": {"url": URL, "headers": [OURS, OWN]}}
    again = values.restorable(was, {"webHookNotification": {"url": URL}})
    assert again["lost"] == ["Authorization"]
    assert again["value"]["webHookNotification"]["headers"] == [OWN]


def test_for_another_url_no_mask_is_put_back() -> None:
    """Dynatrace would refuse it, so that nobody can lead a secret elsewhere."""
    plain = {"name": "X-Plain", "secret": False, "value": "x"}
    was = {"webHookNotification": {"url": "https://a/", "headers": [OWN, plain]}}
    again = values.restorable(was, {"webHookNotification": {"url": URL}})
    assert again["lost"] == ["X-Site"]
    assert again["value"]["webHookNotification"]["headers"] == [plain]
    assert values.restorable({"enabled": False}, {}) == {"value": {"enabled": False}, "lost": []}
