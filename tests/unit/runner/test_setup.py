"""
What `dynatrace.check` says about the configuration of a master.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import _dynatrace_checkup as checkup
import _dynatrace_setup as setup
import dynatrace as engine
import pytest
import salt.config
import yaml

from tests.unit.minion.loading import REPO
from tests.unit.minion.signing import write_key

TOKEN = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
ENGINE = {"environment_url": "http://127.0.0.1:9", "api_token": TOKEN}
OPEN = "dynatrace/problem/open/availability/*"


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
    [(result, detail)] = found(setup.dropped, conf_file=str(path), **{key: used})
    assert (result, key in detail) == (("fail", True) if lost else ("ok", False))


def test_without_a_main_file_nothing_is_dropped() -> None:
    """A master may be configured by its defaults and master.d."""
    assert found(setup.dropped, conf_file="/absent/master")[0][0] == "ok"


def test_the_module_that_reactors_ask_must_be_found() -> None:
    """Without it every reactor that asks fails to render."""
    assert found(setup.modules, {})[0][0] == "fail"
    assert found(setup.modules, {"dynatrace.genuine": print})[0][0] == "ok"


def test_the_key_must_be_there_and_be_the_masters_alone(tmp_path: Path) -> None:
    """Who can read it can sign."""
    look = setup.signing_key
    assert found(look, cachedir=str(tmp_path))[0][0] == "fail"
    write_key(tmp_path)
    key = tmp_path / "dynatrace" / "signing.key"
    key.chmod(0o640)
    [(result, detail)] = found(look, cachedir=str(tmp_path))
    assert (result, "can be forged" in detail) == ("fail", True)
    key.chmod(0o600)
    assert found(look, cachedir=str(tmp_path))[0][0] == "ok"


def test_a_reactor_must_be_there_and_ask_whether_events_are_genuine(tmp_path: Path) -> None:
    """Without any the engine only reports, which may be meant."""
    careless = tmp_path / "careless.sls"
    careless.write_text("x:\n  local.cmd.run:\n    - tgt: '*'\n")
    shipped = str(REPO / "reactor" / "apache2.sls")
    assert found(setup.reactor)[0][0] == "warn"
    assert found(setup.reactor, reactor=[{"salt/*": ["/x"]}])[0][0] == "warn"
    assert found(setup.reactor, reactor=[{OPEN: [shipped]}]) == [("ok", shipped)]
    assert found(setup.reactor, reactor=[{OPEN: shipped}])[0][0] == "ok"
    assert found(setup.reactor, reactor=[{OPEN: ["/absent.sls"]}])[0][0] == "fail"
    [(result, detail)] = found(setup.reactor, reactor=[{"dynatrace/*": [str(careless)]}])
    assert (result, "any minion" in detail) == ("fail", True)
    listed = tmp_path / "reactor.yaml"
    listed.write_text(yaml.safe_dump([{OPEN: [shipped]}]))
    assert found(setup.reactor, reactor=str(listed))[0][0] == "ok"


@pytest.mark.parametrize(("root", "result"), [("salt", "ok"), ("docs", "fail")])
def test_the_remedy_must_be_served_to_minions(root: str, result: str, tmp_path: Path) -> None:
    """Found by the master's own file server, so in gitfs too."""
    opts = salt.config.master_config(None)
    opts.update(cachedir=str(tmp_path), file_roots={"base": [str(REPO / root)]})
    opts.update(fileserver_backend=["roots"], __role="master", __opts=None)
    assert found(setup.remedy, **opts)[0][0] == result


def test_each_wrong_option_is_a_line_and_a_good_engine_is_checked_on() -> None:
    """Of several engines, each for itself."""
    engines = [
        {"dynatrace": {**ENGINE, "poll_intervall": 5, "policy": {"cooldown": "soon"}}},
        {"good": {**ENGINE, "engine_module": "dynatrace"}},
        {"other": {"engine_module": "slack"}},
    ]
    rows = checkup.Found({})
    configs = setup.configs(rows, {"engines": engines}, vars(engine))
    assert list(configs) == ["good"]
    assert [(row["instance"], row["result"]) for row in rows.rows] == [
        ("dynatrace", "fail"),
        ("dynatrace", "fail"),
        ("good", "ok"),
    ]


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
