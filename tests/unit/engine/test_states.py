"""
The states of episodes, attempts and actions: one table of moves, which nothing goes around.
"""

from __future__ import annotations

import ast
import itertools
import json
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _dynatrace.core.errors import IllegalMove
from _dynatrace.core.records import Attempt
from _dynatrace.core.states import (
    ACTION_ENDS,
    ATTEMPT_ENDS,
    BUSY_ATTEMPTS,
    OPEN_ATTEMPTS,
    TRANSITIONS,
    ActionState,
    AttemptState,
    EpisodeState,
    State,
    move,
    sources,
    sql,
)
from _dynatrace.store.ledger import Ledger

from tests.unit.docs import states as drawing

PACKAGE = Path(__file__).parents[3] / "_engines" / "_dynatrace"
#: The table itself is written here, and nowhere else.
OUTSIDE = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "states.py"]
WORDS = {state.value for kind in (EpisodeState, AttemptState, ActionState) for state in kind}
#: The others are words of events, of returns and of columns too.
OWN = {"planned", "running", "expired", "not_executed", "ignored"}
PAIRS = [
    (kind, before, after)
    for kind in TRANSITIONS
    for before, after in itertools.product([None, *kind], kind)
]


@pytest.mark.parametrize(
    ("kind", "before", "after"), PAIRS, ids=[f"{k.__name__}-{b}-{a}" for k, b, a in PAIRS]
)
def test_a_state_moves_as_the_table_says(
    kind: type[State], before: State | None, after: State
) -> None:
    """
    All pairs; to stay is no move, and what is not in the table is refused in words.
    """
    if before == after or after in TRANSITIONS[kind].get(before, ()):
        assert move(before, after) is after
    else:
        with pytest.raises(IllegalMove, match=f"{kind.__name__} does not go from .* to {after}"):
            move(before, after)


@pytest.mark.parametrize("kind", TRANSITIONS, ids=lambda kind: kind.__name__)
def test_each_state_can_be_reached_and_each_way_ends(kind: type[State]) -> None:
    """
    No record is stuck, and no state is dead.
    """
    moves = TRANSITIONS[kind]
    reached: set[State] = set()
    now = set(moves[None])
    while now - reached:
        reached |= now
        now = {after for before in now for after in moves.get(before, ())}
    assert reached == set(kind)
    for state in kind:
        seen = {state}
        while not any(one not in moves for one in seen):
            before = set(seen)
            seen |= {after for one in seen for after in moves.get(one, ())}
            assert seen != before


def test_an_end_is_final() -> None:
    """
    A second return changes nothing of what was told; only of what was lost the first one may still come.
    """
    lost = (AttemptState.LOST, ActionState.LOST)
    assert set(AttemptState) - set(TRANSITIONS[AttemptState]) == set(ATTEMPT_ENDS) - {lost[0]}
    assert set(ActionState) - set(TRANSITIONS[ActionState]) == set(ACTION_ENDS) - {lost[1]}
    returned = {"bad", "unproved", "refused", "good", "healthy"}
    assert set(TRANSITIONS[AttemptState][lost[0]]) == set(map(AttemptState, returned))
    assert set(TRANSITIONS[ActionState][lost[1]]) == set(map(ActionState, returned))
    assert set(OPEN_ATTEMPTS) == set(AttemptState) - set(ATTEMPT_ENDS)
    assert set(BUSY_ATTEMPTS) == set(OPEN_ATTEMPTS) - {AttemptState.EXPIRED}
    assert set(sources(AttemptState.LOST)) == {AttemptState.RUNNING}


def test_a_state_is_written_as_its_value() -> None:
    """
    In SQL, in the names of counters, in rows for the runner.
    """
    assert f"attempts_{AttemptState.NOT_EXECUTED}" == "attempts_not_executed"
    assert str(EpisodeState.OPEN) == "open"
    assert json.dumps([ActionState.GOOD]) == '["good"]'
    assert sql(EpisodeState.OPEN, EpisodeState.IGNORED) == "('open', 'ignored')"


def test_an_illegal_move_is_refused_and_said_and_the_engine_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A gap in the table must not end the loop, nor bring back to life what is over.
    """
    ledger = Ledger(tmp_path / "ledger.db", "dynatrace")
    own = "a" * 32
    ledger.attempts.add(Attempt(own, "P", 1, 1, "2" * 20, AttemptState.PLANNED, 1.0), [])
    ledger.attempts.move(own, AttemptState.NOT_EXECUTED, ended=2.0)
    with caplog.at_level(logging.ERROR):
        ledger.attempts.move(own, AttemptState.PLANNED)
    kept = ledger.attempts.get(own)
    assert kept is not None
    assert (kept.state, kept.ended) == (AttemptState.NOT_EXECUTED, 2.0)
    assert caplog.messages == [
        "dynatrace: attempt aaaaaaaaaaaa: AttemptState does not go from not_executed to planned"
    ]
    ledger.outbox.order_taken(own, 3.0)
    assert ledger.attempts.get(own) == kept
    ledger.attempts.move("nobody", AttemptState.PLANNED)
    ledger.close()


def literals(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """
    Yield the texts of a file, without docstrings.
    """
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_no_state_is_written_as_a_literal(path: Path) -> None:
    """
    Neither as a text of its own, nor within SQL, nor where a state is set or compared.
    """
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    quoted = re.compile("'(" + "|".join(WORDS) + ")'")
    found = [one for one in literals(nodes) if one[1] in OWN or quoted.search(one[1])]
    for node in nodes:
        touched: list[ast.expr] = []
        if isinstance(node, ast.keyword) and node.arg == "state":
            touched = [node.value]
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(one, ast.Attribute) and one.attr == "state" for one in sides):
                touched = sides
        texts = [one for side in touched for one in ast.walk(side)]
        found += [
            (one.lineno, one.value)
            for one in texts
            if isinstance(one, ast.Constant) and one.value in WORDS
        ]
    assert found == []


def test_the_picture_of_the_states_is_that_of_the_table() -> None:
    """
    `python -m tests.unit.docs.states` draws it.
    """
    page = drawing.PAGE.read_text(encoding="utf-8")
    assert drawing.in_page(page) == drawing.drawn()
