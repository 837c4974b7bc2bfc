"""
The first day: `dynatrace.orch.setup` on an empty tenant, told step by step.
"""

from __future__ import annotations

import itertools
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
    for name, group in itertools.groupby(stage.set_up(), lambda one: step_name(one["__id__"])):
        states = list(group)
        after += sum(float(state["duration"]) for state in states) / 1000
        for state in states:
            if state["result"] is not True:
                raise DemoError(f"The setup failed at '{name}': {state['comment']}")
        has_changed = any(state["changes"] for state in states)
        changed += [name] if has_changed else []
        what = "changed" if has_changed else "as it is"
        # One policy for each remedy of the catalogue.
        more = f" And {len(states) - 1} more like it." if len(states) > 1 else ""
        say(f"{after:8.2f} s  {name:<22} {what:<8}  {short(states[0]['comment'] + more)}")
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
