"""
What goes wrong between minion and tenant: what is said then, and that nothing half-done is left.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.functional.client.servers import Authority
from tests.functional.settings.conftest import (
    NOTIFICATION,
    PROFILE,
    SCOPES,
    URL,
    WEBHOOK_TOKEN,
    Site,
)
from tests.tenant import Tenant

WEBHOOK = {"webhook": {"url": URL}}
SLS = "dynatrace.tenant.webhook"
OBJECTS = "/api/v2/settings/objects"


def refused(site: Site, sls: str = SLS, test: bool = False) -> str:
    """
    Apply an SLS whose one state fails, without changing anything, and return what it says.
    """
    before = site.objects()
    state = site.one(sls, test)
    assert state["result"] is False, state
    assert state["changes"] == {}
    assert site.objects() == before
    return str(state["comment"])


@pytest.mark.parametrize(
    ("scopes", "sls", "missing"),
    [
        (["settings.write", "entities.read"], SLS, "settings.read"),
        (["settings.read", "entities.read"], SLS, "settings.write"),
        (
            ["settings.read", "settings.write"],
            "dynatrace.tenant.process_alerting",
            "entities.read",
        ),
    ],
)
def test_a_missing_scope_is_named(site: Site, scopes: list[str], sls: str, missing: str) -> None:
    """With the key of the token that lacks it."""
    tenant = {**WEBHOOK, "process_alerting": {"web": {"technology": "APACHE_HTTPD"}}}
    site.pillar(tenant, settings_token=site.tenant.add_token(scopes))
    comment = refused(site, sls)
    assert f"(403): dynatrace:settings_token needs the scope {missing}" in comment


def test_without_settings_write_nothing_can_be_planned_either(site: Site) -> None:
    """The tenant's own validation is part of the answer."""
    site.pillar(WEBHOOK, settings_token=site.tenant.add_token(["settings.read"]))
    assert "needs the scope settings.write" in refused(site, test=True)


def test_an_expired_token_is_said(site: Site) -> None:
    """Not as a missing scope."""
    site.pillar(WEBHOOK)
    site.tenant.expire_token(site.token)
    assert "Dynatrace rejected dynatrace:settings_token (401)" in refused(site)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"settings_token": None}, "a token with the scopes settings.read, settings.write"),
        ({"settings_token": "a b"}, "dynatrace:settings_token is no token"),
        ({"settings_token": "sdb://nowhere/x"}, "its sdb profile is not known here"),
        ({"webhook_token": None}, "dynatrace:webhook_token is not set"),
        ({"webhook_token": "a\nb"}, "dynatrace:webhook_token is not set, or is no token"),
        ({"environment_url": "http://abc.example.com"}, "is no https:// URL such as"),
        ({"ca_bundle": "/nowhere"}, "dynatrace:ca_bundle: there is no file /nowhere"),
    ],
)
def test_what_is_missing_is_said_by_its_key(site: Site, top: Any, message: str) -> None:
    """Before anything is asked of the tenant but which schemas it has."""
    site.pillar(WEBHOOK, **top)
    assert message in refused(site)
    assert {call.path for call in site.tenant.requests} <= {"/api/v2/settings/schemas"}


def test_a_private_address_is_explained(site: Site) -> None:
    """What Dynatrace says, and what can be done; the profile is not left behind."""
    site.pillar({"webhook": {"url": "https://10.0.0.7:8765/dynatrace"}})
    for test in (True, False):
        comment = refused(site, test=test)
        assert "The environment does not allow for site-local URLs" in comment
        assert "the engine polls, and needs no way in" in comment


def test_a_profile_that_was_made_for_a_refused_notification_goes_again(site: Site) -> None:
    """Where no other profile can stand in, the refusal comes only after it was made."""
    site.pillar({"webhook": {"url": "https://10.0.0.7:8765/dynatrace"}})
    site.tenant.settings.clear()
    assert "site-local" in refused(site)
    assert site.tenant.settings_objects(PROFILE) == []


def test_of_two_with_one_name_none_is_changed(site: Site) -> None:
    """Which one is meant, only a person knows."""
    for url in ("https://a.example.com/", "https://b.example.com/"):
        webhook = {
            "url": url,
            "acceptAnyCertificate": False,
            "notifyClosedProblems": True,
            "notifyEventMergesEnabled": False,
            "headers": [],
            "payload": '{"a": "{State}"}',
        }
        value = {
            "enabled": True,
            "type": "WEBHOOK",
            "displayName": "Salt",
            "alertingProfile": site.tenant.settings_objects(PROFILE)[0].object_id,
            "webHookNotification": webhook,
        }
        site.tenant.put_settings(NOTIFICATION, value)
    site.pillar(WEBHOOK)
    comment = refused(site)
    assert "2 objects of builtin:problem.notifications are named Salt" in comment
    assert "rename or delete one of them in Dynatrace. Nothing was changed." in comment


def test_what_the_tenant_refuses_is_told_in_its_words(site: Site) -> None:
    """Which property, and why."""
    site.pillar({"maintenance_windows": {"w": {**window(), "time_zone": "Middle/Earth"}}})
    comment = refused(site, "dynatrace.tenant.maintenance_windows")
    assert "timeZone" in comment


def window() -> dict[str, Any]:
    return {"start": "2026-12-01T00:00", "end": "2026-12-01T01:00", "tags": ["a:b"]}


@pytest.mark.parametrize(
    ("fault", "options", "message"),
    [
        ("redirect_elsewhere", {}, "was redirected (302), and no redirect is followed"),
        ("html_200", {}, "the answer is no JSON"),
        ("empty_body", {}, "the answer has no list `items`"),
        ("wrong_type", {}, "the answer has no list `items`"),
        ("server_error", {}, "answered 500: Internal server error; check"),
        ("bad_gateway_html", {}, "answered 502; check dynatrace:environment_url"),
    ],
)
def test_a_strange_answer_is_said(site: Site, fault: str, options: Any, message: str) -> None:
    """And the token goes nowhere else."""
    site.pillar(WEBHOOK)
    site.tenant.fault(fault, path=OBJECTS, **options)
    assert message in refused(site)


def test_a_refusal_for_load_is_waited_out(site: Site) -> None:
    """Both 429 and 503 are answers of a tenant that has taken nothing."""
    site.pillar(WEBHOOK)
    site.tenant.fault("rate_limited", path=OBJECTS, method="GET", retry_after=0)
    assert len(site.changed(SLS)) == 2
    asked = [call.status for call in site.tenant.requests if OBJECTS in call.path]
    assert asked[:2] == [429, 200]


def test_a_failure_after_the_profile_says_how_far_it_came(site: Site) -> None:
    """The next run does the rest."""
    site.pillar(WEBHOOK)

    def strike(entry: Any) -> None:
        if entry.what == "settings created" and entry.detail["schema"] == PROFILE:
            # The first is the validation.
            site.tenant.fault("slow", path=OBJECTS, method="POST", delay=0)
            site.tenant.fault("dropped_connection", path=OBJECTS, method="POST")

    unsubscribe = site.tenant.subscribe(strike)
    state = site.one(SLS)
    unsubscribe()
    assert state["result"] is False
    assert state["comment"].endswith("The alerting profile is set already.")
    assert list(site.changed(SLS)) == ["notification Salt"]


def test_a_write_whose_answer_is_lost_is_found_by_the_next_run(site: Site) -> None:
    """It is not tried again blindly, and nothing is there twice."""
    site.pillar({"maintenance_windows": {"w": window()}})
    sls = "dynatrace.tenant.maintenance_windows"
    # The first is the validation.
    site.tenant.fault("slow", path=OBJECTS, method="POST", delay=0)
    site.tenant.fault("dropped_connection", path=OBJECTS, method="POST", carried_out=True)
    state = site.one(sls)
    assert state["result"] is False
    assert "Whether the tenant carried it out is not known; run it again" in state["comment"]
    assert site.one(sls)["result"] is True
    assert len(site.tenant.settings_objects("builtin:alerting.maintenance-window")) == 1
    site.changed("dynatrace.tenant.maintenance_windows_absent")
    assert site.tenant.settings_objects("builtin:alerting.maintenance-window") == []


def test_every_page_is_read(site: Site) -> None:
    """What stands on the last page is found, and not made a second time."""
    for number in range(500):
        site.tenant.alerting_profile(f"A{number}")
    site.pillar(WEBHOOK)
    assert len(site.changed(SLS)) == 2
    assert site.changed(SLS) == {}
    assert any("nextPageKey" in call.query for call in site.tenant.requests)


def test_the_tenants_certificate_is_verified(tmp_path: Path) -> None:
    """One that no known authority signed is refused, until its authority is named."""
    authority = Authority(tmp_path, "authority")
    authority.server()
    both = str(tmp_path / "authority-127.0.0.1-False.pem")
    with Tenant.empty(cert=both, key=both) as tenant:
        site = Site(tmp_path, tenant)
        site.pillar(WEBHOOK)
        assert re.search(
            r"is not trusted \(.*local issuer.*\); set dynatrace:ca_bundle", refused(site)
        )
        assert tenant.requests == []
        site.pillar(WEBHOOK, ca_bundle=str(authority.path))
        assert len(site.changed(SLS)) == 2


def test_a_refusal_that_repeats_what_was_sent_shows_no_token(tmp_path: Path) -> None:
    """The value comes back in the answer, and is not told."""
    with Tenant.empty(secrets_in_invalid_value=True) as tenant:
        site = Site(tmp_path, tenant)
        site.pillar({"webhook": {"url": "https://10.0.0.7/"}})
        comment = refused(site)
        assert "site-local" in comment
        assert WEBHOOK_TOKEN not in comment


def test_scopes_are_those_that_are_documented() -> None:
    """The page tells which the token needs; with exactly these everything here works."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "tenant.md").read_text()
    assert all(f"`{scope}`" in page for scope in SCOPES)
