"""
Prints what the runner ``dynatrace`` returns on a terminal of 100 columns; with ``--out=json`` it is printed whole.
"""

import itertools
import textwrap

# Salt's own outputter, which prints the result, indents by four.
WIDTH = 92
# Rows are known by their keys; of each kind these are shown.
TABLES = (
    ("problem", "severity", "age_s", "minions", "attempts", "state"),
    ("created", "problem", "minions", "attempt", "state", "took_ms"),
    ("remedy", "on", "heals", "processes", "such_as"),
    ("minion", "entity", "matched_by", "remedy", "by"),
    ("attempt", "remedy", "state", "created", "ended", "jid"),
)
# Of these tables a cell that is too long is folded, of the others it is cut.
FOLDED = (TABLES[2],)


def output(data, **kwargs):
    """
    Print lists of rows as tables, the lines of ``check`` as text, and everything without what a terminal would obey.
    """
    shown = _shown(data) if isinstance(data, dict) else _harmless(data)
    return __salt__["nested"](shown, **kwargs)


def _shown(data):
    shown = {}
    for name, found in data.items():
        if name == "checks":
            shown[name] = _report(found)
        elif isinstance(found, list):
            shown[name] = _table(found)
        elif isinstance(found, dict):
            shown[name] = _answer(found)
        elif name != "outputter":
            shown[name] = _harmless(found)
    return shown


def _answer(found):
    """
    Return one engine's answer with its rows as tables, without the lists that are empty, and evidence line by line.
    """
    shown = _harmless(found)
    if isinstance(found.get("remedies"), list):
        told = {key: shown[key] for key in ("faults", "unread") if found.get(key)}
        return {**told, "remedies": _table(found["remedies"])}
    if isinstance(found.get("attempts"), list):
        tables = {key: _table(found[key]) for key in ("targets", "unmatched") if found.get(key)}
        lists = {"targets": "none", "unmatched": "none", **tables}
        return {**shown, **lists, "attempts": _attempts(found["attempts"])}
    if isinstance(found.get("minions"), dict):
        return {**shown, "minions": _lines(found["minions"])}
    return shown


def _attempts(rows):
    lines = [_table(rows)]
    for row in rows:
        for minion, said in row["minions"].items():
            lines += ["", *_folded(f"{minion}: {said}", f"{row['attempt']}  ")]
    return "\n".join(lines)


def _lines(value):
    if isinstance(value, dict):
        return {key: _lines(item) for key, item in value.items()}
    return "\n".join(map(_printable, str(value).splitlines()))


def _table(rows):
    """
    Return rows as lines of text, the widest column narrowed so that each fits.

    Of a column whose name ends in ``_s`` or ``_ms`` the unit is in the cells.
    """
    if not rows:
        return "none"
    columns = next((one for one in TABLES if rows[0].keys() >= set(one)), list(rows[0]))
    heads = [column.removesuffix("_s").removesuffix("_ms") for column in columns]
    texts = [[_cell(column, row.get(column)) for column in columns] for row in rows]
    sizes = [max(map(len, cells)) for cells in zip(heads, *texts, strict=True)]
    while sum(sizes) + 2 * (len(sizes) - 1) > WIDTH:
        widest = sizes.index(max(sizes))
        sizes[widest] -= 1
    if columns in FOLDED:
        texts = [line for cells in texts for line in _folded_cells(cells, sizes)]
    lines = [heads, ["-" * size for size in sizes], *texts]
    return "\n".join(
        "  ".join(_fit(cell, size) for cell, size in zip(line, sizes, strict=True)).rstrip()
        for line in lines
    )


def _folded_cells(cells, sizes):
    parts = [textwrap.wrap(cell, size) or [""] for cell, size in zip(cells, sizes, strict=True)]
    return itertools.zip_longest(*parts, fillvalue="")


def _report(rows):
    lines = []
    for row in rows:
        name = f"{row['instance']}: {row['check']}" if row["instance"] else row["check"]
        lines += _folded(f"{name}: {row['detail']}", f"{row['result']:<4}  ")
        if row["fix"]:
            lines += _folded(row["fix"], "      -> ")
    return "\n".join(lines)


def _folded(text, begin):
    return textwrap.wrap(
        _plain(text), WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin)
    )


def _plain(text):
    """
    Return a text as one line without what a terminal would obey: Salt's own outputter lets more through.
    """
    return _printable(" ".join(str(text).split()))


def _printable(text):
    return "".join(one if one.isprintable() else "?" for one in text)


def _harmless(value):
    if isinstance(value, dict):
        return {key: _harmless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_harmless(item) for item in value]
    return _plain(value) if isinstance(value, str) else value


def _cell(column, value):
    if value is None:
        return ""
    if isinstance(value, list):
        return _plain(", ".join(map(str, value)))
    if column.endswith("_ms"):
        return f"{value / 1000:.1f} s"
    if column.endswith("_s"):
        return _duration(value)
    return _plain(value)


def _duration(seconds):
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _fit(text, size):
    return (text if len(text) <= size else text[: max(size - 1, 0)] + "…").ljust(size)
