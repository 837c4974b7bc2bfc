"""
That the comparison of conftest.py can fail, and looks at something.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _dynatrace.core import rules
from _dynatrace.core.policy import Verdict
from _dynatrace.core.reasons import Reason
from _dynatrace.simulation.trial import Trial

from tests.functional.engine.conftest import Scene
from tests.functional.engine.replayed import Replayed
from tests.functional.engine.world import BAD, REPLAYED, World


def played(scene: Scene) -> World:
    """
    Let an attempt fail and cool down.
    """
    apache = scene.host("web01")
    world = scene.world()
    scene.tenant.open_problem(apache)
    world.poll()
    world.salt_runs(world.events("open")[0], BAD)
    world.cycle(1)
    return world


def test_each_decision_is_explained_and_simulated(scene: Scene, replayed: Replayed) -> None:
    """
    The order, and that the cooldown holds it then.
    """
    played(scene)
    assert (replayed.explained, replayed.simulated) == (2, 2)


@pytest.fixture
def planted(tmp_path: Path) -> Replayed:
    return Replayed(tmp_path)


def heard(scene: Scene, planted: Replayed) -> list[str]:
    REPLAYED.append(planted)
    try:
        played(scene)
    finally:
        REPLAYED.remove(planted)
    return planted.differences


def test_a_simulation_that_decides_otherwise_is_noticed(
    scene: Scene, planted: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A trial that knows of no earlier attempt orders at once.
    """
    attempts = Trial.verdicts

    def forgetful(trial: Trial) -> object:
        made = attempts.func(trial)
        monkeypatch.setattr(made, "_past", lambda *_: [])
        return made

    monkeypatch.setattr(Trial, "verdicts", property(forgetful))
    (one,) = heard(scene, planted)
    assert "simulated {('web01', 'PROCESS_GROUP_INSTANCE-" in one
    assert "and decided" in one
    assert "cooldown" in one


def test_an_explanation_that_decides_otherwise_is_noticed(
    scene: Scene, planted: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A rule that explains itself and does not decide, or the other way round.
    """
    always = rules.Rule("storm", lambda _: Verdict(Reason.STORM))
    listed = tuple(always if rule.name == "storm" else rule for rule in rules.RULES)
    monkeypatch.setattr("_dynatrace.core.explanation.RULES", listed)
    told = heard(scene, planted)
    assert any("told {" in one and "by the rules ['storm']" in one for one in told)
