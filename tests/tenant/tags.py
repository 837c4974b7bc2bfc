"""
Tags and management zones in the shapes of the API.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

_CONTEXT = re.compile(r"\[([A-Za-z_ ]+)\]")


@dataclass(frozen=True)
class Tag:
    """
    A tag; `label` is the context as it is written, e.g. `Environment`, empty for none.
    """

    label: str
    key: str
    value: str | None

    def body(self) -> dict[str, str]:
        """
        Give the METag; `value` is absent for a tag without one.
        """
        prefix = f"[{self.label}]" if self.label else ""
        shown = prefix + self.key.replace(":", "\\:")
        body = {"context": self.label.upper() or "CONTEXTLESS", "key": self.key}
        if self.value is not None:
            body["value"] = self.value
            shown = f"{shown}:{self.value}"
        return {**body, "stringRepresentation": shown}

    def same(self, other: Tag) -> bool:
        """
        Say whether both are one tag; contexts are compared without case, the rest with it.
        """
        return (self.label.lower(), self.key, self.value) == (
            other.label.lower(),
            other.key,
            other.value,
        )


def parse_tag(text: str) -> Tag:
    r"""
    Read `[context]key:value`; a colon inside the key is written `\:`.
    """
    label = ""
    found = _CONTEXT.match(text)
    if found:
        label, text = found.group(1), text[found.end() :]
    parts = re.split(r"(?<!\\):", text, maxsplit=1)
    key, *rest = [part.replace("\\:", ":") for part in parts]
    return Tag(label, key, rest[0] if rest else None)


def zone(name: str) -> dict[str, Any]:
    """
    Give a management zone; its id follows from its name.
    """
    return {"id": str(2**62 + zlib.crc32(name.encode("utf-8", "replace"))), "name": name}
