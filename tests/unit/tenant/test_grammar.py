"""
The grammar of selectors, against whatever text comes.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tenant.errors import ApiError
from tests.tenant.grammar import SelectorError, parse
from tests.tenant.timeframe import parse_moment


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_any_value_survives_quoting(value: str) -> None:
    """What is escaped with `~` is read back as it was."""
    quoted = value.replace("~", "~~").replace('"', '~"')
    (criterion,) = parse(f'text("{quoted}")')
    assert criterion.values == [value]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='at(),"~. open'))
def test_no_text_is_read_with_another_error_than_its_own(text: str) -> None:
    """A selector is read or refused, nothing else."""
    with contextlib.suppress(SelectorError):
        assert parse(text)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="now-0123456789mhdwMy/TZ:+. ", max_size=30))
def test_no_moment_is_read_with_another_error_than_a_400(text: str) -> None:
    """A time is read or refused, nothing else."""
    with contextlib.suppress(ApiError):
        assert isinstance(parse_moment(text, 1_700_000_000_000, "from"), int)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", 1709210096789),
        ("now-5m", 1709209796789),
        ("now/h", 1709208000000),
        ("now-1d/d", 1709078400000),
        ("now/w", 1708905600000),
        ("now-1M/M", 1704067200000),
        ("now-1y/y", 1672531200000),
        ("2024-02-29T12:34:56.789Z", 1709210096789),
        ("2024-02-29 13:34:56.789+01:00", 1709210096789),
        ("2024-02-29T12:34", 1709210040000),
        ("1709210096789", 1709210096789),
    ],
)
def test_moments_are_what_they_say(text: str, expected: int) -> None:
    """Seen from 2024-02-29T12:34:56.789Z, a Thursday."""
    assert parse_moment(text, 1709210096789, "from") == expected
