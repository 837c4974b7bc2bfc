"""
DQL matchers: a condition alone, as triggers and maintenance windows have it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.tenant.platform.dql.errors import DqlError
from tests.tenant.platform.dql.expressions import Expressions
from tests.tenant.platform.dql.reader import Reader
from tests.tenant.platform.dql.rows import Context, Expression, Row


def matcher(text: str) -> Expression:
    """
    Read a matcher; raises `DqlError`.
    """
    reader = Reader(text)
    found = Expressions(reader).condition()
    if reader.word.kind != "end":
        raise reader.refused()
    return found


def meets(text: str, record: Mapping[str, Any]) -> bool:
    """
    Say whether a record meets a matcher; one that cannot be read meets none.
    """
    now = time.time_ns()
    try:
        return matcher(text)(Row(dict(record)), Context(now, now, now, lambda *_: ())) is True
    except DqlError:
        return False
