"""
Draws the states of `core.states` into `docs/architecture.md`: `python -m tests.unit.docs.states` writes what changed.

All ends of a record are one box when there are several, and an arrow tells which of them it does not lead to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from tests.unit.docs.pages import REPO

sys.path.insert(0, str(REPO / "_engines"))
from _dynatrace.core.states import TRANSITIONS, State

PAGE = REPO / "docs" / "architecture.md"
BEGIN, END = "<!-- states: generated -->\n", "<!-- end -->\n"


def drawn() -> str:
    """
    Return the pictures of all records.
    """
    return "\n".join(
        f"{kind.__name__}:\n\n```mermaid\n" + "\n".join(_machine(kind, moves)) + "\n```\n"
        for kind, moves in TRANSITIONS.items()
    )


def _machine(kind: type[State], moves: Mapping[State | None, tuple[State, ...]]) -> Iterator[str]:
    ends = [state for state in kind if state not in moves]
    yield "stateDiagram-v2"
    if len(ends) > 1:
        yield f'    state "{", ".join(ends)}" as ended'
    for before, afters in moves.items():
        for after in afters:
            if len(ends) == 1 or after not in ends:
                yield f"    {before or '[*]'} --> {after}"
        led = [state for state in ends if state in afters]
        missed = [state for state in ends if state not in afters]
        if led and len(ends) > 1:
            few = f" : {', '.join(led)}" if len(led) < len(missed) else ""
            yield f"    {before or '[*]'} --> ended" + (
                few or (f" : all but {', '.join(missed)}" if missed else "")
            )
    yield f"    {ends[0] if len(ends) == 1 else 'ended'} --> [*]"


def in_page(text: str) -> str:
    """
    Return the part of the page that is drawn.
    """
    return text.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace(BEGIN + in_page(page), BEGIN + drawn()), encoding="utf-8")
