"""
The catalogue of remedies, ``dynatrace_remedies`` in the master's configuration: its validation, whatever is written there.

A fault stops nothing. An entry that has one stays known, so that no other entry takes what it is for; it heals nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..core.remedies import Catalogue, Remedy
from . import remedy_rules as rules
from .options import OPTIONS
from .validator import Rule, short

KEY = "dynatrace_remedies"
_KEYS = ("on", "policy", *rules.SETTINGS, "os_family")
_POLICY = {
    option.name.removeprefix("policy."): option.rule
    for option in OPTIONS
    if option.name.removeprefix("policy.") in rules.OF_POLICY
}


def validate(given: Any) -> tuple[Catalogue, list[str]]:
    """
    Return the catalogue of a mapping, and a sentence for each thing that is wrong with it; never raises. None: it is empty.
    """
    if given is None:
        return Catalogue(), []
    if not isinstance(given, Mapping):
        form = "such as `nginx: {on: {technology: NGINX}, service: nginx}`"
        faults = [f"`{KEY}` must be a mapping of names to entries, {form}{_got(given)}"]
        return Catalogue((), faults), faults
    remedies: list[Remedy] = []
    faults = []
    for name, entry in given.items():
        if rules.NAME.accepts(name):
            remedy, wrong = _remedy(name, entry)
        else:
            wrong = [f"`{KEY}`: the name of an entry must be {rules.NAME.allowed}{_got(name)}"]
            remedy = replace(_remedy(_name(name), entry)[0], fault=wrong[0])
        remedies.append(remedy)
        faults += wrong
    return Catalogue(remedies, faults), faults


def _remedy(name: str, entry: Any) -> tuple[Remedy, list[str]]:
    place = f"{KEY}:{name}"
    if not isinstance(entry, Mapping):
        wrong = [f"`{place}` must be a mapping such as {{service: {name}}}{_got(entry)}"]
        return Remedy(name, fault=wrong[0]), wrong
    # YAML reads the key `on` as true.
    known = {"on" if key is True else key: value for key, value in entry.items()}
    wrong = [
        *_mapping_faults(f"{place}:on", known.get("on"), rules.ON),
        *_mapping_faults(f"{place}:policy", known.get("policy"), _POLICY),
        *_settings_faults(place, known),
    ]
    wrong = wrong or [*_together(place, known)]
    remedy = Remedy(
        name,
        _right_kinds(known.get("on")),
        dict(_items(known.get("policy"))) if not wrong else {},
        {key: value for key, value in known.items() if key not in ("on", "policy")}
        if not wrong
        else {},
        fault=wrong[0] if wrong else "",
    )
    return remedy, wrong


def _right_kinds(on: Any) -> dict[str, tuple[str, ...]]:
    """
    Return what is right of ``on``: with a fault beside it the entry still keeps what it is for from all others.
    """
    return {
        kind: _texts(value)
        for kind, value in _items(on)
        if isinstance(kind, str) and kind in rules.ON and rules.ON[kind].accepts(value)
    }


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, Mapping) else ()


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _mapping_faults(place: str, value: Any, known: Mapping[str, Rule]) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield f"`{place}` must be a mapping of {', '.join(known)}{_got(value)}"
        return
    for key, item in value.items():
        yield from _fault(place, key, item, known)


def _fault(place: str, key: Any, value: Any, known: Mapping[str, Rule]) -> Iterator[str]:
    rule = known.get(key) if isinstance(key, str) else None
    if rule is None:
        yield f"`{place}:{_name(key)}` is not a known key{_nearest(key, known)}"
    elif not rule.accepts(value):
        yield f"`{place}:{key}` must be {rule.allowed}{_got(value)}"


def _settings_faults(place: str, known: Mapping[Any, Any]) -> Iterator[str]:
    for key, value in known.items():
        if key == "os_family":
            yield from _family_faults(f"{place}:os_family", value)
        elif key not in ("on", "policy"):
            if isinstance(key, str) and key in rules.SETTINGS:
                yield from _fault(place, key, value, rules.SETTINGS)
            else:
                yield f"`{place}:{_name(key)}` is not a known key{_nearest(key, _KEYS)}"


def _family_faults(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or not all(isinstance(family, str) for family in value):
        yield f"`{place}` must be a mapping of families, such as Debian, to settings{_got(value)}"
        return
    for family, own in value.items():
        if own is None or not isinstance(own, Mapping):
            yield f"`{place}:{_name(family)}` must be a mapping of settings{_got(own)}"
        else:
            yield from _mapping_faults(f"{place}:{_name(family)}", own, rules.SETTINGS)


def _together(place: str, known: Mapping[Any, Any]) -> Iterator[str]:
    """
    Yield what is wrong with an entry whose values are right each for itself.
    """
    common = {key: value for key, value in known.items() if key != "os_family"}
    families = [own for _, own in _items(known.get("os_family"))]
    whole = [{**common, **own} for own in families] or [common]
    subjects = [[key for key in rules.SUBJECTS if one.get(key)] for one in whole]
    by_unit = "unit" in dict(_items(known.get("on")))
    if not by_unit and not any(subjects):
        yield f"`{place}` needs one of {', '.join(rules.SUBJECTS)}, or `on` with `unit`"
    for both in subjects:
        if len(both) > 1:
            yield f"`{place}` has {' and '.join(both)}, and only one of them is brought back"
            return
    if any(one.get("sls") and not (one.get("proof") or one.get("url")) for one in whole):
        yield f"`{place}` needs a `proof`: what an SLS says of itself proves nothing"


def _nearest(key: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(_name(key), list(known), 1, 0.6)
    return f"; did you mean `{close[0]}`?" if close else f"; known are {', '.join(known)}"


def _name(key: Any) -> str:
    return short(key, 64) if not isinstance(key, str) else key[:64]


def _got(value: Any) -> str:
    # A list may be a command with a password in it.
    if isinstance(value, (str, int, float)) or value is None:
        return f", not {short(value)}"
    kind = "mapping" if isinstance(value, Mapping) else type(value).__name__
    return f", not this {kind}"
