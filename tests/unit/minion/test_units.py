"""
The unit that Dynatrace names: text from outside, that is compared before systemd is asked for it.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import private

LOADED = {
    "Id": "app-orders.service",
    "LoadState": "loaded",
    "LoadError": "",
    "Type": "simple",
    "FragmentPath": "/etc/systemd/system/app-orders.service",
    "SourcePath": "",
    "ConsistsOf": "",
    "ActiveState": "inactive",
    "InactiveEnterTimestampMonotonic": "",
}
GLOBS = ["app-*", "worker@*.service"]


def chosen(
    name: Any,
    found: Any = LOADED,
    globs: Any = GLOBS,
    booted: bool = True,
    failed: float | None = None,
) -> str:
    package = private()
    package.service.unit.is_booted = lambda: booted
    package.service.unit.read = lambda name: found
    package.service.unit._near = lambda unit: []
    told: str = package.remedy.units.chosen(name, globs, failed)
    return told


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("app-orders", "app-orders.service"),
        ("app-orders.service", "app-orders.service"),
        ("worker@2", "worker@2.service"),
        ("worker@a\\x2db.service", "worker@a\\x2db.service"),
        ("app-v1.2", "app-v1.2.service"),
    ],
)
def test_a_unit_of_the_catalogue_is_the_service(name: str, unit: str) -> None:
    """With or without its suffix, instances of templates too."""
    assert chosen(name) == unit


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "no unit is named"),
        ("", "no unit is named"),
        ("../x", "is no name of a unit"),
        ("app-../../x", "is no name of a unit"),
        ("app-x; rm -rf /", "is no name of a unit"),
        ("app-$(id)", "is no name of a unit"),
        ("app-x\nssh", "is no name of a unit"),
        ("app-x\u2028", "is no name of a unit"),
        ("app-x\0", "is no name of a unit"),
        ("--now", "is no name of a unit"),
        (".app", "is no name of a unit"),
        ("app-" + "x" * 300, "is no name of a unit"),
        ("app-*", "is no name of a unit"),
        ("app-data.mount", "is no service but a mount"),
        ("app-x.target", "is no service but a target"),
        ("app-x.timer", "is no service but a timer"),
        ("app-x.socket", "is no service but a socket"),
        ("app-x.device", "is no service but a device"),
        ("worker@", "is a template"),
        ("worker@.service", "is a template"),
        ("ssh.service", "is not in the catalogue"),
        ("ssh", "is not in the catalogue"),
        ("xapp-orders", "is not in the catalogue"),
        ("APP-orders", "is not in the catalogue"),
    ],
)
def test_any_other_text_is_refused_before_systemd_is_asked(name: Any, said: str) -> None:
    """With the reason, and no more of the text than a line holds."""

    def never(name: str) -> Any:
        raise AssertionError(f"systemd was asked for {name}")

    package = private()
    package.service.unit.is_booted = lambda: True
    package.service.unit.read = never
    with pytest.raises(CommandExecutionError, match=said) as refused:
        package.remedy.units.chosen(name, GLOBS)
    assert len(str(refused.value)) < 250


GENERATED = {**LOADED, "FragmentPath": "/run/systemd/generator/app-x.service"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({**LOADED, "LoadState": "masked"}, "is masked"),
        ({**LOADED, "LoadState": "not-found"}, "is not known to systemd"),
        ({**LOADED, "LoadState": "bad-setting"}, "cannot be loaded"),
        ({**GENERATED, "SourcePath": "/etc/fstab"}, "is generated from /etc/fstab"),
        ({**GENERATED, "SourcePath": "/proc/self/mountinfo"}, "is generated from /proc"),
        (GENERATED, "is generated from something else"),
    ],
)
def test_what_is_no_service_that_may_start_is_refused(found: Any, said: str) -> None:
    """As systemd tells on this minion."""
    with pytest.raises(CommandExecutionError, match=said):
        chosen("app-orders", found)


@pytest.mark.parametrize("source", ["/etc/init.d/app-x", "/etc/containers/systemd/app-x.container"])
def test_a_service_of_an_init_script_or_of_podman_is_one(source: str) -> None:
    """A generator made its unit, and it is a service of the site's."""
    assert chosen("app-x", {**GENERATED, "SourcePath": source}) == "app-x.service"


def test_without_systemd_there_are_no_units() -> None:
    """It would be looked for as an init script."""
    with pytest.raises(CommandExecutionError, match="systemd does not run here"):
        chosen("app-orders", booted=False)


NOW = 1e6


def at_rest(seconds: float, state: str = "inactive") -> dict[str, str]:
    """
    Return a unit that has been at rest for so long, as systemd shows it.
    """
    ended = str(int((NOW - seconds) * 1e6))
    return {**LOADED, "ActiveState": state, "InactiveEnterTimestampMonotonic": ended}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The machine runs since days.
    """
    monkeypatch.setattr(time, "monotonic", lambda: NOW)


@pytest.mark.parametrize("state", ["inactive", "failed"])
@pytest.mark.usefixtures("clock")
def test_a_unit_that_was_stopped_long_before_the_failure_is_another_one(state: str) -> None:
    """A renamed service leaves its old unit in the topology; to start that one would be wrong."""
    with pytest.raises(CommandExecutionError, match=r"was stopped 2\.0 h before"):
        chosen("app-orders", at_rest(7800, state), failed=time.time() - 600)


@pytest.mark.parametrize(
    ("found", "ago"),
    [
        (at_rest(900), 600),
        (at_rest(600), 7800),
        (at_rest(7800), None),
        ({**at_rest(7800), "ActiveState": "active"}, 600),
        ({**LOADED, "InactiveEnterTimestampMonotonic": "0"}, 600),
    ],
    ids=["just before", "since", "unknown", "it runs", "never stopped"],
)
@pytest.mark.usefixtures("clock")
def test_a_unit_that_may_be_the_one_that_failed_is_taken(
    found: dict[str, str], ago: float | None
) -> None:
    """Dynatrace sees it later, or earlier in a problem that stays open; one that never ran since the start may fail."""
    failed = None if ago is None else time.time() - ago
    assert chosen("app-orders", found, failed=failed) == "app-orders.service"
