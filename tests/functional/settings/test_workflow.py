"""
The life of the workflow that tells the engine: its secret in the vault, its host allowed, and itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.settings.conftest import URL, WEBHOOK_TOKEN, Site
from tests.tenant.newer_schemas import OUTBOUND

SCOPES = (
    *("settings:objects:read", "settings:objects:write", "settings:schemas:read"),
    *("environment-api:credentials:read", "environment-api:credentials:write"),
    *("automation:workflows:read", "automation:workflows:write"),
)
HOST = "master.example.com"
LIST = "allowedOutboundConnections"


@pytest.fixture
def platform(site: Site) -> Site:
    """
    A minion that sets up the platform by an OAuth client.
    """
    log_in(site)
    return site


def log_in(site: Site, scopes: tuple[str, ...] = SCOPES) -> None:
    client_id, secret = site.tenant.add_oauth_client(scopes)
    oauth = {"client_id": client_id, "client_secret": secret, "token_url": site.tenant.sso_url}
    site.pillar(environment_url=site.tenant.platform_url, settings_token=None, oauth=oauth)


def present(site: Site, test: bool = False, **options: Any) -> dict[str, Any]:
    state = site.run("workflow_present", "Salt", test=test, **{"url": URL, **options})
    assert state["result"] is not False, state["comment"]
    return state


def absent(site: Site, test: bool = False) -> dict[str, Any]:
    state = site.run("workflow_absent", "Salt", test=test)
    assert state["result"] is not False, state["comment"]
    return state


def only(site: Site) -> Any:
    [workflow] = site.tenant.workflows.values()
    return workflow


def by_a_person(site: Site, change: Callable[[Any], None]) -> None:
    """
    Change the workflow as a person does, in the app.
    """
    workflow = only(site)
    change(workflow)
    site.tenant.workflows[workflow["id"]] = workflow


def allowed(site: Site) -> Any:
    found = site.tenant.settings_objects(OUTBOUND)
    return found[0].value[LIST]["hostList"] if found else None


def everything(site: Site) -> str:
    state = [site.objects(), site.tenant.workflows, site.tenant.vault]
    return json.dumps(state, sort_keys=True, default=str)


def test_the_whole_life(platform: Site) -> None:
    """Said first, done once, nothing left to do, and taken back."""
    site = platform
    empty = everything(site)
    planned = present(site, test=True)
    assert (planned["result"], everything(site)) == (None, empty)
    assert list(planned["changes"]) == [
        "credential Salt: Salt",
        "allowed outbound connections",
        "workflow Salt",
    ]
    done = present(site)
    assert (done["result"], done["changes"]) == (True, planned["changes"])
    assert site.written(lambda: present(site)) == []
    assert present(site)["changes"] == present(site, test=True)["changes"] == {}

    full = everything(site)
    gone = absent(site, test=True)
    assert (gone["result"], everything(site)) == (None, full)
    assert absent(site)["changes"] == gone["changes"]
    assert len(gone["changes"]) == 3
    assert everything(site) == empty
    assert absent(site)["changes"] == {}


def test_it_tells_the_listener_of_each_problem_that_opens_or_closes(platform: Site) -> None:
    """As soon as there is one, and with the record as Grail has it."""
    present(platform)
    workflow = only(platform)
    assert (workflow["isDeployed"], workflow["isPrivate"]) == (True, False)
    event = workflow["trigger"]["eventTrigger"]
    assert event["isActive"] is True
    value = event["triggerConfiguration"]["value"]
    assert value.pop("categories") == dict.fromkeys(
        ["availability", "error", "slowdown", "resource", "custom", "monitoringUnavailable"], True
    )
    assert value == {
        "entityTags": {},
        "onProblemClose": True,
        "analysisReady": False,
        "maintenanceWindowTriggerBehavior": "always",
    }
    [task] = workflow["tasks"].values()
    assert task["action"] == "dynatrace.automations:http-function"
    assert (task["input"]["url"], task["input"]["method"]) == (URL, "POST")
    assert task["input"]["payload"] == "{{ event() | to_json }}"


def test_the_secret_is_in_the_vault_and_in_nothing_that_can_be_read(platform: Site) -> None:
    """Of the workflow, the state's return, and the minion's record."""
    state = present(platform)
    [(entry, kept)] = platform.tenant.vault.items()
    assert kept["token"] == WEBHOOK_TOKEN
    assert (kept["scopes"], kept["ownerAccessOnly"]) == (["APP_ENGINE"], True)
    credential = only(platform)["tasks"]["tell_salt"]["input"]["credential"]
    assert credential == {"type": "token", "tokenPrefix": "Bearer", "credentialId": entry}
    record = platform.root / "cache" / "dynatrace" / "tenant" / "record.json"
    for text in (json.dumps(platform.tenant.workflows), str(state), record.read_text()):
        assert WEBHOOK_TOKEN not in text
        assert platform.top["oauth"]["client_secret"] not in text


def test_another_token_is_sent_again(platform: Site) -> None:
    """To the same entry; the workflow is not touched."""
    present(platform)
    platform.pillar(webhook_token="an0ther-S3cret")
    workflow = only(platform)
    state = present(platform, test=True)
    assert list(state["changes"]) == ["credential Salt: Salt"]
    assert "S3cret" not in str(state)
    assert present(platform)["changes"] == state["changes"]
    [kept] = platform.tenant.vault.values()
    assert kept["token"] == "an0ther-S3cret"
    assert present(platform)["changes"] == {}
    assert only(platform) == workflow


def test_only_what_differs_is_changed(platform: Site) -> None:
    """By name, and what is asked for no more is gone."""
    present(platform, tags=["owner:web", "[Environment]role:db"], severities=["ERRORS"])
    value = only(platform)["trigger"]["eventTrigger"]["triggerConfiguration"]["value"]
    assert value["entityTags"] == {"owner": ["web"], "[Environment]role": ["db"]}
    assert value["entityTagsMatch"] == "any"
    state = present(platform, tags=["owner:web"], severities=["ERRORS"])
    where = "trigger.eventTrigger.triggerConfiguration.value.entityTags.[Environment]role"
    assert state["changes"] == {"workflow Salt": {where: {"old": ["db"], "new": None}}}
    assert present(platform, tags=["owner:web"], severities=["ERRORS"])["changes"] == {}


def test_what_a_person_has_added_stays_and_what_is_ours_is_set_again(platform: Site) -> None:
    """A filter, a header, a task; not another URL, and no secret that can be read."""

    def change(workflow: Any) -> None:
        value = workflow["trigger"]["eventTrigger"]["triggerConfiguration"]["value"]
        value["customFilter"] = 'matchesValue(host.name, "web*")'
        workflow["tasks"]["mine"] = {"name": "mine", "action": "a:b", "position": {"x": 0, "y": 2}}
        own = workflow["tasks"]["tell_salt"]["input"]
        own["url"] = "https://elsewhere.example.com/"
        own["headers"] |= {"X-Site": "one", "authorization": "Bearer read-me"}
        workflow["hourlyExecutionLimit"] = 7

    present(platform)
    by_a_person(platform, change)
    changes = present(platform)["changes"]["workflow Salt"]
    assert list(changes) == [
        "tasks.tell_salt.input.url",
        "tasks.tell_salt.input.headers.authorization",
    ]
    workflow = only(platform)
    value = workflow["trigger"]["eventTrigger"]["triggerConfiguration"]["value"]
    assert value["customFilter"] == 'matchesValue(host.name, "web*")'
    assert "mine" in workflow["tasks"]
    assert workflow["hourlyExecutionLimit"] == 7
    assert workflow["tasks"]["tell_salt"]["input"]["headers"] == {
        "Content-Type": "application/json",
        "X-Site": "one",
    }


@pytest.mark.parametrize("what", ["workflow", "credential"])
def test_what_a_person_made_under_the_name_is_neither_taken_over_nor_deleted(
    platform: Site, what: str
) -> None:
    """Its tasks, or its secret, are theirs."""
    site = platform
    if what == "workflow":
        site.tenant.workflows["x"] = {"id": "x", "title": "Salt", "tasks": {}, "version": 1}
    else:
        entry = {"name": "Salt: Salt", "type": "TOKEN", "token": "mine", "scopes": ["ALL"]}
        site.tenant.vault["CREDENTIALS_VAULT-0000000000000001"] = entry
    before = everything(site)
    state = site.run("workflow_present", "Salt", url=URL)
    assert state["result"] is False
    assert "that these states have not made: choose another `name`" in state["comment"]
    assert everything(site) == before
    told = absent(site)
    assert told["changes"] == {}
    if what == "workflow":
        assert "that these states have not made" in told["comment"]
    assert everything(site) == before


def test_a_title_that_a_person_has_changed_is_set_again(platform: Site) -> None:
    """It is known by its mark, and no second one is made."""
    present(platform)
    by_a_person(platform, lambda workflow: workflow.update(title="Ours"))
    changes = present(platform)["changes"]
    assert changes == {"workflow Salt": {"title": {"old": "Ours", "new": "Salt"}}}
    assert only(platform)["title"] == "Salt"


@pytest.mark.parametrize(
    ("takes", "note"),
    [
        (("analysisReady",), "This tenant's trigger knows no maintenance windows"),
        ((), "This tenant's trigger knows no analysisReady"),
    ],
)
def test_a_tenant_is_told_only_what_it_takes_of_a_trigger(
    platform: Site, takes: tuple[str, ...], note: str
) -> None:
    """It is asked, and the comment says what was left out."""
    platform.tenant.switches.trigger_takes = takes
    for test in (True, False, False):
        assert note in present(platform, test=test, maintenance="outside")["comment"]
    value = only(platform)["trigger"]["eventTrigger"]["triggerConfiguration"]["value"]
    assert {"analysisReady", "maintenanceWindowTriggerBehavior"} & set(value) == set(takes)
    assert present(platform, maintenance="outside")["changes"] == {}


def test_a_trigger_that_is_refused_for_another_reason_is_said_before_anything_is_set(
    platform: Site,
) -> None:
    """In the tenant's words."""
    site = platform
    before = everything(site)
    site.tenant.fault("server_error", times=None, path="filter-preview", status=400, message="no")
    for test in (True, False):
        state = site.run("workflow_present", "Salt", test=test, url=URL)
        assert state["result"] is False
        assert "filter-preview answered 400: no" in state["comment"]
    assert everything(site) == before


def test_a_tenant_that_does_not_answer_is_not_asked_for_less(platform: Site) -> None:
    """Only a refusal of the trigger tells that something of it is not known."""
    site = platform
    site.tenant.fault("server_error", path="filter-preview", status=500)
    state = site.run("workflow_present", "Salt", url=URL)
    assert state["result"] is False
    assert "filter-preview answered 500" in state["comment"]
    assert site.tenant.workflows == {}


# -- the hosts that may be called


def test_hosts_of_others_stay(platform: Site) -> None:
    """Ours is added to the list, and taken from it, whatever became of it meanwhile."""
    site = platform
    value = {LIST: {"enforced": True, "hostList": ["a.example.com"]}}
    site.tenant.put_settings(OUTBOUND, value)
    present(site)
    assert allowed(site) == ["a.example.com", HOST]
    later = {LIST: {"enforced": True, "hostList": ["a.example.com", HOST, "b.example.com"]}}
    site.tenant.put_settings(OUTBOUND, later)
    absent(site)
    assert allowed(site) == ["a.example.com", "b.example.com"]


def test_a_host_that_was_allowed_already_stays_allowed(platform: Site) -> None:
    """It was not ours."""
    platform.tenant.put_settings(OUTBOUND, {LIST: {"enforced": True, "hostList": [HOST]}})
    assert "allowed outbound connections" not in present(platform)["changes"]
    absent(platform)
    assert allowed(platform) == [HOST]


def test_where_all_hosts_are_allowed_there_is_nothing_to_add(platform: Site) -> None:
    """The list is not even one then."""
    platform.tenant.put_settings(OUTBOUND, {LIST: {"enforced": False}})
    before = platform.objects()
    present(platform)
    absent(platform)
    assert platform.objects() == before


def test_a_host_that_two_workflows_need_goes_with_the_second(platform: Site) -> None:
    """Whichever was first."""
    site = platform
    other = {"url": f"https://{HOST}:9999/", "severities": ["ERRORS"]}
    present(site)
    assert site.run("workflow_present", "Other", **other)["result"] is True
    absent(site)
    assert allowed(site) == [HOST]
    assert site.run("workflow_absent", "Other")["result"] is True
    assert not allowed(site)


# -- credentials, and minions that remember nothing


def test_an_entry_of_the_vault_that_a_person_has_made_is_used_and_left(platform: Site) -> None:
    """Whoever may not write to the vault can do without."""
    site = platform
    entry = "CREDENTIALS_VAULT-00000000000000AA"
    log_in(site, tuple(one for one in SCOPES if "credentials" not in one))
    site.pillar(webhook_token=None)
    present(site, credential=entry)
    credential = only(site)["tasks"]["tell_salt"]["input"]["credential"]
    assert credential["credentialId"] == entry
    assert site.tenant.vault == {}
    state = absent(site)
    assert site.tenant.workflows == {}
    assert "The credential vault was not looked into" in state["comment"]


def test_what_these_states_made_goes_from_any_minion(platform: Site) -> None:
    """But for the host, which anybody may have come to need."""
    present(platform)
    (platform.root / "cache" / "dynatrace" / "tenant" / "record.json").unlink()
    assert list(present(platform)["changes"]) == ["credential Salt: Salt"]
    (platform.root / "cache" / "dynatrace" / "tenant" / "record.json").unlink()
    absent(platform)
    assert (platform.tenant.workflows, platform.tenant.vault) == ({}, {})
    assert allowed(platform) == [HOST]


def test_a_run_that_is_refused_half_way_is_finished_by_the_next(platform: Site) -> None:
    """The workflow comes last, so that none runs that cannot reach the listener."""
    site = platform
    site.tenant.fault("server_error", path="/workflows", method="POST", status=400)
    assert site.run("workflow_present", "Salt", url=URL)["result"] is False
    assert site.tenant.workflows == {}
    assert list(present(site)["changes"]) == ["workflow Salt"]
    absent(site)
    assert (site.tenant.vault, allowed(site)) == ({}, None)


def test_there_are_no_workflows_on_a_classic_url(site: Site) -> None:
    """The comment says which one it takes."""
    state = site.run("workflow_present", "Salt", url=URL)
    assert state["result"] is False
    assert "https://abc12345.apps.dynatrace.com" in state["comment"]
    assert site.tenant.workflows == {}


@pytest.mark.parametrize(
    "scope",
    [
        "automation:workflows:read",
        "automation:workflows:write",
        "environment-api:credentials:write",
        "settings:objects:write",
    ],
)
def test_a_scope_that_is_missing_is_named(site: Site, scope: str) -> None:
    """By the name that an OAuth client has for it."""
    log_in(site, tuple(one for one in SCOPES if one != scope))
    state = site.run("workflow_present", "Salt", url=URL)
    assert state["result"] is False
    assert f"dynatrace:oauth needs the scope {scope}" in state["comment"]
    assert site.tenant.workflows == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://master.example.com/"}, "`url` is where the tenant reaches"),
        ({"severities": ["ERROR"]}, "`severities`: ERROR is none of"),
        ({"severities": [{}]}, "`severities`: {} is none of"),
        ({"severities": {}}, "`severities` is a list"),
        ({"maintenance": "never"}, "`maintenance` is one of always, inside, outside"),
        ({"credential": "Bearer x"}, "`credential` is the id of an entry"),
        ({"closed": "yes"}, "`closed` is true or false"),
        ({"merges": True}, "`merges` is no key of it"),
    ],
)
def test_options_that_are_wrong_are_said_before_anything_is_asked(
    platform: Site, options: dict[str, Any], message: str
) -> None:
    """All at once."""
    asked = len(platform.tenant.requests)
    state = platform.run("workflow_present", "Salt", **{"url": URL, **options})
    assert state["result"] is False
    assert message in state["comment"]
    assert len(platform.tenant.requests) == asked
