"""
Policies of OS services: what is set for a remedy, where it stands among the site's, and what is put back.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.settings.conftest import POLICY, Site

SLS = "dynatrace.tenant.os_services"
NGINX = {"nginx": ["nginx"]}
UNITS = {**NGINX, "unit": ["app-*", "worker@*"]}


def names(site: Site) -> list[str]:
    """
    Return the policies of the environment, in their order.
    """
    return [one.value["name"] for one in site.tenant.settings_objects(POLICY, "environment")]


def apply(site: Site, units: Any, test: bool = False) -> list[dict[str, Any]]:
    """
    Set what pillar asks for, and return the states.
    """
    site.pillar({"os_services": units})
    asked = site._load()[0]["dynatrace_tenant.asked"]("os_services")
    assert asked["problem"] is None
    return [site.run("os_services_present", test=test, **one) for one in asked["entries"]]


def policy(site: Site, name: str, scope: str = "environment") -> Any:
    [found] = [
        one.value
        for one in site.tenant.settings_objects(POLICY, scope)
        if one.value["name"] == name
    ]
    return found


def test_a_remedy_has_one_policy_with_its_name_in_the_events(site: Site) -> None:
    """A unit of it that goes down is a problem that says which remedy heals it."""
    site.pillar({"os_services": NGINX})
    assert list(site.changed(SLS)) == ["OS-service policy Salt: nginx"]
    assert policy(site, "Salt: nginx") == {
        "enabled": True,
        "system": "LINUX",
        "name": "Salt: nginx",
        "alerting": True,
        "monitoring": False,
        "notInstalledAlerting": False,
        "alertActivationDuration": 1,
        "statusConditionLinux": "$or($eq(inactive),$eq(failed))",
        "detectionConditionsLinux": [
            {"property": "ServiceName", "condition": "$eq(nginx)"},
            {"property": "StartupType", "condition": "$not($eq(disabled))"},
        ],
        "metadata": [
            {"metadataKey": "salt_remedy", "metadataValue": "nginx"},
            {"metadataKey": "dt.osservice.name", "metadataValue": "{dt.osservice.name}"},
        ],
    }
    host = site.tenant.add_host()
    for unit in ("nginx", "cron"):
        site.tenant.add_os_service(host, unit)
        site.tenant.set_os_service_status(host, unit, "inactive")
    [problem] = site.tenant.problems
    assert problem.properties == {"salt_remedy": "nginx", "dt.osservice.name": "nginx"}
    assert site.changed(SLS) == {}
    assert site.written(lambda: site.changed(SLS)) == []


@pytest.mark.parametrize("disabled", [False, True])
def test_a_disabled_unit_is_no_problem_unless_it_is_asked_for(site: Site, disabled: bool) -> None:
    """It is installed on many hosts where nobody wants it to run, and healing it would start it there."""
    apply(site, {"nginx": {"units": ["nginx"], "disabled": disabled}})
    host = site.tenant.add_host()
    site.tenant.add_os_service(host, "nginx", startup_type="disabled")
    problem = site.tenant.set_os_service_status(host, "nginx", "inactive")
    assert (problem is not None) is disabled
    [state] = apply(site, NGINX)
    assert bool(state["changes"]) is disabled


def test_ours_stand_before_the_sites_in_the_order_of_pillar(site: Site) -> None:
    """The first that fits decides, so one behind the site's would never be asked."""
    site.tenant.default_os_policies()
    theirs = names(site)
    assert [state["result"] for state in apply(site, UNITS)] == [True, True]
    assert names(site) == ["Salt: nginx", "Salt: unit", *theirs]
    apply(site, {**UNITS, "redis": ["redis-server"]})
    assert names(site) == ["Salt: nginx", "Salt: unit", "Salt: redis", *theirs]
    host = site.tenant.add_host()
    site.tenant.add_os_service(host, "worker@2")
    problem = site.tenant.set_os_service_status(host, "worker@2", "inactive")
    assert problem is not None
    assert problem.properties["salt_remedy"] == "unit"


def test_a_policy_that_a_person_has_moved_keeps_its_place(site: Site) -> None:
    """Its value is brought back to what is wanted where it stands."""
    site.tenant.default_os_policies()
    apply(site, UNITS)
    first, *_, last = site.tenant.settings_objects(POLICY)
    site.tenant.move(site.tenant.settings[first.object_id], last.object_id)
    moved = names(site)
    assert moved[-1] == "Salt: nginx"
    [state, _] = apply(site, {**UNITS, "nginx": {"units": ["nginx", "nginx-*"], "cycles": 2}})
    changes = state["changes"]["OS-service policy Salt: nginx"]
    assert set(changes) == {"alertActivationDuration", "detectionConditionsLinux"}
    assert names(site) == moved


def test_with_test_true_nothing_is_set_and_the_changes_are_told(site: Site) -> None:
    """Dynatrace validates what would be set."""
    [state] = apply(site, NGINX, test=True)
    assert state["result"] is None
    new = state["changes"]["OS-service policy Salt: nginx"]["new"]
    assert new["detectionConditionsLinux"][0]["condition"] == "$eq(nginx)"
    assert "Salt: nginx would be set" in state["comment"]
    assert names(site) == []
    assert any("validateOnly" in call.query for call in site.tenant.requests)


@pytest.mark.parametrize("kind", ["HOST", "HOST_GROUP"])
def test_the_scope_may_be_a_host_or_a_group_of_hosts(site: Site, kind: str) -> None:
    """Only there a unit that is down is a problem; taking back finds it there."""
    inside = site.tenant.add_host("web01", group="web")
    outside = site.tenant.add_host("web02")
    [group] = site.tenant.entities[inside].links["isInstanceOf"]
    scope = inside if kind == "HOST" else group
    apply(site, {"nginx": {"units": ["nginx"], "scope": scope}})
    assert policy(site, "Salt: nginx", scope)["enabled"] is True
    for host in (inside, outside):
        site.tenant.add_os_service(host, "nginx")
        site.tenant.set_os_service_status(host, "nginx", "failed")
    [problem] = site.tenant.problems
    assert problem.affected == [site.tenant.os_service(inside, "nginx")]
    assert site.changed(f"{SLS}_absent") != {}
    assert site.tenant.settings_objects(POLICY) == []


def test_a_unit_that_cannot_be_said_is_refused_and_the_others_are_set(site: Site) -> None:
    """Nothing is set for that remedy, not even for its other units."""
    bad, good = apply(site, {"app": ["app-1", "app-?"], **NGINX})
    assert (bad["result"], bad["changes"], good["result"]) == (False, {}, True)
    assert "`units`: 'app-?' is no name or glob of a unit" in bad["comment"]
    assert names(site) == ["Salt: nginx"]


def test_what_a_person_added_to_a_policy_of_the_name_stays_and_is_put_back(site: Site) -> None:
    """Other metadata and the metric are theirs."""
    site.tenant.os_service_policy(
        "Salt: nginx", "$eq(other)", metadata={"team": "web", "salt_remedy": "x"}, monitoring=True
    )
    before = site.objects()
    apply(site, NGINX)
    now = policy(site, "Salt: nginx")
    assert now["monitoring"] is True
    metadata = {one["metadataKey"]: one["metadataValue"] for one in now["metadata"]}
    named = {"salt_remedy": "nginx", "dt.osservice.name": "{dt.osservice.name}"}
    assert metadata == {"team": "web", **named}
    [again] = apply(site, NGINX)
    assert again["changes"] == {}
    site.changed(f"{SLS}_absent")
    assert site.objects() == before


def test_two_of_one_name_are_an_error(site: Site) -> None:
    """Which one is meant, only a person knows."""
    for _ in range(2):
        site.tenant.os_service_policy("Salt: nginx", "$eq(nginx)")
    [state] = apply(site, NGINX)
    assert state["result"] is False
    assert "2 objects of builtin:os-services-monitoring are named Salt: nginx" in state["comment"]


def test_the_whole_is_set_from_what_the_orchestration_hands_on(site: Site) -> None:
    """As inline pillar, since the catalogue is the master's; and it is taken back without it."""
    handed = {"name": "nginx", "units": ["nginx"], "remedy": "web"}
    site.tenant.default_os_policies()
    before = site.objects()
    site.pillar({})
    states = site.compiled(pillar={"dynatrace_os_services": [handed]})
    changed = [name for state in states for name in state["changes"]]
    assert changed == ["OS-service policy Salt: nginx"]
    assert policy(site, "Salt: nginx")["metadata"][0]["metadataValue"] == "web"
    assert site.changed("dynatrace.tenant.absent") != {}
    assert site.objects() == before
