"""
How the crowd benchmark tells what it measured: tables in Markdown, and the machine it ran on.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import salt.version

from tests.bench.crowd_process import REPO

#: Not in the tables, only in the JSON.
_LONG = frozenset({"calls_by_endpoint"})


def machine() -> dict[str, Any]:
    """
    Return versions and machine.
    """
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    return {
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit.stdout.strip() or "unknown",
        "salt": salt.version.__version__,
        "python": platform.python_version(),
        "cpus": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "load": os.getloadavg()[0],
    }


def told(facts: Mapping[str, Any], arguments: Sequence[str]) -> str:
    """
    Return command and machine as a sentence.
    """
    return (
        f"`make bench-crowd ARGS='{' '.join(arguments)}'`, "
        f"{facts['at']}, commit {facts['commit']}, Salt {facts['salt']}, Python {facts['python']}, "
        f"{facts['cpus']}, load at the start {facts['load']:.1f}"
    )


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """
    Return rows as a table in Markdown; the columns are all names in the order of their first use.
    """
    names = list(dict.fromkeys(key for row in rows for key in row if key not in _LONG))
    heads = [one.replace("_", " ") for one in names]
    cells = ([_cell(row.get(one)) for one in names] for row in rows)
    return f"\n### {name}\n\n{_table(heads, cells)}"


def plain(rows: Sequence[Mapping[str, Any]]) -> str:
    """
    Return rows that all have the same columns as a table in Markdown.
    """
    return _table(list(rows[0]), ([str(value) for value in row.values()] for row in rows))


def refill(page: Path, tables: Sequence[str]) -> None:
    """
    Write tables below the last heading of a page that is `## Now`, in place of what stands there.
    """
    kept, heading, _ = page.read_text().rpartition("\n## Now\n")
    if not heading:
        raise ValueError(f"{page} has no heading `## Now`")
    page.write_text(f"{kept}{heading}\n" + "\n".join(tables).strip() + "\n")


def line(row: Mapping[str, Any]) -> str:
    """
    Return a row as one line, for who watches.
    """
    return "  " + ", ".join(f"{key} {_cell(value)}" for key, value in row.items())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
