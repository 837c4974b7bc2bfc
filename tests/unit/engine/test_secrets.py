"""
Secrets that a master's configuration keeps elsewhere: found as they are written, and read again by Salt.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import salt.config
import yaml
from _dynatrace.config.config import load
from _dynatrace.config.entries import kept_elsewhere
from _dynatrace.engine.startup import client_for

URL = "https://abc12345.apps.dynatrace.com"
CLIENT = {"client_id": "dt0s02.SYNTHETI", "client_secret": "sdb://kept/client"}
WRITTEN: list[Any] = [
    {"dynatrace": {"environment_url": URL, "api_token": "sdb://kept/token"}},
    {"other": {"engine_module": "dynatrace", "environment_url": URL, "oauth": CLIENT}},
    {"plain": {"engine_module": "dynatrace", "environment_url": URL, "api_token": "dt0c01.X.Y"}},
]


@pytest.mark.parametrize(
    ("engines", "instance", "urls"),
    [
        (WRITTEN, "dynatrace", {"api_token": "sdb://kept/token"}),
        (WRITTEN, "other", {"oauth.client_secret": "sdb://kept/client"}),
        (WRITTEN, "plain", {}),
        (WRITTEN, "unknown", {}),
        ({"dynatrace": {"api_token": "sdb://a/b"}}, "dynatrace", {"api_token": "sdb://a/b"}),
        ([{"dynatrace": {"oauth": 7, "api_token": ["sdb://a/b"]}}], "dynatrace", {}),
        ([{"dynatrace": [{"api_token": "sdb://a/b"}]}], "dynatrace", {}),
        (None, "dynatrace", {}),
    ],
)
def test_what_is_kept_elsewhere_is_found(engines: Any, instance: str, urls: dict[str, str]) -> None:
    """By the name of the engine, however its options are written."""
    assert kept_elsewhere(engines, instance) == urls


@pytest.fixture
def master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """
    The engine's module in a master whose configuration is in an included file, and whose secrets are in another one.
    """
    (tmp_path / "secrets.yaml").write_text("token: dt0c01.OLD.OLD\nclient: oldoldold\n")
    profile = {"kept": {"driver": "yaml", "files": [str(tmp_path / "secrets.yaml")]}}
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master").write_text(yaml.safe_dump({"root_dir": str(tmp_path), **profile}))
    included = tmp_path / "master.d" / "dynatrace.conf"
    included.write_text(yaml.safe_dump({"engines": WRITTEN}))
    opts = salt.config.master_config(str(tmp_path / "master"))
    engine: Any = importlib.import_module("dynatrace")
    monkeypatch.setattr(engine, "__opts__", opts, raising=False)
    return engine


def test_a_secret_is_read_where_it_is_kept(master: Any, tmp_path: Path) -> None:
    """Salt resolved it once, when it loaded its configuration; the function reads it as it is now."""
    first = master.__opts__["engines"][0]["dynatrace"]
    assert first["api_token"] == "dt0c01.OLD.OLD"
    secrets = master._secrets("dynatrace")
    assert list(secrets) == ["api_token"]
    (tmp_path / "secrets.yaml").write_text("token: dt0c01.NEW.NEW\n")
    assert secrets["api_token"]() == "dt0c01.NEW.NEW"


def test_each_login_has_the_secret_of_its_own_option(master: Any, tmp_path: Path) -> None:
    """The token's in one engine, the client's in another; what is gone meanwhile stays what it was."""
    given = dict(master.__opts__["engines"][0]["dynatrace"])
    client = client_for(load(given), master._secrets("dynatrace"))
    assert client is not None
    own: Any = client._transports[0]._credentials
    (tmp_path / "secrets.yaml").write_text("token: dt0s16.NEW.NEW\nclient: newnewnew\n")
    own._secret._read_at -= 60
    assert own.authorization() == "Bearer dt0s16.NEW.NEW"
    given = dict(master.__opts__["engines"][1]["other"])
    del given["engine_module"]
    client = client_for(load(given), master._secrets("other"))
    assert client is not None
    oauth: Any = client._transports[0]._credentials
    assert oauth._client.secret.current() == "oldoldold"
    assert oauth._client.secret.refused() == "oldoldold"
    oauth._client.secret._read_at -= 10
    assert oauth._client.secret.refused() == "newnewnew"
    (tmp_path / "secrets.yaml").unlink()
    own._secret._read_at -= 60
    assert own.authorization() == "Bearer dt0s16.NEW.NEW"
    assert "cannot be read again" in own.fix


def test_a_configuration_that_cannot_be_read_again_has_no_sources(
    master: Any, tmp_path: Path
) -> None:
    """The engine runs with what Salt gave it, as without sdb."""
    (tmp_path / "master.d" / "dynatrace.conf").write_text("engines: [")
    assert master._secrets("dynatrace") == {}
    (tmp_path / "master").unlink()
    assert master._secrets("dynatrace") == {}
