"""
What the schemas of settings let in, and what they refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tenant import ApiError, Tenant
from tests.unit.tenant.conftest import Client
from tests.unit.tenant.settings import (
    AVAILABILITY,
    NOTIFICATION,
    PROFILE,
    WINDOW,
    changed,
    post,
    profile,
    rule,
    violations,
    webhook,
    window,
)

HOOK = "webHookNotification"
SITE_LOCAL = "The environment does not allow for site-local URLs"
ONCE = "schedule/onceRecurrence"
_REGEX = {"operator": "REGEX_MATCHES", "value": "(", "negate": False, "caseSensitive": False}
UNBALANCED = {"type": "CUSTOM", "customFilter": {"titleFilter": {**_REGEX, "enabled": True}}}


@pytest.fixture
def client(tenant: Tenant) -> Iterator[Client]:
    one = Client(tenant, tenant.add_token(["settings.write"]))
    with one.session:
        yield one


@pytest.fixture
def profile_id(tenant: Tenant) -> str:
    return tenant.settings_objects()[0].object_id


def refused(client: Client, schema: str, value: Any, scope: str = "environment") -> dict[str, str]:
    answer = post(client, schema, value, scope=scope, validateOnly="true")
    found = violations(answer) if answer.status_code != 200 else {}
    return {path.removeprefix(f"{schema}/0/"): text for path, text in found.items()}


@pytest.mark.parametrize(
    ("path", "new", "where", "words"),
    [
        ("enabled", None, "enabled", "'enabled' with value: 'null' does not comply with required"),
        ("enabled", "yes", "enabled", "Must be of type boolean"),
        ("unknown", 1, "unknown", "Unknown property 'unknown'"),
        ("displayName", "", "displayName", "length must be between 1 and 100"),
        ("displayName", " ", "displayName", "must not be blank"),
        ("displayName", "x" * 101, "displayName", "length must be between 1 and 100"),
        ("type", "PIGEON", "type", "is not a valid value in datasource. Value must be one of"),
        ("type", "EMAIL", HOOK, "must not be set"),
        ("alertingProfile", "no-such-id", "alertingProfile", "Must be of type setting"),
        (f"{HOOK}/url", "ftp://x.example.com", f"{HOOK}/url", "must match the pattern"),
        (f"{HOOK}/url", "https://" + "x" * 1000, f"{HOOK}/url", "between 1 and 1000"),
        (f"{HOOK}/url", "https://[bad/x", f"{HOOK}/url", "must be a URL"),
        (f"{HOOK}/url", "https://x:port/x", f"{HOOK}/url", "must be a URL"),
        (f"{HOOK}/useOAuth2", True, f"{HOOK}/useOAuth2", "not a valid value"),
        (f"{HOOK}/payload", "x" * 5001, f"{HOOK}/payload", "between 1 and 5000"),
        (f"{HOOK}/payload", '{"a": {ProblemStartTime}}', f"{HOOK}/payload", "no valid JSON"),
        (f"{HOOK}/secretUrl", "https://x.example.com", f"{HOOK}/secretUrl", "must not be set"),
        (f"{HOOK}/headers/0/value", "x", f"{HOOK}/headers/0/value", "must not be set"),
        (f"{HOOK}/headers/1/value", None, f"{HOOK}/headers/1/value", "required NonNull"),
        (f"{HOOK}/headers/1/value", "x" * 8193, f"{HOOK}/headers/1/value", "between 0 and 8192"),
        (f"{HOOK}/headers/0/name", "", f"{HOOK}/headers/0/name", "between 1 and 500"),
        (f"{HOOK}/headers", {}, f"{HOOK}/headers", "Must be of type set"),
    ],
)
def test_a_wrong_notification_is_refused(
    client: Client, profile_id: str, path: str, new: Any, where: str, words: str
) -> None:
    """With the path of what is wrong, and nothing is kept."""
    found = refused(client, NOTIFICATION, changed(webhook(profile_id), path, new))
    assert words in found[where]
    assert client.tenant.settings_objects(NOTIFICATION) == []


def test_right_notifications_are_taken(client: Client, profile_id: str) -> None:
    """Text under another content type, a secret URL, optional parts, and other people's mail."""
    text = {"name": "content-type", "secret": False, "value": "text/plain"}
    hidden = {"url": None, "urlContainsSecret": True, "secretUrl": "https://x.example.com/?t=1"}
    assert refused(client, NOTIFICATION, webhook(profile_id)) == {}
    for changes in (
        {"headers": [text], "payload": "{State} is no JSON"},
        hidden,
        {"timeoutInSeconds": 20, "useOAuth2": False, "urlContainsSecret": False},
    ):
        assert refused(client, NOTIFICATION, webhook(profile_id, **changes)) == {}
    mail = changed(changed(webhook(profile_id), HOOK, None), "type", "EMAIL")
    mail["emailNotification"] = {"recipients": ["ops@example.com"]}
    assert refused(client, NOTIFICATION, mail) == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/x", "https://localhost/x", "https://a.localhost", "http://[::1]/",
        "https://10.1.2.3/", "https://172.31.0.1/", "https://192.168.0.1:443/x",
        "https://169.254.1.1/", "https://[fd00::1]/", "https://salt.local/x", "http://0.0.0.0/",
    ],
)  # fmt: skip
def test_a_site_local_url_is_refused_unless_it_is_allowed(
    client: Client, tenant: Tenant, profile_id: str, url: str
) -> None:
    """In the open and as a secret; `site_local_urls` allows it."""
    hidden = {"url": None, "urlContainsSecret": True, "secretUrl": url}
    assert refused(client, NOTIFICATION, webhook(profile_id, url)) == {f"{HOOK}/url": SITE_LOCAL}
    found = refused(client, NOTIFICATION, webhook(profile_id, **hidden))
    assert found == {f"{HOOK}/secretUrl": SITE_LOCAL}
    tenant.switches.site_local_urls = True
    assert refused(client, NOTIFICATION, webhook(profile_id, url)) == {}


@pytest.mark.parametrize("url", ["https://172.32.0.1/", "https://11.0.0.1/", "https://x.localx/"])
def test_a_public_url_is_not_site_local(client: Client, profile_id: str, url: str) -> None:
    """What only resembles one is let through."""
    assert refused(client, NOTIFICATION, webhook(profile_id, url)) == {}


@pytest.mark.parametrize(
    ("path", "new", "where"),
    [
        ("name", "x" * 101, "name"),
        ("severityRules", None, "severityRules"),
        ("severityRules/0/severityLevel", "ERROR", "severityRules/0/severityLevel"),
        ("severityRules/0/delayInMinutes", -1, "severityRules/0/delayInMinutes"),
        ("severityRules/0/delayInMinutes", 10_001, "severityRules/0/delayInMinutes"),
        ("severityRules/0/delayInMinutes", True, "severityRules/0/delayInMinutes"),
        ("severityRules/0/tagFilter", ["x"], "severityRules/0/tagFilter"),
        ("severityRules/0/tagFilterIncludeMode", "INCLUDE_ANY", "severityRules/0/tagFilter"),
        ("severityRules", [rule()] * 101, "severityRules"),
        ("eventFilters", [{"type": "CUSTOM", "customFilter": {}}], "eventFilters/0/customFilter"),
        ("eventFilters", ["x"], "eventFilters/0"),
        ("eventFilters", [UNBALANCED], "eventFilters/0/customFilter/titleFilter/value"),
        ("managementZone", "some", "managementZone"),
    ],
)
def test_a_wrong_profile_is_refused(client: Client, path: str, new: Any, where: str) -> None:
    """ERRORS is the word of profiles; tags only with a mode that looks at them."""
    assert list(refused(client, PROFILE, changed(profile(), path, new))) == [where]


@pytest.mark.parametrize(
    ("path", "new", "where"),
    [
        ("generalProperties/suppression", "SOME", "generalProperties/suppression"),
        ("generalProperties/name", "", "generalProperties/name"),
        ("generalProperties/description", "", "generalProperties/description"),
        (f"{ONCE}/startTime", "2030-01-01T10:00", f"{ONCE}/startTime"),
        (f"{ONCE}/startTime", "2030-13-01T10:00:00", f"{ONCE}/startTime"),
        (f"{ONCE}/startTime", 5, f"{ONCE}/startTime"),
        (f"{ONCE}/startTime", "2030-01-01T11:00:00", f"{ONCE}/endTime"),
        (f"{ONCE}/timeZone", "Europe/Nowhere", f"{ONCE}/timeZone"),
        (f"{ONCE}/timeZone", "../UTC", f"{ONCE}/timeZone"),
        ("schedule/dailyRecurrence", {}, "schedule/dailyRecurrence"),
        ("filters", [{"entityTags": []}], "filters/0/managementZones"),
        (
            "filters",
            [{"entityId": "web01", "entityTags": [], "managementZones": []}],
            "filters/0/entityId",
        ),
    ],
)
def test_a_wrong_window_is_refused(client: Client, path: str, new: Any, where: str) -> None:
    """Enums, names, times, zones, the recurrence of another type, filters."""
    assert list(refused(client, WINDOW, changed(window(), path, new))) == [where]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({}, "enabled"),
        ({"enabled": True}, "alertingMode"),
        ({"enabled": True, "alertingMode": "SOME"}, "alertingMode"),
        (
            {"enabled": True, "alertingMode": "ON_INSTANCE_COUNT_VIOLATION"},
            "minimumInstanceThreshold",
        ),
        (
            {
                "enabled": True,
                "alertingMode": "ON_PGI_UNAVAILABILITY",
                "minimumInstanceThreshold": 2,
            },
            "minimumInstanceThreshold",
        ),
    ],
)
def test_a_wrong_process_group_alerting_is_refused(
    client: Client, tenant: Tenant, process: str, value: Any, where: str
) -> None:
    """A mode when it is on, a number only with the mode that counts."""
    group = tenant.entities[process].links["isInstanceOf"][0]
    assert list(refused(client, AVAILABILITY, value, group)) == [where]


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_a_value_that_is_no_object_is_refused(client: Client, value: Any) -> None:
    """Whatever the schema."""
    answer = post(client, PROFILE, value)
    assert violations(answer) == {f"{PROFILE}/0": "Must be of type object"}


def paths(value: Any, before: str = "") -> Iterator[str]:
    """
    Yield the path of everything inside a value.
    """
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside:
        yield f"{before}{key}"
        if isinstance(one, dict | list):
            yield from paths(one, f"{before}{key}/")


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("https://[")
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4
)
_FILTERED = profile(severityRules=[rule(tagFilter=["a"])], eventFilters=[UNBALANCED])


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_value_is_too_strange_to_be_judged(data: st.DataObject) -> None:
    """It is taken or refused with violations, whatever stands wherever."""
    tenant = Tenant()
    (default,) = tenant.settings_objects()
    good = {PROFILE: _FILTERED, NOTIFICATION: webhook(default.object_id), WINDOW: window()}
    schema = data.draw(st.sampled_from(sorted(good)))
    path = data.draw(st.sampled_from(sorted(paths(good[schema]))))
    strange = data.draw(_JSON)
    try:
        tenant.put_settings(schema, changed(good[schema], path, strange))
    except ApiError as err:
        assert err.code == 400
        assert err.violations
    tenant.raise_problem(tenant.add_process(tenant.add_host()))
    tenant.stop_sending()
