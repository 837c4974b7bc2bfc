"""
The life of a OneAgent on a real minion: installed, changed, upgraded, removed.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.oneagent.conftest import HOST_ID, Minion, asked, downloads
from tests.unit.minion.oneagent import MIDDLE, NEW

SET = [
    "--set-host-group=web",
    "--set-app-log-content-access=true",
    "--set-host-property=salt_minion=scratch",
    "--set-host-tag=role=web",
]


def changes(returned: dict[str, Any]) -> dict[str, Any]:
    """
    Return what changed, or would change, and fail for a state that failed.
    """
    assert all(state["result"] is not False for state in returned.values()), returned
    return {name: state["changes"] for name, state in returned.items() if state["changes"]}


def test_the_whole_life(minion: Minion) -> None:
    """Each step says first what it would do, does it once, and has then nothing left to do."""
    installs = {"installed": {"oneagent": {"old": None, "new": NEW}}}
    assert changes(minion.apply(test=True)) == installs
    assert not minion.has_run
    assert downloads(minion.tenant) == []
    assert changes(minion.apply()) == installs
    assert minion.mark.read_text().split()[:4] == SET
    assert minion.leftovers == []
    calls = minion.oneagent / "state" / "calls"
    calls.unlink()
    assert changes(minion.apply()) == {}
    assert "--set" not in calls.read_text()
    assert not (minion.oneagent / "state" / "restarts").exists()

    minion.pillar(host_group="web", app_log_access=True, tags={"role": "db"})
    tags = {"managed": {"tags": {"old": ["role=web"], "new": ["role=db"]}}}
    assert changes(minion.apply(test=True)) == tags
    assert minion.oneagentctl("--get-host-tags") == "role=web\n"
    assert changes(minion.apply()) == tags
    assert minion.oneagentctl("--get-host-tags") == "role=db\n"
    assert (minion.oneagent / "state" / "restarts").read_text() == "restarted\n"
    assert changes(minion.apply()) == {}

    gone = changes(minion.apply("dynatrace.oneagent.absent", test=True))
    assert gone["absent"]["oneagent"] == {"old": NEW, "new": None}
    assert minion.oneagent.exists()
    assert changes(minion.apply("dynatrace.oneagent.absent")) == gone
    assert not minion.oneagent.exists()
    assert not (minion.root / "cache" / "dynatrace" / "oneagent").exists()
    assert changes(minion.apply("dynatrace.oneagent.absent")) == {}


def test_a_pinned_version_is_installed_upgraded_and_never_taken_back(minion: Minion) -> None:
    """The version is the one that pillar names, at each step."""
    minion.pillar(version=MIDDLE, tags={"role": "web"})
    assert changes(minion.apply())["installed"]["oneagent"]["new"] == MIDDLE
    minion.pillar(version=NEW, tags={"role": "web"})
    upgrade = {"installed": {"oneagent": {"old": MIDDLE, "new": NEW}}}
    assert changes(minion.apply(test=True)) == upgrade
    assert minion.oneagentctl("--version").strip() == MIDDLE
    assert changes(minion.apply()) == upgrade
    assert minion.oneagentctl("--get-host-tags") == "role=web\n"
    assert changes(minion.apply()) == {}
    minion.pillar(version=MIDDLE, tags={"role": "web"})
    for test in (True, False):
        told = minion.apply(test=test)["installed"]
        assert told["result"] is False
        assert "newer than" in told["comment"]
    assert minion.oneagentctl("--version").strip() == NEW
    assert downloads(minion.tenant) == [f"version/{MIDDLE}", f"version/{NEW}"]


def test_the_grain_knows_the_host_after_the_installation(minion: Minion) -> None:
    """By it the engine finds the minion of a problem; the tenant knows the host by the same."""
    assert minion.call("grains.get", "dynatrace") == ""
    changes(minion.apply())
    assert minion.call("grains.get", "dynatrace") == {
        "host_id": f"HOST-{HOST_ID}",
        "host_group": "web",
        "tenant": "abc12345",
        "oneagent_version": NEW,
    }
    metadata = minion.tenant.entities[f"HOST-{HOST_ID}"].properties["customHostMetadata"]
    assert metadata == [{"key": "salt_minion", "value": "scratch"}]
    changes(minion.apply("dynatrace.oneagent.absent"))
    # The file stays, and is no identity any more: a clone of this machine would have it too.
    assert HOST_ID in (minion.root / "dt_host_metadata.json").read_text()
    assert minion.call("grains.get", "dynatrace") == ""
    changes(minion.apply())
    assert minion.call("grains.get", "dynatrace:host_id") == f"HOST-{HOST_ID}"


@pytest.mark.parametrize("key", ["environment_url", "installer_token"])
def test_without_a_tenant_only_the_configuration_is_kept(minion: Minion, key: str) -> None:
    """A OneAgent that came from elsewhere is configured; one that is missing is a failure."""
    minion.pillar({key: None})
    told = minion.apply()
    assert told["installed"]["result"] is False
    assert f"dynatrace:{key} not set" in told["installed"]["comment"]
    minion.pillar()
    changes(minion.apply())
    before = asked(minion.tenant)
    minion.pillar({key: None}, tags={"role": "db"})
    assert changes(minion.apply()) == {"managed": {"tags": {"old": [], "new": ["role=db"]}}}
    assert asked(minion.tenant) == before
