"""
The tenant's settings through the platform's gateway, by an OAuth client or a platform token.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.settings.conftest import NOTIFICATION, PROFILE, URL, Site
from tests.functional.settings.test_life import (
    ALL,
    PATCHES,
    SLS,
    WEBHOOK,
    default_profile,
    theirs,
)

SCOPES = (
    *("settings:objects:read", "settings:objects:write", "settings:schemas:read"),
    "environment-api:entities:read",
)


def by_client(site: Site, *scopes: str) -> None:
    """An OAuth client of the platform."""
    client_id, secret = site.tenant.add_oauth_client(scopes or SCOPES)
    oauth = {"client_id": client_id, "client_secret": secret, "token_url": site.tenant.sso_url}
    site.pillar(ALL, environment_url=site.tenant.platform_url, settings_token=None, oauth=oauth)


def by_token(site: Site, *scopes: str) -> None:
    """A platform token."""
    token = site.tenant.add_platform_token(scopes or SCOPES)
    site.pillar(ALL, environment_url=site.tenant.platform_url, settings_token=token)


@pytest.mark.parametrize("give", [by_client, by_token])
def test_the_states_do_on_the_platform_what_they_do_elsewhere(site: Site, give: Any) -> None:
    """Set, converged and taken back."""
    site.tenant.add_process(site.tenant.add_host())
    empty = site.objects()
    give(site)
    planned = site.changed(test=True)
    assert site.objects() == empty
    assert site.changed() == planned
    assert site.changed() == {}
    assert site.changed("dynatrace.tenant.absent") != {}
    assert site.objects() == empty


@pytest.mark.parametrize(
    ("give", "whose"), [(by_client, "dynatrace:oauth"), (by_token, "dynatrace:settings_token")]
)
def test_a_scope_that_is_missing_is_named_as_the_platform_does(
    site: Site, give: Any, whose: str
) -> None:
    """And nothing was set."""
    give(site, "settings:objects:read")
    before = site.objects()
    state = site.run("webhook_present", "Salt", url=URL)
    assert state["result"] is False
    assert f"{whose} needs the scope settings:objects:write." in state["comment"]
    assert site.objects() == before
    told = site.run("maintenance_window_present", "Patch night", **PATCHES)
    assert f"{whose} needs the scope settings:schemas:read." in told["comment"]


def test_an_access_token_that_ends_is_replaced(site: Site) -> None:
    """Whenever, also between two calls of one state."""
    by_client(site)
    site.changed(SLS)
    site.tenant.end_access_tokens()
    site.pillar({"webhook": {**WEBHOOK, "severities": {"ERRORS": 1}}})
    assert list(site.changed(SLS)) == [f"alerting profile {site.value(PROFILE)['name']}"]


def test_a_wrong_secret_of_the_client_is_said(site: Site) -> None:
    """In the words of the SSO, and without it."""
    by_client(site)
    secret = site.top["oauth"]["client_secret"]
    site.tenant.rotate_secret(site.top["oauth"]["client_id"])
    state = site.run("webhook_present", "Salt", url=URL)
    assert state["result"] is False
    assert "SSO refused the client of dynatrace:oauth (400)" in state["comment"]
    assert secret not in state["comment"]


def test_an_environment_that_is_taken_for_the_sso_is_said(site: Site) -> None:
    """It answers in HTML."""
    by_client(site)
    wrong = f"{site.tenant.platform_url}/sso/oauth2/token"
    site.pillar(ALL, oauth={**site.top["oauth"], "token_url": wrong})
    assert (
        "is no token URL of Dynatrace's SSO"
        in site.run("webhook_present", "Salt", url=URL)["comment"]
    )


def test_what_was_remembered_by_the_classic_url_is_known_by_the_platforms(site: Site) -> None:
    """A site that moves to the platform takes back what it had changed before."""
    value = theirs() | {"alertingProfile": default_profile(site)}
    site.tenant.put_settings(NOTIFICATION, value)
    before = site.objects()
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    by_client(site)
    site.pillar({"webhook": WEBHOOK})
    assert site.changed(SLS) == {}
    site.changed(f"{SLS}_absent")
    assert site.objects() == before
