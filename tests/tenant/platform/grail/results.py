"""
The result of a query: records, types, metadata, and what a limit does to them.

Shapes and the notification of the limit of records are captured; that of the limit of bytes was met
by a client, its text is constructed, and so are scanned bytes (one record: 497, as in a capture).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.tenant.platform.dql.errors import place
from tests.tenant.platform.dql.rows import Context, Row
from tests.tenant.platform.dql.values import moment, shown, types_of
from tests.tenant.wire import to_json

_BYTES_A_RECORD = 497
_DEFAULT_RECORDS = 1000


@dataclass(frozen=True)
class Limits:
    """
    What the client lets come back.
    """

    records: int = _DEFAULT_RECORDS
    bytes: int | None = None


def result(
    query: str, query_id: str, rows: Sequence[Row], context: Context, limits: Limits
) -> dict[str, Any]:
    """
    Give the result.
    """
    notes = _deprecations(context.tables, query)
    kept = list(rows[: limits.records])
    if len(rows) > limits.records:
        notes.append(limited("API_RECORDS_LIMIT_ADDED", limits.records))
    records = [{name: shown(value) for name, value in row.fields.items()} for row in kept]
    if limits.bytes is not None and (fitting := _fitting(records, limits.bytes)) < len(records):
        records, kept = records[:fitting], kept[:fitting]
        notes.append(limited("RESULT_LIMIT_BYTES", limits.bytes))
    return {
        "records": records,
        "types": types_of([row.fields for row in kept]),
        "metadata": {"grail": _metadata(query, query_id, context, notes)},
    }


def limited(kind: str, to: int) -> dict[str, Any]:
    """
    Give the notification that a result was cut.
    """
    unit = " bytes" if "BYTES" in kind else ""
    return {
        "arguments": [str(to)],
        "message": f"Your result has been limited to {to}{unit}.",
        "notificationType": kind,
        "severity": "WARNING",
    }


def _fitting(records: Sequence[dict[str, Any]], most: int) -> int:
    total = 0
    for number, record in enumerate(records):
        total += len(to_json(record).encode())
        if total > most:
            return number
    return len(records)


def _metadata(
    query: str, query_id: str, context: Context, notes: list[dict[str, Any]]
) -> dict[str, Any]:
    classic = any(table.startswith("dt.entity.") for table in context.tables)
    events = any(table.startswith(("dt.davis.", "bizevents")) for table in context.tables)
    return {
        "analysisTimeframe": {"start": moment(context.begin), "end": moment(context.end)},
        "canonicalQuery": query,
        "contributions": {"buckets": []},
        "dqlVersion": "V1_0",
        "executionTimeMilliseconds": "33",
        **({"flags": ["CLASSIC_ENTITY_MIGRATION_ADVISED"]} if classic else {}),
        "locale": "und",
        "notifications": notes,
        "query": query,
        "queryId": query_id,
        "sampled": False,
        "scannedBytes": str(context.scanned * _BYTES_A_RECORD if events else 0),
        "scannedDataPoints": "0",
        "scannedRecords": str(context.scanned),
        "timezone": "Z",
    }


def _deprecations(tables: Sequence[str], query: str) -> list[dict[str, Any]]:
    if not any(table.startswith("dt.entity.") for table in tables):
        return []
    begin = query.find("dt.entity.")
    end = begin + len(re.split(r"[\s,|\]`]", query[begin:], maxsplit=1)[0])
    text = (
        "Give the new `smartscapeNodes` command a try to work with entities from the new Smartscape"
        " storage."
    )
    return [
        {
            "arguments": [],
            "message": text,
            "messageFormat": text,
            "messageFormatSpecifierTypes": [],
            "notificationType": "DEPRECATED_ENTITY_DATAOBJECT",
            "severity": "INFO",
            "syntaxPosition": {"start": place(query, begin), "end": place(query, end - 1)},
        }
    ]
