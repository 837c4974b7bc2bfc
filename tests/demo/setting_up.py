"""
The first day: `dynatrace.orch.setup` on an empty tenant, told step by step.
"""

from __future__ import annotations

import re

from tests.demo.saying import DemoError, say
from tests.harness.newcomer import Newcomer
from tests.harness.stage import MINION

WIDTH = 84
SET_UP = f'salt-run state.orchestrate dynatrace.orch.setup pillar=\'{{"minions": ["{MINION}"]}}\''


def set_up(stage: Newcomer) -> list[str]:
    """
    Run `dynatrace.orch.setup`, tell each of its steps, and return those that changed something.
    """
    changed = []
    after = 0.0
    for state in stage.set_up():
        name = step_name(state["__id__"])
        after += float(state["duration"]) / 1000
        if state["result"] is not True:
            raise DemoError(f"The setup failed at '{name}': {state['comment']}")
        changed += [name] if state["changes"] else []
        what = "changed" if state["changes"] else "as it is"
        say(f"{after:8.2f} s  {name:<22} {what:<8}  {short(state['comment'])}")
    return changed


def step_name(state_id: str) -> str:
    """
    Return what a state of the setup is about: `hosts known`, `webhook`.
    """
    text = state_id.removeprefix("dynatrace-orch-setup-").removeprefix("dynatrace-")
    for prefix in ("setup-applied-", "setup-", "tenant-"):
        text = text.removeprefix(prefix)
    return re.sub(r"(-test-.*|-\d+)$", "", text).replace("-", " ")


def short(comment: str) -> str:
    """
    Return a comment in one line of bearable length.
    """
    text = " ".join(comment.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
