"""
What may stand under ``dynatrace:tenant``, and what is said about what may not.
"""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml
from salt.exceptions import CommandExecutionError

from tests.tenant.conditions import parse_condition
from tests.unit.minion.loading import REPO
from tests.unit.minion.tenant import checked, modules

URL = "https://master.example.com:8765/dynatrace"
HOST = "HOST-5FD609AD6757BE7D"
ONCE = {"name": "w", "start": "2026-11-25T22:00", "end": "2026-11-25T23:00", "tags": ["a:b"]}
WEEKLY = {
    "name": "w",
    "recurrence": "weekly",
    "day": "SUNDAY",
    "start": "22:00",
    "end": "23:00",
    "first_day": "2026-11-25",
    "last_day": "2026-12-25",
    "tags": ["a:b"],
}


def asked(given: Any, kind: str = "webhook") -> Any:
    return modules({"dynatrace:tenant": given}).tenant.options.asked(kind)


def test_a_webhook_needs_no_more_than_its_url() -> None:
    """The profile is named as the notification, and closed problems are notified."""
    options = checked("webhook", name="Salt", url=URL)
    assert (options["profile"], options["closed"], options["merges"]) == ("Salt", True, False)
    assert options["severities"]["AVAILABILITY"] == 0
    assert checked("webhook", name="Salt", url=URL, tags=None)["tags"] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": None}, "`url` is where the tenant reaches"),
        ({"url": "http://master.example.com/"}, "http:// only to a loopback address"),
        ({"url": "https://user:pass@example.com/"}, "without user or password"),
        ({"url": "ftp://example.com"}, "`url` is where"),
        ({"url": "https://x/" + "y" * 1000}, "`url` is where"),
        ({"urls": URL}, "`urls` is no key of it, `url` is"),
        ({"zzz": 1}, "`zzz` is no key of it; these are: name, url, "),
        ({"name": ""}, "`name` is a text of at most 100"),
        ({"name": "x" * 101}, "`name` is a text of at most 100"),
        ({"name": "a\nb"}, "`name` is a text of at most 100"),
        ({"profile": 7}, "`profile` is a text"),
        ({"closed": "yes"}, "`closed` is true or false"),
        ({"enabled": 1}, "`enabled` is true or false"),
        ({"tags": "owner:web"}, "`tags` is a list of tags"),
        ({"tags": [""]}, "`tags` is a list of tags"),
        ({"severities": []}, "`severities` maps AVAILABILITY"),
        ({"severities": {"ERROR": 0}}, "ERROR is none of AVAILABILITY, ERRORS"),
        ({"severities": {"ERRORS": "0"}}, "a whole number of minutes"),
        ({"severities": {"ERRORS": -1}}, "a whole number of minutes"),
        ({"severities": {"ERRORS": True}}, "a whole number of minutes"),
    ],
)
def test_a_wrong_webhook_says_what_is_allowed(given: dict[str, Any], message: str) -> None:
    """Before anything is asked of the tenant."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("webhook", **{"name": "Salt", "url": URL, **given})
    assert message in str(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """One run is enough to learn of every slip."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("webhook", name="Salt", uri=URL, closed="no", tags=7)
    for key in ("uri", "closed", "tags", "url"):
        assert f"`{key}`" in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "must say which groups"),
        ({"technology": "Apache HTTPD"}, "such as APACHE_HTTPD"),
        ({"technology": 7}, "`technology` is a text"),
        ({"process_group": "a\x00b"}, "`process_group` is a text"),
        ({"management_zone": ["a"]}, "`management_zone` is a text"),
        ({"technology": "NGINX", "minimum": 0}, "`minimum` is a whole number"),
        (
            {"technology": "NGINX", "max_groups": 201},
            "`max_groups` is a whole number from 1 to 200",
        ),
        ({"technologies": "NGINX"}, "`technologies` is no key of it, `technology` is"),
    ],
)
def test_wrong_process_groups_say_what_is_allowed(given: dict[str, Any], message: str) -> None:
    """No selector is made of a value that has not been checked."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("process_alerting", name="x", **given)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "`units` is a list of 1 to 50 names or globs"),
        ({"units": "nginx"}, "`units` is a list"),
        ({"units": []}, "`units` is a list"),
        ({"units": ["x"] * 51}, "`units` is a list"),
        ({"units": ["nginx"], "scope": "PROCESS_GROUP-5FD609AD6757BE7D"}, "`scope` is environment"),
        ({"units": ["nginx"], "scope": ["environment"]}, "`scope` is environment"),
        ({"units": ["nginx"], "cycles": 0}, "`cycles` is a whole number"),
        ({"units": ["nginx"], "cycles": 361}, "`cycles` is a whole number"),
        ({"units": ["nginx"], "enabled": "yes"}, "`enabled` is true or false"),
        ({"units": ["nginx"], "disabled": 1}, "`disabled` is true or false"),
        ({"units": ["nginx"], "remedy": "a b"}, "`remedy` is the name of a remedy"),
        ({"units": ["nginx"], "name": "a/b"}, "`name` is the name of a remedy"),
        ({"units": ["nginx"], "unit": "nginx"}, "`unit` is no key of it, `units` is"),
    ],
)
def test_wrong_os_services_say_what_is_allowed(given: dict[str, Any], message: str) -> None:
    """No policy is made of a value that has not been checked."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("os_services", **{"name": "nginx", **given})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        ("nginx.timer", "is no service"),
        ("multi-user.target", "is no service"),
        ("srv-*.mount", "is no service"),
        ("*", "would take every unit"),
        ("**", "would take every unit"),
        ("*.service", "would take every unit"),
        ("app-?", "of wildcards only * can be said"),
        ("app-[12]", "of wildcards only * can be said"),
        ("app $eq(x)", "is no name or glob of a unit"),
        ("../x", "is no name or glob of a unit"),
        ("a~b", "is no name or glob of a unit"),
        ("", "is no name or glob of a unit"),
        (7, "is no name or glob of a unit"),
        ("a*b*c", "write x*, *x, *x* or x*y"),
        ("a*b*", "write x*, *x, *x* or x*y"),
        ("app-*-x", "it would take app-x, too"),
        ("aba*aba", "it would take aba, too"),
    ],
)
def test_a_unit_that_no_policy_can_say_exactly_is_refused(unit: Any, reason: str) -> None:
    """One unit too many is a service that nobody asked to be healed."""
    with pytest.raises(CommandExecutionError, match="`units`: ") as raised:
        checked("os_services", name="x", units=["nginx", unit])
    assert reason in str(raised.value)


def words(letters: str, longest: int) -> list[str]:
    sizes = range(1, longest + 1)
    return ["".join(one) for size in sizes for one in itertools.product(letters, repeat=size)]


def test_a_condition_takes_what_its_glob_takes_and_nothing_else() -> None:
    """The simulated tenant reads it as Dynatrace documents its operators."""
    units = modules({}).tenant.units
    globs = [one for one in words("ab*", 4) if not units.problems([one])]
    assert {"a", "a*", "*a", "*a*", "a*b", "ab*b"} - set(globs) == {"ab*b"}
    for glob in globs:
        condition = parse_condition(units.condition([glob]))
        for name in words("ab", 5):
            assert condition.fits(name) == fnmatchcase(name, glob), (glob, name)
    assert units.condition(["b*", "a.service", "a"]) == "$or($prefix(b),$eq(a))"


CATALOGUE: dict[str, Any] = {
    "nginx": {"on": {"technology": "NGINX"}, "service": "nginx", "proof": "http://127.0.0.1/"},
    "apache2": {
        "on": {"technology": "APACHE_HTTPD"},
        "os_family": {"Debian": {"service": "apache2"}, "RedHat": {"service": "httpd"}, "Suse": 7},
    },
    "unit": {"on": {"unit": ["app-*", "worker@*"], "remedy": ["ours", "unit"]}},
    "one": {"on": {"unit": "one"}, "service": "one"},
    "var": {"on": {"event": "LOW_DISK_SPACE"}, "service": "vacuum"},
    "slow": {"on": {"severity": ["PERFORMANCE"]}, "service": "slow"},
    "both": {
        "on": {"event": ["X", "AVAILABILITY_EVENT"], "severity": "AVAILABILITY"},
        "service": "b",
    },
    "cart": {"on": {"technology": "NGINX"}, "container": "cart*"},
    "free": {"on": {"tag": "x"}, "sls": "site.free"},
    "a b": {"service": "x"},
    "odd": ["x"],
    "empty": {"on": None, "service": ["", None]},
    7: {"service": "x"},
}


def test_the_catalogue_names_the_units_that_policies_may_take() -> None:
    """Services of every family and globs of units; not containers, nor what takes other events."""
    units = modules({}).tenant.units.of_catalogue
    assert units(CATALOGUE) == {
        "nginx": {"units": ["nginx"], "remedy": "nginx"},
        "apache2": {"units": ["apache2", "httpd"], "remedy": "apache2"},
        "unit": {"units": ["app-*", "worker@*"], "remedy": "ours"},
        "one": {"units": ["one"], "remedy": "one"},
        "both": {"units": ["b"], "remedy": "both"},
    }
    for nothing in (None, [], "nginx", {}):
        assert units(nothing) == {}
    written = yaml.safe_load("unit: {on: {unit: 'app-*', remedy: ours}}")
    assert units(written) == {"unit": {"units": ["app-*"], "remedy": "ours"}}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"dynatrace_remedies": CATALOGUE}, ["nginx", "apache2", "unit", "one", "both"]),
        ({"dynatrace_os_services": [{"units": ["h"], "name": "handed"}]}, ["handed"]),
        ({"dynatrace_remedies": CATALOGUE, "dynatrace:tenant": {"os_services": {}}}, []),
        (
            {"dynatrace_remedies": CATALOGUE, "dynatrace:tenant": {"webhook": {"url": URL}}},
            ["nginx"],
        ),
        ({"dynatrace_os_services": 7, "dynatrace:tenant": {"os_services": {"x": ["y"]}}}, ["x"]),
        ({}, []),
    ],
)
def test_the_catalogue_fills_in_only_where_nothing_is_said(given: Any, names: list[str]) -> None:
    """An empty mapping says that there are to be none; what the orchestration hands on goes first."""
    asked = modules(given).tenant.options.asked("os_services")
    assert asked["problem"] is None
    assert [one["name"] for one in asked["entries"]][: len(names) or 9] == names


def test_a_list_of_units_is_short_for_a_mapping() -> None:
    """Both ways say the same."""
    given = {"os_services": {"nginx": ["nginx"], "unit": {"units": ["app-*"], "cycles": 3}}}
    assert asked(given, "os_services")["entries"] == [
        {"units": ["nginx"], "name": "nginx"},
        {"units": ["app-*"], "cycles": 3, "name": "unit"},
    ]


@pytest.mark.parametrize("start", ["2026-11-25T22:00", "2026-11-25 22:00", "2026-11-25T22:00:00"])
def test_times_are_brought_to_the_form_of_the_api(start: str) -> None:
    """Seconds may be left out, and a blank may stand for the T."""
    options = checked("maintenance_window", **{**ONCE, "start": start})
    assert options["start"] == "2026-11-25T22:00:00"
    assert checked("maintenance_window", **WEEKLY)["end"] == "23:00:00"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"start": 1320}, "in quotes, since YAML reads 22:00 as 1320"),
        ({"start": None}, "`start` is written as '2026-11-25T22:00:00'"),
        ({"start": "2026-11-31T22:00"}, "`start` is written as"),
        ({"end": "2026-11-25T22:00"}, "`start` must be before `end`"),
        ({"day": "SUNDAY"}, "`day` goes with a recurrence only"),
        ({"recurrence": "yearly"}, "`recurrence` is one of once, daily, weekly, monthly"),
        ({"recurrence": ["once"]}, "`recurrence` is one of once"),
        ({"time_zone": "Europe Vienna"}, "`time_zone` is named as"),
        ({"tags": []}, "must say what it covers"),
        ({"whole_environment": True}, "and not both"),
        ({"entities": ["web01"]}, "entity ids, such as HOST-"),
        ({"entity_type": "host"}, "`entity_type` is named as"),
        ({"suppression": "ALL"}, "`suppression` is one of DETECT_PROBLEMS_AND_ALERT"),
        ({"description": ""}, "`description` is a text"),
    ],
)
def test_a_wrong_window_says_what_is_allowed(given: dict[str, Any], message: str) -> None:
    """A window that covers everything must say so."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("maintenance_window", **{**ONCE, **given})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"day": "sunday"}, "`day` of a weekly window is one of MONDAY"),
        ({"recurrence": "monthly"}, "`day` of a monthly window is a number from 1 to 31"),
        ({"recurrence": "monthly", "day": 32}, "`day` of a monthly window"),
        ({"recurrence": "monthly", "day": True}, "`day` of a monthly window"),
        ({"recurrence": "daily"}, "`day` does not go with a daily window"),
        ({"first_day": None}, "`first_day` is written as '2026-11-25'"),
        ({"last_day": "2026-01-01"}, "`first_day` must not be after `last_day`"),
    ],
)
def test_a_wrong_recurrence_says_what_is_allowed(given: dict[str, Any], message: str) -> None:
    """Each recurrence has its own idea of a day."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("maintenance_window", **{**WEEKLY, **given})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hosts": []}, "must name at least one host id"),
        ({"hosts": ["web01"]}, "host ids, such as HOST-"),
        ({"minutes": 0}, "`minutes` is a whole number from 1 to 1440"),
        ({"minutes": 1441}, "`minutes` is a whole number"),
        ({"minutes": True}, "`minutes` is a whole number"),
    ],
)
def test_a_wrong_announcement_says_what_is_allowed(given: dict[str, Any], message: str) -> None:
    """A change without an end, or for nobody, is not announced."""
    with pytest.raises(CommandExecutionError) as raised:
        checked("planned_change", **{"name": "x", "hosts": [HOST], **given})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "dynatrace:tenant is no mapping"),
        ({"webhok": {}}, "`webhok` is no key of it, `webhook` is"),
        ({"process_alerting": ["x"]}, "`process_alerting` is no mapping"),
        ({"webhook": {"name": "\U0001f525"}}, "such as an emoji"),
    ],
)
def test_a_wrong_pillar_is_a_problem_and_raises_nothing(given: Any, message: str) -> None:
    """An SLS makes a failed state of it, which says more than a rendering error."""
    for kind in ("webhook", "process_alerting", "maintenance_windows"):
        found = asked(given, kind)
        assert message in found["problem"]
        assert found["entries"] == []


def test_what_is_not_in_pillar_is_not_asked_for() -> None:
    """No webhook, no state."""
    for given in (None, {}, {"webhook": None}, {"process_alerting": {}}):
        assert asked(given) == {"problem": None, "entries": []}


def test_an_entry_is_named_by_its_key() -> None:
    """A webhook names itself, or is called Salt."""
    found = asked({"process_alerting": {7: {"technology": "NGINX"}}}, "process_alerting")
    assert found["entries"] == [{"name": "7", "technology": "NGINX"}]
    assert asked({"webhook": {"url": URL}})["entries"] == [{"name": "Salt", "url": URL}]
    assert asked({"webhook": {"name": "a", "url": URL}})["entries"][0]["name"] == "a"
    assert "is no mapping" in asked({"process_alerting": {"x": "y"}}, "process_alerting")["problem"]


def example() -> Any:
    text = (REPO / "pillar.example").read_text(encoding="utf-8")
    # A comment, since most sites want only one of webhook and workflow.
    shown = re.sub(r"^    # workflow:\n(?:    # .*\n)+", _uncommented, text, flags=re.MULTILINE)
    assert shown != text
    return yaml.safe_load(shown)["dynatrace"]["tenant"]


def _uncommented(found: re.Match[str]) -> str:
    return found[0].replace("    # ", "    ", 1).replace("\n    # ", "\n    ")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("webhook", "webhook"),
        ("workflow", "workflow"),
        ("process_alerting", "process_alerting"),
        ("os_services", "os_services"),
        ("maintenance_windows", "maintenance_window"),
    ],
)
def test_the_example_explains_every_key_and_is_valid(key: str, kind: str) -> None:
    """What is copied from it works, and nothing that may be set is missing in it."""
    [entry] = asked(example(), key)["entries"]
    defaults = modules({}).tenant.options.DEFAULTS[kind]
    assert set(entry) == set(defaults)
    assert checked(kind, **entry)["name"] == entry["name"]


def test_the_example_shows_the_defaults() -> None:
    """What may be left out is shown as it is when it is left out."""
    given = example()["webhook"]
    left_out = checked("webhook", name="Salt", url=given["url"])
    assert given == left_out
    workflow = example()["workflow"]
    assert workflow == checked("workflow", name="Salt", url=workflow["url"])
    groups = example()["process_alerting"]["apache"]
    assert checked("process_alerting", name="apache", **groups) == checked(
        "process_alerting", name="apache", technology="APACHE_HTTPD"
    )
    units = example()["os_services"]["nginx"]
    assert checked("os_services", name="nginx", **units) == checked(
        "os_services", name="nginx", units=["nginx"]
    )
