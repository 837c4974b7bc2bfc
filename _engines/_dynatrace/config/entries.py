"""
The form of ``engines`` in a master's configuration: which entries are ours, and which options are misplaced there.

Salt starts an engine without the options that do not stand below its name, and logs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .options import OPTIONS

NAME = "dynatrace"
_KEYS = {option.name.partition(".")[0] for option in OPTIONS} | {"engine_module"}


def entries(engines: Any) -> Iterator[tuple[Any, Any]]:
    """
    Yield name and options of each engine that Salt starts; a mapping stands for a list of its items.
    """
    if isinstance(engines, Mapping):
        yield from engines.items()
        return
    for entry in engines if isinstance(engines, list) else ():
        if isinstance(entry, Mapping):
            # Salt takes the first key of an entry, and ignores the others.
            yield from list(entry.items())[:1]
        else:
            yield entry, None


def kept_elsewhere(engines: Any, instance: str) -> dict[str, str]:
    """
    Return the ``sdb://`` URLs of an engine's secrets by the names of their options, from ``engines`` as it is written.
    """
    options = next((given for name, given in entries(engines) if name == instance), None)
    found: dict[str, str] = {}
    for option in OPTIONS if isinstance(options, Mapping) else ():
        value: Any = options
        for key in option.name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if option.secret and isinstance(value, str) and value.startswith("sdb://"):
            found[option.name] = value
    return found


def misplaced(engines: Any) -> list[str]:
    """
    Return one sentence for each entry of ``engines`` whose form loses options of ours; never raises.
    """
    is_list = isinstance(engines, list)
    wrong = (_wrong(entry, is_list) for entry in (engines if is_list else [engines]))
    return [sentence for sentence in wrong if sentence] + [
        f"the options of `{NAME}` are no mapping: write each as `key: value`, without a dash"
        for name, options in entries(engines)
        if name == NAME and not isinstance(options, (Mapping, type(None)))
    ]


def _wrong(entry: Any, is_one: bool) -> str | None:
    if not isinstance(entry, Mapping):
        return None
    beside = [str(key) for key in entry if key in _KEYS]
    if beside:
        return (
            f"{_quoted(beside)} in `engines` must stand below `- {NAME}:`: "
            "write each four spaces further in than the dash, without a dash of its own"
        )
    if is_one and NAME in entry and len(entry) > 1:
        return f"one entry of `engines` names {_quoted(map(str, entry))}: begin each with a dash of its own"
    return None


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
