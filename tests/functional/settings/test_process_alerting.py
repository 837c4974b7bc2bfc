"""
Which process groups are found, what is set for them, and what is put back.
"""

from __future__ import annotations

from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.settings.conftest import ALERTING, Site

SLS = "dynatrace.tenant.process_alerting"
ON = {"enabled": True, "alertingMode": "ON_PGI_UNAVAILABILITY"}
HOSTILE = 'x"),entityName("~'


def group(site: Site, name: str, technology: str = "APACHE_HTTPD", zone: str | None = None) -> str:
    """
    Let a process run on a host of its own, and return its group.
    """
    process = site.tenant.add_process(site.tenant.add_host(), name, technology)
    [found] = site.tenant.entities[process].links["isInstanceOf"]
    if zone:
        site.tenant.entities[found].zones.append({"id": "1", "name": zone})
    return str(found)


def alerting(site: Site) -> set[str]:
    """
    Return the groups for which something is set.
    """
    return {one.scope for one in site.tenant.settings_objects(ALERTING)}


def ask(site: Site, test: bool = False, **options: Any) -> dict[str, Any]:
    site.pillar({"process_alerting": {"web": options}})
    return site.one(SLS, test)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"technology": "APACHE_HTTPD"}, ["shop", "blog", HOSTILE]),
        ({"technology": "NGINX"}, ["proxy"]),
        ({"process_group": "shop"}, ["shop"]),
        ({"process_group": HOSTILE}, [HOSTILE]),
        ({"management_zone": "Zone ~1"}, ["blog"]),
        ({"technology": "APACHE_HTTPD", "management_zone": "Zone ~1"}, ["blog"]),
        ({"technology": "NGINX", "process_group": "shop"}, []),
    ],
)
def test_groups_are_found_by_all_that_is_given(
    site: Site, options: dict[str, Any], found: list[str]
) -> None:
    """A name is compared whole, and whatever is in it stays a name."""
    groups = {
        "shop": group(site, "shop"),
        "shop2": group(site, "shop2", "TOMCAT"),
        "blog": group(site, "blog", zone="Zone ~1"),
        "proxy": group(site, "proxy", "NGINX"),
        HOSTILE: group(site, HOSTILE),
    }
    state = ask(site, **options)
    assert alerting(site) == {groups[name] for name in found}
    assert set(state["changes"]) == {f"{name} ({groups[name]})" for name in found}
    assert state["result"] is bool(found)
    if not found:
        assert "No process group matches type(" in state["comment"]
        assert "Nothing was changed" in state["comment"]


def test_that_no_group_is_known_yet_is_no_failure_of_a_test_run(site: Site) -> None:
    """Before the OneAgent is installed nothing can be known."""
    state = ask(site, test=True, technology="APACHE_HTTPD")
    assert state["result"] is None
    assert "No process group matches" in state["comment"]


def without_groups(site: Site, entries: dict[str, Any]) -> Any:
    site.pillar({"process_alerting": entries})
    return site._load()[0]["dynatrace_tenant.without_groups"]()


def test_what_matches_no_group_yet_is_told_by_its_label(site: Site) -> None:
    """However many another one matches; nothing is changed by asking."""
    entries = {
        "web": {"technology": "APACHE_HTTPD", "max_groups": 1},
        "proxy": {"technology": "NGINX"},
    }
    nginx = 'type("PROCESS_GROUP"),softwareTechnologies("NGINX")'
    apache = nginx.replace("NGINX", "APACHE_HTTPD")
    assert without_groups(site, {}) == {}
    assert without_groups(site, entries) == {"web": apache, "proxy": nginx}
    for number in range(3):
        group(site, f"shop{number}")
    assert without_groups(site, entries) == {"proxy": nginx}
    group(site, "proxy", "NGINX")
    assert without_groups(site, entries) == {}
    assert alerting(site) == set()
    with pytest.raises(CommandExecutionError, match="`tecnology` is no key"):
        without_groups(site, {"web": {"tecnology": "NGINX"}})
    with pytest.raises(CommandExecutionError, match="no mapping"):
        without_groups(site, {"web": "NGINX"})


def test_more_groups_than_allowed_are_an_error(site: Site) -> None:
    """A selector that matches half the environment is a slip."""
    for number in range(3):
        group(site, f"shop{number}")
    state = ask(site, technology="APACHE_HTTPD", max_groups=2)
    assert state["result"] is False
    assert "more than 2 entities match" in state["comment"]
    assert "raise `max_groups`. Nothing was changed." in state["comment"]
    assert alerting(site) == set()
    assert ask(site, technology="APACHE_HTTPD", max_groups=3)["result"] is True


def test_a_number_of_processes_may_be_asked_for(site: Site) -> None:
    """And taken back to any process again."""
    shop = group(site, "shop")
    ask(site, technology="APACHE_HTTPD", minimum=2)
    assert site.value(ALERTING, shop)["minimumInstanceThreshold"] == 2
    assert ask(site, technology="APACHE_HTTPD", minimum=2)["changes"] == {}
    changes = ask(site, technology="APACHE_HTTPD")["changes"]
    assert list(changes[f"shop ({shop})"]) == ["alertingMode"]
    assert site.value(ALERTING, shop) == ON


def test_what_a_person_had_switched_is_put_back(site: Site) -> None:
    """What was on before stays on, what was off goes off, what was not there goes away."""
    names = ("on", "off", "none", "later")
    groups = {name: group(site, name) for name in names}
    site.tenant.put_settings(ALERTING, ON, groups["on"])
    site.tenant.put_settings(ALERTING, {"enabled": False}, groups["off"])
    site.tenant.put_settings(ALERTING, {"enabled": False}, groups["later"])
    before = site.objects()
    state = ask(site, technology="APACHE_HTTPD")
    assert set(state["changes"]) == {f"{n} ({groups[n]})" for n in ("off", "none", "later")}
    threshold = {"alertingMode": "ON_INSTANCE_COUNT_VIOLATION", "minimumInstanceThreshold": 3}
    site.tenant.put_settings(ALERTING, {"enabled": True, **threshold}, groups["later"])

    state = site.one(f"{SLS}_absent")
    assert set(state["changes"]) == {groups["off"], groups["none"]}
    assert f"{groups['later']} was there before, and somebody has changed it" in state["comment"]
    left = {scope: value for _, scope, value in site.objects()}
    assert left.pop(groups["later"]) == {"enabled": True, **threshold}
    was = {scope: value for _, scope, value in before}
    assert was.pop(groups["later"]) == {"enabled": False}
    assert left == was


def test_a_failure_in_the_middle_says_how_far_it_came(site: Site) -> None:
    """What was set is shown as changed, and another run does the rest."""
    for name in ("a", "b", "c"):
        group(site, name)
    site.pillar({"process_alerting": {"web": {"technology": "APACHE_HTTPD"}}})

    def strike(entry: Any) -> None:
        if entry.what.startswith("setting") and len(alerting(site)) == 1:
            site.tenant.fault("server_error", path="/settings/objects", method="POST")

    unsubscribe = site.tenant.subscribe(strike)
    state = site.one(SLS)
    unsubscribe()
    assert state["result"] is False
    assert len(state["changes"]) == len(alerting(site)) < 3
    assert "Those before it are set, the others are not" in state["comment"]
    assert site.one(SLS)["result"] is True
    assert len(alerting(site)) == 3


def test_one_label_does_not_take_back_what_another_has_changed(site: Site) -> None:
    """Each remembers its own, also where a person had something before."""
    groups = {name: group(site, name, name.upper()) for name in ("nginx", "tomcat")}
    for scope in groups.values():
        site.tenant.put_settings(ALERTING, {"enabled": False}, scope)
    for name, scope in groups.items():
        assert site.run("process_alerting_present", name, technology=name.upper())["changes"]
        assert site.value(ALERTING, scope) == ON
    assert set(site.run("process_alerting_absent", "nginx")["changes"]) == {groups["nginx"]}
    assert site.value(ALERTING, groups["nginx"]) == {"enabled": False}
    assert site.value(ALERTING, groups["tomcat"]) == ON
