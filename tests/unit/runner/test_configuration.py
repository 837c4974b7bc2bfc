"""
What `dynatrace.check` says about the configuration of a master.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dynatrace as engine
import pytest
import salt.config
import yaml
from _dynatrace_runner import checkup, configuration, connections

from tests.unit.minion.loading import REPO
from tests.unit.minion.signing import write_key

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
ENGINE = {"environment_url": "http://127.0.0.1:9", "api_token": TOKEN}
OPEN = "dynatrace/problem/open/availability/*"
SPACES = "engines:\n  - dynatrace:\n\tpoll_interval: 5\n"


def found(look: Callable[..., Any], *arguments: Any, **opts: Any) -> list[tuple[str, str]]:
    """
    Return result and detail of the rows that a check adds.
    """
    rows = checkup.Found(opts)
    look(rows, opts, *arguments)
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    return [(row["result"], row["detail"]) for row in rows.rows]


@pytest.mark.parametrize(
    ("key", "main", "used", "lost"),
    [
        ("reactor", [{"mine": ["/a"]}], [{OPEN: ["/b"]}], True),
        ("reactor", [{"mine": ["/a"]}], [{OPEN: ["/b"]}, {"mine": ["/a"]}], False),
        ("engines", [{"slack": {"token": "sdb://x/y"}}], [{"slack": {"token": "z"}}], False),
        ("engines", ["slack"], [{"dynatrace": {}}], True),
        ("module_dirs", ["/mine"], ["/srv/salt-dynatrace"], True),
        ("file_roots", {"base": ["/srv/mine"]}, {"base": ["/srv/salt"]}, True),
        ("file_roots", {"base": ["/srv/mine"]}, {"base": ["/srv/salt", "/srv/mine"]}, False),
    ],
)
def test_a_list_that_salt_dropped_is_named(
    key: str, main: Any, used: Any, lost: bool, tmp_path: Path
) -> None:
    """It is in the main file and not in what the master uses."""
    path = tmp_path / "master"
    path.write_text(yaml.safe_dump({key: main}))
    [(result, detail)] = found(configuration.check_files, conf_file=str(path), **{key: used})
    assert (result, key in detail) == (("fail", True) if lost else ("ok", False))


@pytest.mark.parametrize(
    ("site", "detail"),
    [
        (SPACES, "dynatrace.conf, line 3 is no YAML: found character that cannot start any"),
        (
            "a: b\nc:d\nsecret: dt0c01.X\n",
            "dynatrace.conf, line 3 is no YAML: could not find expected ':'",
        ),
        ("engines: {slack: {}}\n", "engines of {}/master.d/dynatrace.conf are dropped"),
        ("reactor: {a/tag: [/b.sls]}\n", "reactor of {}/master.d/dynatrace.conf are dropped"),
    ],
)
def test_an_included_file_that_cannot_be_used_is_named(
    site: str, detail: str, tmp_path: Path
) -> None:
    """With its line and no text of it; a mapping among lists is dropped without a word of Salt's."""
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master").write_text("id: master\n")
    (tmp_path / "master.d" / "dynatrace.conf").write_text(site)
    opts = {"conf_file": str(tmp_path / "master"), "default_include": "master.d/*.conf"}
    used = {"engines": [{"dynatrace": {}}], "reactor": [{OPEN: ["/a"]}]}
    [(result, told)] = found(configuration.check_files, **opts, **used)
    assert result == "fail"
    assert detail.format(tmp_path) in told
    assert "dt0c01" not in told


def test_without_a_main_file_nothing_is_dropped() -> None:
    """A master may be configured by its defaults and master.d."""
    assert found(configuration.check_files, conf_file="/absent/master")[0][0] == "ok"


def test_the_module_that_reactors_ask_must_be_found() -> None:
    """Without it every reactor that asks fails to render."""
    assert found(configuration.check_modules, {})[0][0] == "fail"
    public, own = {"dynatrace.genuine": print}, {"dynatrace_master.genuine": print}
    assert found(configuration.check_modules, public)[0][0] == "fail"
    assert found(configuration.check_modules, {**public, **own})[0][0] == "ok"


def test_the_key_must_be_there_and_be_the_masters_alone(tmp_path: Path) -> None:
    """Who can read it can sign."""
    look = configuration.check_signing_key
    assert found(look, cachedir=str(tmp_path))[0][0] == "fail"
    write_key(tmp_path)
    key = tmp_path / "dynatrace" / "signing.key"
    key.chmod(0o640)
    [(result, detail)] = found(look, cachedir=str(tmp_path))
    assert (result, "can be forged" in detail) == ("fail", True)
    key.chmod(0o600)
    assert found(look, cachedir=str(tmp_path))[0][0] == "ok"


@pytest.mark.parametrize(("root", "result"), [("salt", "ok"), ("docs", "fail")])
def test_the_remedy_must_be_served_to_minions(root: str, result: str, tmp_path: Path) -> None:
    """Found by the master's own file server, so in gitfs too."""
    opts = salt.config.master_config(None)
    opts.update(cachedir=str(tmp_path), file_roots={"base": [str(REPO / root)]})
    opts.update(fileserver_backend=["roots"], __role="master", __opts=None)
    assert found(configuration.check_remedy, **opts)[0][0] == result


def test_each_wrong_option_is_a_line_and_a_good_engine_is_checked_on() -> None:
    """Of several engines, each for itself."""
    engines = [
        {"dynatrace": {**ENGINE, "poll_intervall": 5, "policy": {"cooldown": "soon"}}},
        {"good": {**ENGINE, "engine_module": "dynatrace"}},
        {"other": {"engine_module": "slack"}},
    ]
    rows = checkup.Found({})
    configs = configuration.check_options(rows, {"engines": engines}, vars(engine))
    assert list(configs) == ["good"]
    assert [(row["instance"], row["result"]) for row in rows.rows] == [
        ("dynatrace", "fail"),
        ("dynatrace", "fail"),
        ("good", "ok"),
    ]


@pytest.mark.parametrize(
    ("engines", "told"),
    [
        ([{"dynatrace": None, **ENGINE}], "`environment_url`, `api_token` in `engines` must stand"),
        ([{"dynatrace": None}, {"environment_url": "x"}], "`environment_url` in `engines` must"),
        ([{"dynatrace": [ENGINE]}], "the options of `dynatrace` are no mapping"),
        ({"dynatrace": ENGINE}, None),
    ],
)
def test_options_that_stand_in_the_wrong_place_are_no_missing_options(
    engines: Any, told: str | None
) -> None:
    """The line says where they stand, and not that they lack."""
    rows = checkup.Found({"engines": engines})
    configuration.check_options(rows, {"engines": engines}, vars(engine))
    [row] = rows.rows
    assert (row["result"] == "ok") is (told is None)
    assert (told or "all options are good") in row["detail"]


def test_no_secret_of_the_configuration_is_in_a_line() -> None:
    """Whatever a library puts into its message."""
    webhook = {"token": "WEBHOOKSECRET", "username": "me", "password": "PASSSECRET"}
    options = {**ENGINE, "proxy": "http://me:word@p:1", "webhook": webhook}
    rows = checkup.Found({"engines": [{"dynatrace": options}]})
    hidden = [TOKEN, "VERYSECRET", "WEBHOOKSECRET", "PASSSECRET", "http://me:word@p:1"]
    rows.add("fail", "x", " ".join(hidden), "y")
    assert rows.rows[0]["detail"] == "… … … … …"


def test_a_check_that_breaks_is_a_line_and_hides_no_other() -> None:
    """Its message may hold anything, and is not shown."""

    def broken() -> None:
        raise ValueError("SECRET")

    rows = checkup.Found({})
    assert rows.guarded("x", broken) is None
    assert rows.rows[0]["result"] == "fail"
    assert "SECRET" not in str(rows.rows)


def test_the_engine_has_what_the_check_takes_of_it() -> None:
    """Its client, made of an engine's options: a tenant that is away is the worst that is said."""
    rows = checkup.Found({})
    asked = connections.ask_all({"dynatrace": engine.configuration.load(ENGINE)}, vars(engine))
    connections.collect(rows, asked, time.monotonic() + 10)
    assert [row["check"] for row in rows.rows] == [
        "tenant read problems",
        "tenant read entities",
        "tenant comment",
        "tenant business event",
        "tenant settings",
    ]
    assert not any("could not be checked" in row["detail"] for row in rows.rows)
