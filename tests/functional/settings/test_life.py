"""
The life of the tenant's settings: set, changed, found changed by others, taken back.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.functional.settings.conftest import (
    ALERTING,
    NOTIFICATION,
    PROFILE,
    SCOPES,
    URL,
    WEBHOOK_TOKEN,
    WINDOW,
    Site,
)

SLS = "dynatrace.tenant.webhook"
WEBHOOK = {"url": URL}
PATCHES = {
    "recurrence": "weekly",
    "day": "SUNDAY",
    "start": "02:00",
    "end": "04:00",
    "first_day": "2026-11-29",
    "last_day": "2027-11-28",
    "tags": ["[Environment]role:web"],
}
ALL = {
    "webhook": WEBHOOK,
    "process_alerting": {"apache": {"technology": "APACHE_HTTPD"}},
    "maintenance_windows": {"Patch night": PATCHES},
}


def theirs(**more: Any) -> dict[str, Any]:
    """
    A notification as a person makes it.
    """
    webhook = {
        "url": "https://chat.example.com/",
        "acceptAnyCertificate": True,
        "notifyClosedProblems": False,
        "notifyEventMergesEnabled": False,
        "headers": [{"name": "X-Site", "secret": False, "value": "one"}],
        "payload": '{"title": "{ProblemTitle}"}',
    }
    return {
        "enabled": True,
        "type": "WEBHOOK",
        "displayName": "Salt",
        "webHookNotification": {**webhook, **more},
    }


def test_the_whole_life(site: Site) -> None:
    """Each step says first what it would do, does it once, and has then nothing left to do."""
    process = site.tenant.add_process(site.tenant.add_host())
    [group] = site.tenant.entities[process].links["isInstanceOf"]
    empty = site.objects()
    site.pillar(ALL)

    planned: dict[str, Any] = {}
    assert site.written(lambda: planned.update(site.changed(test=True))) == []
    assert site.objects() == empty
    assert len(planned) == 4
    assert not site.tenant.alerting_on(process)
    assert site.changed() == planned
    assert site.value(ALERTING, group) == {
        "enabled": True,
        "alertingMode": "ON_PGI_UNAVAILABILITY",
    }
    assert site.tenant.alerting_on(process)
    [header] = site.value(NOTIFICATION)["webHookNotification"]["headers"]
    assert header["secretValue"] == f"Bearer {WEBHOOK_TOKEN}"
    assert site.value(WINDOW)["schedule"]["weeklyRecurrence"]["dayOfWeek"] == "SUNDAY"
    assert site.written(lambda: planned.update(site.changed())) == []
    assert site.changed() == site.changed(test=True) == {}

    full = site.objects()
    gone: dict[str, Any] = {}
    absent = "dynatrace.tenant.absent"
    assert site.written(lambda: gone.update(site.changed(absent, test=True))) == []
    assert site.objects() == full
    assert site.changed(absent) == gone
    assert len(gone) == 4
    assert site.objects() == empty
    assert site.written(lambda: site.changed(absent)) == []
    assert site.changed(absent) == {}


def test_a_site_may_use_the_states_with_everything_that_salt_offers(site: Site) -> None:
    """What belongs to Salt's compiler is taken for no option of the state."""
    hook = [{"name": "Salt"}, {"url": URL}, {"order": "last"}, {"failhard": True}]
    more = [{"onlyif": ["true"]}, {"retry": {"attempts": 2}}, {"require": [{"id": "first"}]}]
    own = {
        "first": {"test.nop": []},
        "hook": {"dynatrace_tenant.webhook_present": [*hook, *more]},
        "slip": {"dynatrace_tenant.webhook_present": [{"name": "Other"}, {"uri": URL}]},
    }
    tree = site.root / "tree"
    tree.mkdir()
    (tree / "own.sls").write_text(json.dumps(own))
    site.options["file_roots"]["base"].append(str(tree))
    told = {state["__id__"]: state for state in site.compiled("own")}
    assert told["hook"]["result"] is True, told["hook"]["comment"]
    assert told["slip"]["result"] is False
    assert "`uri` is no key of it, `url` is" in told["slip"]["comment"]


def test_only_what_differs_is_changed(site: Site) -> None:
    """One write, and a change that names the one property."""
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    site.pillar({"webhook": {**WEBHOOK, "merges": True}})
    differs = {"webHookNotification.notifyEventMergesEnabled": {"old": False, "new": True}}
    assert site.changed(SLS, test=True) == {"notification Salt": differs}
    [write] = site.written(lambda: site.changed(SLS))
    assert write.startswith("PUT ")
    site.pillar({"webhook": {**WEBHOOK, "merges": True, "severities": {"ERRORS": 1}}})
    assert list(site.changed(SLS)["alerting profile Salt"]) == ["severityRules"]
    # For another URL Dynatrace wants every secret anew; ours is known.
    site.pillar({"webhook": {**WEBHOOK, "url": "https://other.example.com/"}})
    assert "webHookNotification.url" in site.changed(SLS)["notification Salt"]
    assert site.changed(SLS) == {}


def test_a_secret_of_a_person_is_not_led_to_another_url(site: Site) -> None:
    """Dynatrace refuses it, and the comment tells what a person has to do."""
    mine = {"name": "X-Own", "secret": True, "secretValue": "0wn"}
    value = theirs(headers=[mine]) | {"alertingProfile": default_profile(site)}
    site.tenant.put_settings(NOTIFICATION, value)
    site.pillar({"webhook": WEBHOOK})
    before = site.objects()
    state = site.one(SLS)
    assert state["result"] is False
    assert "please re-enter all secret token(s)" in state["comment"]
    assert site.objects() == before


def test_another_token_is_sent_and_shown_nowhere(site: Site) -> None:
    """Dynatrace masks it, so the minion remembers a fingerprint."""
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    site.pillar({"webhook": WEBHOOK}, webhook_token="an0ther-S3cret")
    changes = site.changed(SLS, test=True)
    assert list(changes["notification Salt"]) == ["webHookNotification.headers"]
    assert site.changed(SLS) == changes
    [header] = site.value(NOTIFICATION)["webHookNotification"]["headers"]
    assert header["secretValue"] == "Bearer an0ther-S3cret"
    assert "S3cret" not in str(changes)
    assert site.changed(SLS) == {}


def test_a_token_that_somebody_else_has_set_is_sent_again(site: Site) -> None:
    """What changed in a secret cannot be seen, but that something did."""
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    [found] = site.tenant.settings_objects(NOTIFICATION)
    value = theirs(**found.value["webHookNotification"])
    value["alertingProfile"] = found.value["alertingProfile"]
    value["webHookNotification"]["headers"][0]["secretValue"] = "Bearer wrong"
    overwrite(site, found.object_id, value)
    assert list(site.changed(SLS)["notification Salt"]) == ["webHookNotification.headers"]
    [header] = site.value(NOTIFICATION)["webHookNotification"]["headers"]
    assert header["secretValue"] == f"Bearer {WEBHOOK_TOKEN}"
    assert site.changed(SLS) == {}


def overwrite(site: Site, object_id: str, value: Any) -> None:
    """
    Change an object as a person does, by a token of their own.
    """
    answer = requests.put(
        f"{site.tenant.url}/api/v2/settings/objects/{object_id}",
        json={"value": value},
        headers={"Authorization": f"Api-Token {site.tenant.add_token(SCOPES)}"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def default_profile(site: Site) -> str:
    return str(site.tenant.settings_objects(PROFILE)[0].object_id)


def test_what_a_person_had_is_put_back(site: Site) -> None:
    """Headers of their own stay meanwhile; another setting of the profile does too."""
    mine = {"name": "X-Own", "secret": True, "secretValue": "0wn"}
    value = theirs(url=URL, headers=[mine]) | {"alertingProfile": default_profile(site)}
    site.tenant.put_settings(NOTIFICATION, value)
    before = site.objects()
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    headers = site.value(NOTIFICATION)["webHookNotification"]["headers"]
    assert [one["secretValue"] for one in headers] == ["0wn", f"Bearer {WEBHOOK_TOKEN}"]
    assert len(site.tenant.settings_objects(NOTIFICATION)) == 1
    site.changed(f"{SLS}_absent")
    assert site.objects() == before
    assert site.changed(f"{SLS}_absent") == {}


def test_a_secret_that_cannot_be_put_back_is_said(site: Site) -> None:
    """Ours is not left in the notification of a person."""
    secret = {"name": "Authorization", "secret": True, "secretValue": "Basic th3irs"}
    value = theirs(headers=[secret]) | {"alertingProfile": default_profile(site)}
    site.tenant.put_settings(NOTIFICATION, value)
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    state = site.one(f"{SLS}_absent")
    assert state["result"] is True
    assert "in the headers Authorization: set them again" in state["comment"]
    webhook = site.value(NOTIFICATION)["webHookNotification"]
    assert (webhook["url"], webhook["headers"]) == ("https://chat.example.com/", [])


def test_what_a_person_has_changed_since_stays(site: Site) -> None:
    """Nobody's later decision is undone."""
    value = theirs() | {"alertingProfile": default_profile(site)}
    object_id = site.tenant.put_settings(NOTIFICATION, value)
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    later = {**site.value(NOTIFICATION), "enabled": False}
    overwrite(site, object_id, later)
    state = site.one(f"{SLS}_absent")
    assert "somebody has changed it since: it stays as it is" in state["comment"]
    assert site.value(NOTIFICATION)["enabled"] is False


def test_what_a_person_made_is_not_deleted(site: Site) -> None:
    """Neither a notification of the name, nor one that was as wanted already."""
    value = theirs() | {"alertingProfile": default_profile(site)}
    site.tenant.put_settings(NOTIFICATION, value)
    site.pillar({"webhook": WEBHOOK})
    before = site.objects()
    state = site.one(f"{SLS}_absent")
    assert (state["result"], state["changes"]) == (True, {})
    assert "that these states have not made" in state["comment"]
    assert site.objects() == before


def test_a_profile_that_others_use_stays(site: Site) -> None:
    """Deleting it would silence them."""
    site.pillar({"webhook": WEBHOOK})
    site.changed(SLS)
    value = theirs() | {
        "displayName": "Chat",
        "alertingProfile": site.value(NOTIFICATION)["alertingProfile"],
    }
    site.tenant.put_settings(NOTIFICATION, value)
    state = site.one(f"{SLS}_absent")
    assert "alerting profile Salt is used by others too" in state["comment"]
    assert [one.value["displayName"] for one in site.tenant.settings_objects(NOTIFICATION)] == [
        "Chat"
    ]
    assert site.value(PROFILE)["name"] == "Salt"


@pytest.mark.parametrize("memory", [True, False])
def test_what_these_states_made_goes_from_any_minion(site: Site, memory: bool) -> None:
    """The tenant itself knows whose it is, so a lost cache loses no more than this."""
    process = site.tenant.add_process(site.tenant.add_host())
    before = site.objects()
    site.pillar(ALL)
    site.changed()
    record = site.root / "cache" / "dynatrace" / "tenant" / "record.json"
    if not memory:
        record.unlink()
        assert list(site.changed(SLS)) == ["notification Salt"]
        record.unlink()
    site.changed("dynatrace.tenant.absent")
    assert site.objects() == before
    assert not site.tenant.alerting_on(process)


def test_an_entry_that_pillar_names_no_more_is_taken_back(site: Site) -> None:
    """The minion remembers the labels under which it has changed something."""
    site.tenant.add_process(site.tenant.add_host())
    site.pillar(ALL)
    site.changed("dynatrace.tenant.process_alerting")
    site.pillar({})
    assert site.changed("dynatrace.tenant.process_alerting_absent") != {}
    assert site.tenant.settings_objects(ALERTING) == []
