"""
Writes dataclasses as JSON, and reads them from that and from rows of a table.
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
#: As asdict would give it, in a fifth of the time; made once, since ``dumps`` makes one at each call.
_encode = json.JSONEncoder(default=vars).encode


def plain(value: Any) -> str:
    """
    Return a value that may have dataclasses in it as JSON.
    """
    return _encode(value)


def restored(kind: type[T], data: Mapping[str, Any] | str) -> T:
    """
    Return the dataclass that ``data`` has the fields of, and perhaps others. A text is its JSON, within it too.
    """
    known: Mapping[str, Any] = _parsed(data)
    made = {}
    for name, read in _readers(kind).items():  # type: ignore[arg-type] # A class is hashable.
        if name in known:
            made[name] = read(known[name]) if read else known[name]
    return kind(**made)


def _shared(kind: type[T], data: Mapping[str, Any] | str) -> T:
    if not isinstance(data, str):
        return restored(kind, data)
    kept: T = _kept(kind, data)  # type: ignore[arg-type] # A class is hashable.
    return kept


@functools.lru_cache(maxsize=256)
def _kept(kind: type[T], text: str) -> T:
    # A row is read several times between the first look at a problem and its order, and few others meanwhile.
    return restored(kind, text)


@functools.cache
def _readers(kind: Any) -> dict[str, Callable[[Any], Any] | None]:
    hints = get_type_hints(kind)
    return {one.name: _reader(hints[one.name]) for one in fields(kind)}


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """
    Return what makes a value of a type of its plain form; None: it is that already.
    """
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        read = _reader(get_args(hint)[0])
        return read and (lambda value: None if value is None else read(value))
    if origin is tuple:
        item = _reader(get_args(hint)[0])
        return tuple if item is None else (lambda values: tuple(map(item, values)))
    if origin is dict:
        return _parsed
    if isinstance(hint, type) and is_dataclass(hint):
        # What is frozen may be shared by all who read it.
        frozen: bool = hint.__dataclass_params__.frozen  # type: ignore[attr-defined]
        return functools.partial(_shared if frozen else restored, hint)
    if isinstance(hint, type) and (hint is bool or issubclass(hint, enum.Enum)):
        return hint
    return None


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
