"""
What the states of the OneAgent change, and what they leave alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.oneagent import MIDDLE, NEW, OLD, OneAgent


def configured(host: OneAgent, test: bool = False) -> dict[str, Any]:
    return dict(host.states(test).managed("x"))


def installed(host: OneAgent, test: bool = False) -> dict[str, Any]:
    return dict(host.states(test).installed("x"))


def absent(host: OneAgent, test: bool = False) -> dict[str, Any]:
    return dict(host.states(test).absent("x"))


def test_nothing_is_run_when_nothing_differs(tmp_path: Path) -> None:
    """An agent that is as wanted is asked, and not restarted."""
    host = OneAgent(tmp_path, host_group="web", tags={"role": "web"})
    host.plain["host-group"] = "web"
    host.lists["tag"] = ["role=web"]
    told = configured(host)
    assert (told["result"], told["changes"]) == (True, {})
    assert host.changing_commands == []
    assert not host.record.exists()


def test_what_is_missing_is_set_with_one_restart(tmp_path: Path) -> None:
    """Each setting needs a restart, by the documentation; one is enough for all of them."""
    host = OneAgent(
        tmp_path, host_group="web", network_zone="eu", app_log_access=True, tags={"role": "web"}
    )
    told = configured(host)
    assert told["result"] is True, told["comment"]
    assert told["changes"] == {
        "host_group": {"old": "", "new": "web"},
        "network_zone": {"old": "", "new": "eu"},
        "app_log_access": {"old": "", "new": "true"},
        "tags": {"old": [], "new": ["role=web"]},
    }
    assert host.restarts == 1
    assert configured(host)["changes"] == {}
    assert host.restarts == 1


def test_another_value_of_a_wanted_key_is_removed(tmp_path: Path) -> None:
    """Set never replaces: with both there the engine would find two minions, or the wrong one."""
    host = OneAgent(tmp_path, tags={"role": "web"})
    host.lists["property"] = ["salt_minion=old-name"]
    host.lists["tag"] = ["role=db", "role=web"]
    told = configured(host)
    assert told["changes"] == {
        "properties": {"old": ["salt_minion=old-name"], "new": ["salt_minion=web01"]},
        "tags": {"old": ["role=db"], "new": []},
    }
    assert host.lists == {"tag": ["role=web"], "property": ["salt_minion=web01"]}


def test_what_was_set_before_and_is_no_longer_wanted_is_removed(tmp_path: Path) -> None:
    """The record says that it was ours."""
    host = OneAgent(tmp_path, host_group="web", network_zone="eu", tags={"a": "1", "b": None})
    configured(host)
    host.want(tags={"a": "1"})
    told = configured(host)
    assert told["changes"] == {
        "host_group": {"old": "web", "new": ""},
        "network_zone": {"old": "eu", "new": ""},
        "tags": {"old": ["b"], "new": []},
    }
    assert host.lists["tag"] == ["a=1"]
    assert host.plain["host-group"] == ""
    assert configured(host)["changes"] == {}


def test_a_removal_alone_restarts_the_agent_once(tmp_path: Path) -> None:
    """What is removed needs the restart as well."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    configured(host)
    host.commands.clear()
    host.want()
    configured(host)
    assert host.changing_commands == [["--remove-host-tag=a=1"], ["--restart-service"]]


def test_a_persons_own_tag_is_left_alone(tmp_path: Path) -> None:
    """Neither a key of which nothing is wanted, nor what was there before us."""
    host = OneAgent(tmp_path, tags={"a": "1", "b": "2"})
    host.lists["tag"] = ["owner=someone", "b=2"]
    configured(host)
    host.want()
    assert configured(host)["changes"] == {"tags": {"old": ["a=1"], "new": []}}
    assert host.lists["tag"] == ["owner=someone", "b=2"]


def test_what_was_removed_is_no_longer_ours(tmp_path: Path) -> None:
    """A person who sets the same tag afterwards keeps it."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    configured(host)
    host.want()
    configured(host)
    host.lists["tag"] = ["a=1"]
    assert configured(host)["changes"] == {}


def test_a_host_group_that_somebody_changed_since_is_left_alone(tmp_path: Path) -> None:
    """What is no longer wanted is only cleared while it is the value that we set."""
    host = OneAgent(tmp_path, host_group="web")
    configured(host)
    host.plain["host-group"] = "theirs"
    host.want()
    assert configured(host)["changes"] == {}
    assert host.plain["host-group"] == "theirs"


def test_a_lost_record_removes_nothing(tmp_path: Path) -> None:
    """Not knowing whose a tag is must lead to its staying."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    configured(host)
    host.record.unlink()
    host.want()
    assert configured(host)["changes"] == {}


@pytest.mark.parametrize("content", ["", "[", "7", '{"tags": {"a": 1}, "options": []}', "[[["])
def test_a_broken_record_removes_nothing(tmp_path: Path, content: str) -> None:
    """A power cut may leave anything."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    configured(host)
    host.record.write_text(content)
    host.want()
    assert configured(host)["changes"] == {}


def test_a_run_that_was_killed_knows_what_it_set(tmp_path: Path) -> None:
    """The record is written before anything is set."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    host.fails = True
    assert configured(host)["result"] is False
    assert json.loads(host.record.read_text())["tags"] == ["a=1"]
    assert host.record.stat().st_mode & 0o777 == 0o600


def test_a_network_zone_is_compared_as_dynatrace_stores_it(tmp_path: Path) -> None:
    """In lower case; and `default` is what is shown for none."""
    host = OneAgent(tmp_path, network_zone="EU.West")
    host.plain["network-zone"] = "eu.west"
    assert configured(host)["changes"] == {}


def test_a_failing_oneagentctl_is_reported_with_its_words(tmp_path: Path) -> None:
    """Nothing is called done that was not."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    host.fails = True
    told = configured(host)
    assert told["result"] is False
    assert "cannot stop the service" in told["comment"]


def test_a_setting_that_does_not_stick_is_a_failure(tmp_path: Path) -> None:
    """An exit code is no proof; what is shown afterwards is."""
    host = OneAgent(tmp_path, tags={"a": "1"})
    host.forgets = True
    told = configured(host)
    assert told["result"] is False
    assert "still differs in tags" in told["comment"]


@pytest.mark.parametrize("option", ["host_group", "tags"])
def test_mode_test_of_configured_says_what_and_does_nothing(tmp_path: Path, option: str) -> None:
    """Only getters are run."""
    host = OneAgent(tmp_path, **{option: {"role": "web"} if option == "tags" else "web"})
    told = configured(host, test=True)
    assert told["result"] is None
    assert list(told["changes"]) == [option]
    assert host.changing_commands == []
    assert not host.record.exists()


def test_an_installation_sets_everything_at_once(tmp_path: Path) -> None:
    """The agent starts with its host group, and the state after it has nothing to do."""
    host = OneAgent(tmp_path, None, host_group="web", app_log_access=True, tags={"role": "web"})
    told = installed(host)
    assert told["changes"] == {"oneagent": {"old": None, "new": NEW}}
    assert "HOST-5FD609AD6757BE7D" in told["comment"]
    [(version, arguments)] = host.installations
    assert version == "latest"
    assert arguments == [
        "--set-host-group=web",
        "--set-app-log-content-access=true",
        "--set-host-property=salt_minion=web01",
        "--set-host-tag=role=web",
        f"INSTALL_PATH={host.path}",
    ]
    assert configured(host)["changes"] == {}
    assert host.restarts == 0


def test_what_an_installation_set_is_removed_when_it_is_no_longer_wanted(tmp_path: Path) -> None:
    """It counts as ours like what was set later."""
    host = OneAgent(tmp_path, None, host_group="web", tags={"role": "web"})
    installed(host)
    host.want()
    assert configured(host)["changes"] == {
        "host_group": {"old": "web", "new": ""},
        "tags": {"old": ["role=web"], "new": []},
    }


def test_mode_test_of_installed_names_version_and_arguments(tmp_path: Path) -> None:
    """The tenant is asked which version, and nothing else happens."""
    host = OneAgent(tmp_path, None, host_group="web")
    told = installed(host, test=True)
    assert told["result"] is None
    assert told["changes"] == {"oneagent": {"old": None, "new": NEW}}
    assert f"OneAgent {NEW} would be installed with --set-host-group=web" in told["comment"]
    assert host.installations == host.commands == []
    assert configured(host, test=True)["result"] is None


def test_a_refused_installer_leaves_no_record(tmp_path: Path) -> None:
    """What was never set is nobody's."""
    host = OneAgent(tmp_path, None, tags={"role": "web"})
    host.fails = True
    told = installed(host)
    assert told["result"] is False
    assert "refused" in told["comment"]
    assert not host.record.exists()


@pytest.mark.parametrize(
    ("have", "wanted", "runs"),
    [
        (MIDDLE, {}, None),
        (MIDDLE, {"version": "latest"}, None),
        (MIDDLE, {"upgrade": True}, "latest"),
        (NEW, {"upgrade": True}, None),
        (MIDDLE, {"version": NEW}, NEW),
        (NEW, {"version": NEW}, None),
        (None, {"version": OLD}, OLD),
    ],
)
def test_the_version_decides_whether_an_installer_runs(
    tmp_path: Path, have: str | None, wanted: dict[str, Any], runs: str | None
) -> None:
    """Latest installs once, and upgrades when asked; a pinned version is kept."""
    host = OneAgent(tmp_path, have, **wanted)
    told = installed(host)
    assert told["result"] is True, told["comment"]
    assert [version for version, _ in host.installations] == ([runs] if runs else [])
    assert bool(told["changes"]) == bool(runs)
    assert installed(host)["changes"] == {}


def test_an_upgrade_keeps_what_is_set(tmp_path: Path) -> None:
    """The state that configures comes after it; a setting twice would leave two values."""
    host = OneAgent(tmp_path, MIDDLE, version=NEW, tags={"role": "web"})
    installed(host)
    assert host.installations == [(NEW, [f"INSTALL_PATH={host.path}"])]


def test_there_is_no_silent_downgrade(tmp_path: Path) -> None:
    """A pinned version that is older than the installed one fails, and says what to do."""
    host = OneAgent(tmp_path, MIDDLE, version=OLD)
    for test in (False, True):
        told = installed(host, test)
        assert told["result"] is False
        assert "newer than" in told["comment"]
        assert "dynatrace.oneagent.absent" in told["comment"]
    assert host.installations == []


def test_without_a_token_an_installed_agent_is_configured_only(tmp_path: Path) -> None:
    """For hosts whose OneAgent comes from somewhere else."""
    host = OneAgent(tmp_path, MIDDLE, tags={"role": "web"})
    host.configuration["installer_token"] = None
    assert installed(host)["result"] is True
    assert configured(host)["changes"] == {"tags": {"old": [], "new": ["role=web"]}}
    host.want(version=NEW)
    told = installed(host)
    assert told["result"] is False
    assert "a token is not set" in told["comment"]


def test_without_a_token_nothing_can_be_installed(tmp_path: Path) -> None:
    """That is a failure, not a quiet success."""
    host = OneAgent(tmp_path, None)
    host.configuration["installer_token"] = None
    for test in (False, True):
        assert installed(host, test)["result"] is False
        assert configured(host, test)["result"] is False


def test_absent_uninstalls_and_leaves_nothing_of_ours(tmp_path: Path) -> None:
    """The record goes with it, and the second run has nothing to do."""
    host = OneAgent(tmp_path, MIDDLE, tags={"role": "web"})
    configured(host)
    told = absent(host, test=True)
    assert told["result"] is None
    assert told["changes"]["oneagent"] == {"old": MIDDLE, "new": None}
    assert host.oneagentctl.exists()
    assert host.record.exists()
    told = absent(host)
    assert told["result"] is True, told["comment"]
    assert told["changes"]["oneagent"] == {"old": MIDDLE, "new": None}
    assert not host.record.parent.exists()
    assert absent(host) == {
        "name": "x",
        "result": True,
        "comment": "No OneAgent is installed.",
        "changes": {},
    }


@pytest.mark.parametrize("purge", [False, True])
def test_the_hosts_identity_goes_only_when_asked(tmp_path: Path, purge: bool) -> None:
    """Without it a OneAgent that comes back is another host to Dynatrace."""
    host = OneAgent(tmp_path, MIDDLE, purge=purge)
    left = tmp_path / "var" / "oneagent"
    left.mkdir(parents=True)
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(host.path)
    other.symlink_to(tmp_path)
    modules = host.modules()
    states = host.states(modules=modules)
    modules.oneagent.agent._dynatrace_places = lambda: [str(left)]
    modules.oneagent.tools.default_home = lambda: str(link)
    told = states.absent("x")
    assert told["changes"]["removed"] == ([str(left)] if purge else []) + [str(link)]
    assert left.exists() is not purge
    modules.oneagent.tools.default_home = lambda: str(other)
    assert states.absent("x")["changes"] == {}
    assert other.is_symlink()


def test_a_broken_agent_can_be_removed(tmp_path: Path) -> None:
    """One that does not even tell its version."""
    host = OneAgent(tmp_path, "none of your business")
    assert installed(host)["result"] is False
    assert absent(host)["changes"]["oneagent"] == {"old": "(unknown)", "new": None}
    assert not host.oneagentctl.exists()


def test_a_tenant_that_hands_out_an_older_one_is_not_believed(tmp_path: Path) -> None:
    """What runs afterwards is compared with what ran before."""
    host = OneAgent(tmp_path, NEW, upgrade=True)
    modules = host.modules()
    modules.oneagent.installer.latest = lambda want: NEW.replace("1.303", "1.305")
    modules.oneagent.installer.run = lambda *_: setattr(host, "version", OLD)
    told = host.states(modules=modules).installed("x")
    assert told["result"] is False
    assert f"replaced OneAgent {NEW} by the older {OLD}" in told["comment"]


@pytest.mark.parametrize("test", [True, False])
def test_a_pinned_version_is_not_gone_back_to_by_hand_either(tmp_path: Path, test: bool) -> None:
    """The function refuses as the state does."""
    host = OneAgent(tmp_path, NEW, version=OLD)
    oneagent = host.modules(test).oneagent
    with pytest.raises(CommandExecutionError, match="newer than"):
        oneagent.agent.install(oneagent.options.wanted())
    assert host.installations == []


@pytest.mark.parametrize(("fault", "words"), [("fails", "no rights"), ("forgets", "left")])
def test_an_agent_that_stays_is_a_failure(tmp_path: Path, fault: str, words: str) -> None:
    """Whatever the uninstaller says."""
    host = OneAgent(tmp_path)
    setattr(host, fault, True)
    told = absent(host)
    assert told["result"] is False
    assert words in told["comment"]


def test_the_grain_is_asked_anew_after_a_change(tmp_path: Path) -> None:
    """The master must not be told what was kept from before."""
    host = OneAgent(tmp_path, MIDDLE, tags={"role": "web"})
    kept = host.cachedir / "dynatrace" / "grain.json"
    kept.parent.mkdir()
    kept.touch()
    refreshed: list[bool] = []
    states = host.states()
    states.__salt__["saltutil.refresh_grains"] = lambda: refreshed.append(kept.exists())  # type: ignore[attr-defined]
    states.managed("x")
    assert refreshed == [False]
    states.managed("x")
    assert refreshed == [False]


def test_an_argument_wins_over_pillar(tmp_path: Path) -> None:
    """What is not given is taken from there; the installation sets what it is given, too."""
    host = OneAgent(tmp_path, MIDDLE, host_group="web", tags={"role": "web"})
    told = host.states().managed("x", tags={"role": "db"})
    assert told["changes"]["tags"] == {"old": [], "new": ["role=db"]}
    assert told["changes"]["host_group"]["new"] == "web"
    other = tmp_path / "other"
    other.mkdir()
    fresh = OneAgent(other, None, host_group="web")
    fresh.states().installed("x", version=NEW, host_group="db")
    [(version, flags)] = fresh.installations
    assert version == NEW and "--set-host-group=db" in flags


@pytest.mark.parametrize("state", ["installed", "managed", "absent"])
def test_an_argument_that_is_spelled_wrong_is_refused(tmp_path: Path, state: str) -> None:
    """Salt would warn, and do without it; what Salt itself hands on is none."""
    host = OneAgent(tmp_path, MIDDLE)
    told = getattr(host.states(), state)("x", hostgroup="web", __id__="y", saltenv="base")
    assert told["result"] is False
    assert "`hostgroup` is no key of it, `host_group` is" in told["comment"]
    assert "saltenv" not in told["comment"]
    assert host.changing_commands == []
