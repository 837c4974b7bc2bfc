"""
The form of ``engines`` in a master's configuration: which entries are ours, and what is indented wrongly there.

Salt itself says nothing of options that do not stand below an engine's name: it starts the engine without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
            # Salt takes the first key of an entry, and passes over the others.
            yield from list(entry.items())[:1]
        else:
            yield entry, None


def misplaced(engines: Any) -> list[str]:
    """
    Return one sentence for each entry of ``engines`` that is formed in a way that loses options of ours; never raises.
    """
    found = []
    for entry in engines if isinstance(engines, list) else [engines]:
        if isinstance(entry, Mapping) and (told := _wrong(entry, isinstance(engines, list))):
            found.append(told)
    found += [
        f"the options of `{NAME}` are no mapping: write each as `key: value`, without a dash"
        for name, options in entries(engines)
        if name == NAME and not isinstance(options, (Mapping, type(None)))
    ]
    return found


def _wrong(entry: Mapping[Any, Any], is_one: bool) -> str | None:
    beside = [str(key) for key in entry if key in _KEYS]
    if beside:
        return (
            f"{_quoted(beside)} in `engines` must stand below `- {NAME}:`: "
            "write each four spaces further in than the dash, without a dash of its own"
        )
    if is_one and NAME in entry and len(entry) > 1:
        return f"one entry of `engines` names {_quoted(map(str, entry))}: begin each with a dash of its own"
    return None


def _quoted(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)
