"""
What a query asks for, in the paths of the classic APIs: so faults and tests name both the same way.
"""

from __future__ import annotations

import re

_TABLE = re.compile(rb"fetch\s+(dt\.[a-z_.:]+|bizevents)")
_ID = re.compile(rb"[A-Z][A-Z0-9_:]*-[0-9A-F]{16}|-?\d{1,19}_\d{1,14}V2")


def queried(raw: bytes) -> list[str]:
    """
    Give the tables of a query, and the paths that the same problems or entities have elsewhere.
    """
    tables = [one.decode() for one in _TABLE.findall(raw)]
    ids = [one.decode() for one in _ID.findall(raw)]
    found = list(tables)
    if "dt.davis.problems" in tables:
        found += ["/problems", *(f"/problems/{one}" for one in ids if one.endswith("V2"))]
    if b"smartscapeNodes" in raw or any(one.startswith("dt.entity.") for one in tables):
        found += ["/entities", *(f"/entities/{one}" for one in ids if not one.endswith("V2"))]
    return found
