"""
What may stand under ``dynatrace:oneagent``, and what is said about what may not.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import REPO, private
from tests.unit.minion.oneagent import NEW


def wanted(given: Any, minion: str = "web01") -> Any:
    functions = {"config.get": lambda key, default: {"dynatrace:oneagent": given}[key]}
    opts = {"id": minion}
    return private(opts=opts, salt=functions).oneagent.options.wanted()


def test_with_nothing_set_the_minion_is_still_named() -> None:
    """The engine finds the minion by this property, so it is always wanted."""
    assert wanted(None)["properties"] == ["salt_minion=web01"]
    assert wanted({})["version"] == "latest"


def test_tags_and_properties_become_what_oneagentctl_takes() -> None:
    """A key may have several values, or none."""
    want = wanted({"tags": {"role": ["web", "db"], "TestHost": None, "port": 80}})
    assert want["tags"] == ["role=web", "role=db", "TestHost", "port=80"]
    want = wanted({"properties": {"AppName": "shop"}})
    assert want["properties"] == ["salt_minion=web01", "AppName=shop"]


def test_a_key_without_a_value_is_as_if_it_were_not_there() -> None:
    """`tags:` with nothing behind it is a common way to write an empty list."""
    assert wanted({"tags": None, "version": None})["tags"] == []


BLANKS = "neither key nor value may hold blanks or control characters"
EQUALS = "neither key nor value may hold an equals sign"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], None),
        ({"hostgroup": "web"}, "`hostgroup` is no key of it, `host_group` is"),
        ({"zzz": 1}, "`zzz` is no key of it"),
        ({"host_group": "a b"}, "`host_group` is at most 100 of A-Z a-z 0-9 . _ -"),
        ({"host_group": "dt.web"}, "does not begin with dt."),
        ({"host_group": "x" * 101}, "`host_group` is at most 100"),
        ({"host_group": ""}, "`host_group` is at most 100"),
        ({"host_group": 7}, "`host_group` is at most 100"),
        ({"host_group": "web\n"}, "`host_group` is at most 100"),
        ({"network_zone": ".zone"}, "does not begin with a dot"),
        ({"network_zone": "z" * 257}, "`network_zone` is at most 256"),
        ({"app_log_access": "yes"}, "`app_log_access` is true or false"),
        ({"upgrade": 1}, "`upgrade` is true or false"),
        ({"version": "1.303"}, "`version` is latest, or a version such as"),
        ({"version": "../latest"}, "`version` is latest, or a version such as"),
        ({"monitoring_mode": "full"}, "`monitoring_mode` is one of fullstack, infra-only"),
        ({"arch": "mips"}, "`arch` is one of x86, arm, ppcle, s390"),
        ({"install_path": "opt/x"}, "`install_path` is an absolute path"),
        ({"install_path": "/"}, "`install_path` is an absolute path"),
        ({"install_path": "/opt/../etc"}, "`install_path` is an absolute path"),
        ({"install_path": "/opt/a b"}, "`install_path` is an absolute path"),
        ({"ca_certificate": 7}, "`ca_certificate` is a salt:// URL"),
        ({"download_attempts": 0}, "`download_attempts` is a number above 0, at most 20"),
        ({"install_timeout": True}, "`install_timeout` is a number above 0"),
        ({"tags": ["role"]}, "`tags` is a mapping of keys to values"),
        ({"tags": {"role": "a b"}}, BLANKS),
        ({"tags": {"role": "a\nb"}}, BLANKS),
        ({"tags": {"role": "a\u0000b"}}, BLANKS),
        ({"tags": {"ro le": "a"}}, BLANKS),
        ({"tags": {"role": "a=b"}}, EQUALS),
        ({"tags": {"ro=le": None}}, EQUALS),
        ({"tags": {"#role": "a"}}, "a key is not empty and does not begin with #"),
        ({"tags": {"": "a"}}, "a key is not empty and does not begin with #"),
        ({"tags": {"role": "x" * 252}}, "`tags` 'role' is longer than 256 characters"),
        ({"tags": {"role": True}}, "`tags` 'role' is no text; put key and value in quotes"),
        ({"tags": {True: "x"}}, "`tags` True is no text; put key and value in quotes"),
        ({"properties": {"release": 1.1}}, "`properties` 'release' is no text"),
        ({"properties": {"salt_minion": "x"}}, "is set by this state, to the minion's id"),
    ],
)
def test_what_is_wrong_is_said(given: Any, message: str | None) -> None:
    """Before anything is asked or installed, with the key and what is allowed."""
    if message is None:
        assert wanted(given)["tags"] == []
        return
    with pytest.raises(CommandExecutionError) as raised:
        wanted(given)
    assert message in str(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Nobody wants to mend a pillar line by line."""
    with pytest.raises(CommandExecutionError) as raised:
        wanted({"host_group": "a b", "tags": {"a": "b c"}, "arch": "mips"})
    assert str(raised.value).count(";") == 2


def test_a_minion_id_that_is_no_property_is_said() -> None:
    """It would be read as something else by oneagentctl."""
    with pytest.raises(CommandExecutionError, match="the property salt_minion"):
        wanted({}, minion="web 01")


def test_a_tag_of_256_characters_is_taken() -> None:
    """The limit is documented with the delimiter."""
    assert wanted({"tags": {"role": "x" * 251}})["tags"] == ["role=" + "x" * 251]


def example() -> Any:
    return yaml.safe_load((REPO / "pillar.example").read_text(encoding="utf-8"))["dynatrace"]


def test_the_example_pillar_names_every_key_with_its_default() -> None:
    """It is the reference, so it shows all there is; what a site must choose is shown as example."""
    module = private().oneagent.options
    shown = example()["oneagent"]
    assert shown.keys() == module.DEFAULTS.keys()
    own = {"host_group", "network_zone", "app_log_access", "properties", "tags"}
    assert {k: v for k, v in shown.items() if k not in own} == {
        k: v for k, v in module.DEFAULTS.items() if k not in own
    }


def test_the_example_pillar_is_valid() -> None:
    """Who copies it gets no error."""
    want = wanted(example()["oneagent"])
    assert want["tags"]
    assert want["host_group"]


@pytest.mark.parametrize("version", [NEW, "latest"])
def test_a_documented_version_is_taken(version: str) -> None:
    """As the deployment API names them."""
    assert wanted({"version": version})["version"] == version
