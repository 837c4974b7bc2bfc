"""
Makes data fit for the event bus, and signs it: no lone surrogate, no integer beyond 64 bits, under 100 kB.

Whatever comes from outside passes here and nowhere else.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

MAX_EVENT_BYTES = 90_000
MAX_TEXT_CHARS = 1000
MAX_ITEMS = 500
#: Never part of the signature: Salt adds the stamp after signing.
UNSIGNED = ("signature", "_stamp")
#: Long lists of an event, the least needed first: cut in this order until it fits.
_LISTS = (
    "unmatched",
    "tags",
    "management_zones",
    "held",
    "affected",
    "event_types",
    "targets",
    "outcome",
)

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
#: Lone surrogates, which the bus cannot carry, and what lies beyond U+FFFF: Jinja's `tojson` writes that as two
#: surrogates, which YAML refuses, and an emoji in a title would lose the whole reaction.
_UNREADABLE = re.compile("[^\u0000-\ud7ff\ue000-\uffff]")


def iso(seconds: float | None) -> str | None:
    """
    Return epoch seconds as ``2024-07-21T06:59:59.999Z``, or None.
    """
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clean(value: Any) -> Any:
    """
    Return ``value`` as the bus can carry it: texts without lone surrogates and not too long, integers of 64 bits.
    """
    if isinstance(value, str):
        # Most texts are short and of ASCII, which there is nothing to clean of.
        text = value if value.isascii() else _UNREADABLE.sub("\ufffd", value)
        return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        # It may come back from msgpack and JSON as another text, and break the signature.
        return str(value)
    if isinstance(
        value, (dict, Mapping)
    ):  # The check for a Mapping alone takes longer than all the rest.
        return {str(key): clean(item) for key, item in value.items()}
    return [clean(item) for item in value]


def shrink(data: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return ``data`` under the event size limit, its long lists cut and the number of what was left out under ``cut``.
    """
    cut = {**data, "cut": dict(data["cut"])}
    for name in _LISTS:
        _cut(cut, name, MAX_ITEMS)
    keep = MAX_ITEMS
    while len(canonical(cut)) > MAX_EVENT_BYTES and keep > 0:
        keep //= 2
        for name in _LISTS:
            _cut(cut, name, keep)
            if len(canonical(cut)) <= MAX_EVENT_BYTES:
                break
    return cut


def _cut(data: dict[str, Any], name: str, keep: int) -> None:
    items = data.get(name)
    if isinstance(items, list) and len(items) > keep:
        data["cut"][name] = data["cut"].get(name, 0) + len(items) - keep
        data[name] = items[:keep]


def canonical(data: Mapping[str, Any]) -> bytes:
    """
    Return the bytes that are signed: JSON with sorted keys, ASCII only, without what is never signed.
    """
    return _encode(_unsigned(data)).encode()


def _unsigned(data: Mapping[str, Any]) -> dict[str, Any]:
    rest = dict(data)
    for key in UNSIGNED:
        rest.pop(key, None)
    return rest


def signature(data: Mapping[str, Any], key: bytes) -> str:
    """
    Return the signature over data.
    """
    return hmac.digest(key, canonical(data), "sha256").hex()


def sign(
    data: Mapping[str, Any], key: bytes, fired: float, valid_for: float, act_for: float = 0.0
) -> dict[str, Any]:
    """
    Return a copy of ``data`` with the moment of firing, the end of its validity, and the signature over all of it.

    A reactor may take an order for ``valid_for`` seconds, and no minion begins it after ``act_for``.
    """
    signed = _unsigned(data)
    signed["fired"] = iso(fired)
    signed["valid_until"] = iso(fired + valid_for)
    if "attempt" in signed:
        signed["act_until"] = iso(fired + act_for) if signed["minions"] else None
    signed["signature"] = signature(signed, key)
    return signed
