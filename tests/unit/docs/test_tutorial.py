"""
The tutorial, against what it tells of.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.demo.draw import Step, draw, parts, steps, terminal, timeline
from tests.demo.setting_up import step_name
from tests.unit.docs.pages import REPO, blocks, rows, section

PAGE = REPO / "docs" / "tutorial.md"
ORCHESTRATION_PAGE = REPO / "docs" / "reference" / "orchestrations.md"
IMAGES = REPO / "docs" / "images"
TRANSCRIPT = (IMAGES / "demo.txt").read_text(encoding="utf-8")
ORCHESTRATIONS = re.findall(
    r"state\.orchestrate (\S+)(?: \\\n)? +pillar='(.*?)'",
    PAGE.read_text(encoding="utf-8"),
    re.DOTALL,
)


@pytest.mark.parametrize(("name", "pillar"), ORCHESTRATIONS)
def test_an_orchestration_exists_and_its_pillar_is_json(name: str, pillar: str) -> None:
    """What a reader copies runs."""
    assert (REPO / "salt" / (name.replace(".", "/") + ".sls")).is_file()
    text = (REPO / "salt" / (name.replace(".", "/") + ".sls")).read_text(encoding="utf-8")
    for key in json.loads(pillar):
        assert f"pillar.get']('{key}" in text


def test_each_orchestration_is_in_the_tutorial() -> None:
    """The four that a first day needs, in their order."""
    names = list(dict.fromkeys(name.rpartition(".")[2] for name, _ in ORCHESTRATIONS))
    assert names == ["setup", "heal", "chaos", "teardown"]


def test_the_shell_commands_can_be_read_by_a_shell() -> None:
    """No quote is left open."""
    for text in blocks(PAGE, "bash"):
        assert shlex.split(text)


def test_the_engine_and_the_tenant_share_one_secret() -> None:
    """The listener's token is what Dynatrace is told to send; every sdb key is in the file of secrets."""
    examples = [yaml.safe_load(text) for text in blocks(PAGE, "yaml")]
    known = set(examples[0])
    text = "\n".join(blocks(PAGE, "yaml"))
    assert set(re.findall(r"sdb://dynatrace/(\w+)", text)) == known
    [engine] = [one for example in examples for one in example.get("engines", [])]
    [tenant] = [one["dynatrace"] for one in examples if "tenant" in (one.get("dynatrace") or {})]
    assert engine["dynatrace"]["webhook"]["token"] == tenant["webhook_token"]
    assert engine["dynatrace"]["environment_url"] == tenant["environment_url"]


def test_the_steps_of_the_setup_are_those_that_the_demo_ran() -> None:
    """The table names each, in its order."""
    setup, _ = parts(TRANSCRIPT)
    ran = list(dict.fromkeys(step.name for step in steps(setup)))
    table = section(ORCHESTRATION_PAGE, "Steps")
    named = [name for name, _ in rows(ORCHESTRATION_PAGE) if f"| `{name}` |" in table]
    assert [name.replace("-", " ") for name in named] == ran


def test_the_pictures_are_those_of_the_transcript() -> None:
    """Whoever changes the one draws the others anew: make pictures."""
    for path, text in draw(IMAGES).items():
        assert path.read_text(encoding="utf-8") == text
        assert f"(images/{path.name})" in PAGE.read_text(encoding="utf-8")
    others = {path.name for path in IMAGES.iterdir() if path.suffix not in (".svg", ".txt")}
    assert others == {"status.webp"}


def test_the_transcript_shows_a_second_setup_without_a_change_and_a_healed_apache2() -> None:
    """What the page says of the run is so in it."""
    setup, healing = parts(TRANSCRIPT)
    first, _, second = setup.partition("The same again")
    assert " changed  " in first
    assert " changed  " not in second
    names = [step.name for step in steps(healing)]
    assert names[0] == "stopped"
    assert {"notification accepted", "serving again", "proved", "commented"} <= set(names)


def test_a_picture_holds_whatever_is_told() -> None:
    """Nothing of a text becomes part of the drawing."""
    text = "  <script>&amp;\x1b[31m\x00 ]]> \ud800"
    for picture in (
        terminal(text),
        timeline([Step(0, "stopped", ""), Step(1, "serving again", text)]),
    ):
        ElementTree.fromstring(picture)
        assert "<script>" not in picture


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("dynatrace-orch-setup-dynatrace-setup-targets-known", "targets known"),
        ("dynatrace-orch-setup-dynatrace-setup-applied-oneagent", "oneagent"),
        ("dynatrace-tenant-process-alerting-1", "process alerting"),
        ("dynatrace-tenant-webhook-test-nop", "webhook"),
    ],
)
def test_a_step_is_named_after_its_state(state: str, name: str) -> None:
    """Without what all of them begin with."""
    assert step_name(state) == name


def test_the_readme_leads_here() -> None:
    """It is what a newcomer needs first."""
    assert "(docs/tutorial.md)" in Path(REPO / "README.md").read_text(encoding="utf-8")
