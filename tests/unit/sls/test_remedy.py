"""
What the remedy for apache2 is made of, and what its state is given on each family of systems.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load, source
from tests.unit.sls.rendering import render
from tests.unit.sls.test_reactor import HOSTILE

PATH = "salt/dynatrace/remedy/apache2.sls"
DEBIAN = {
    "service": "apache2",
    "executable": "/usr/sbin/apache2",
    "pid_file": "/run/apache2/apache2.pid",
    "config": "/etc/apache2/apache2.conf",
    "configtest": ["/usr/sbin/apache2ctl", "configtest"],
}
REDHAT = {
    "service": "httpd",
    "executable": "/usr/sbin/httpd",
    "pid_file": "/run/httpd/httpd.pid",
    "config": "/etc/httpd/conf/httpd.conf",
    "configtest": ["/usr/sbin/httpd", "-t"],
}


def remedy(tmp_path: Path, **context: Any) -> Any:
    return render(PATH, tmp_path, {}, sls="dynatrace.remedy.apache2", tmplpath=PATH, **context)


def arguments(high: Any) -> dict[str, Any]:
    [body] = high.values()
    return {key: value for one in body["dynatrace.healed"] for key, value in one.items()}


def settled(tmp_path: Path, family: str, pillar: Any = None) -> dict[str, Any]:
    """
    Return the settings as the state reads them.
    """
    given = arguments(remedy(tmp_path))
    name = given.pop("name")
    module = load("_utils/_dynatrace_utils/remedy/settings.py")
    found: dict[str, Any] = module.settled(name, given, pillar or {}, family)
    return found


def test_it_is_yaml_without_a_template(tmp_path: Path) -> None:
    """What it says does not depend on anything but itself, so no hostile text can change it."""
    text = source(PATH)
    assert text.startswith("#!yaml\n")
    assert remedy(tmp_path, pillar={"dynatrace": HOSTILE}) == yaml.safe_load(text)


def test_it_is_one_state(tmp_path: Path) -> None:
    """Each one more makes the outage longer; chaos reads what it has to know from this one."""
    [name] = remedy(tmp_path)
    assert name == "dynatrace-remedy-apache2-dynatrace-healed"
    assert arguments(remedy(tmp_path))["name"] == "apache2"


@pytest.mark.parametrize(("family", "own"), [("Debian", DEBIAN), ("RedHat", REDHAT)])
def test_the_family_decides_names_and_paths(
    tmp_path: Path, family: str, own: dict[str, Any]
) -> None:
    """The same state on both, and no url: that is the site's own proof."""
    found = settled(tmp_path, family)
    assert own.items() <= found.items()
    assert (found["proof"], found["url"], found["timeout"]) == ("http", None, 10)


def test_an_unknown_family_says_what_to_set(tmp_path: Path) -> None:
    """Nothing is guessed for a system that we have no data for."""
    with pytest.raises(CommandExecutionError, match="dynatrace:lookup:apache2:service"):
        settled(tmp_path, "Suse")


def test_a_site_sets_its_own_values_by_pillar(tmp_path: Path) -> None:
    """What the site does not set stays as it is."""
    lookup = {"url": "https://127.0.0.1:8443/health", "ports": [8443]}
    found = settled(tmp_path, "Debian", {"dynatrace": {"lookup": {"apache2": lookup}}})
    assert {**DEBIAN, **lookup}.items() <= found.items()


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_a_hostile_pillar_changes_nothing_but_that_text(tmp_path: Path, text: str) -> None:
    """A setting is a value, whatever it holds."""
    found = settled(tmp_path, "Debian", {"dynatrace": {"lookup": {"apache2": {"host": text}}}})
    assert found == {**settled(tmp_path, "Debian"), "host": text}


def test_the_catalogue_has_the_same_settings_of_apache2(tmp_path: Path) -> None:
    """They stand in two places: one is copied by who writes a remedy, the other by who installs."""
    shipped = yaml.safe_load(source("master.d/remedies.conf"))["dynatrace_remedies"]["apache2"]
    catalogue = {key: value for key, value in shipped.items() if key is not True}
    state = arguments(remedy(tmp_path))
    assert catalogue == {key: value for key, value in state.items() if key != "name"}
