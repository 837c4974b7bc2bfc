"""
Bodies that are made once, for tenants with thousands of problems and entities that are read again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from tests.tenant.wire import Answer, to_json

Item = TypeVar("Item")


class Kept:
    """
    The JSON texts of bodies, each with a stamp that differs once it must be made anew.
    """

    def __init__(self) -> None:
        self._texts: dict[Hashable, tuple[Hashable, str]] = {}

    def text(self, name: Hashable, stamp: Hashable, make: Callable[[], Any]) -> str:
        """
        Give the text of a body, made now if it is not kept.
        """
        known = self._texts.get(name)
        if known is None or known[0] != stamp:
            known = self._texts[name] = (stamp, to_json(make()))
        return known[1]


def listed(
    body: dict[str, Any], key: str, items: Sequence[Item], text: Callable[[Item], str]
) -> Answer:
    """
    Answer a list whose items, under `key`, are texts already.
    """
    texts = ", ".join(text(item) for item in items)
    outer = to_json({**body, key: []})
    return Answer(200, outer.replace(f'"{key}": []', f'"{key}": [{texts}]', 1).encode())
