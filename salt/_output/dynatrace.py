"""
Prints what the runner ``dynatrace`` returns on a terminal of 100 columns; with ``--out=json`` it is printed whole.
"""

import textwrap

# Salt's own outputter, which prints the result, indents by four.
WIDTH = 92
# Rows are known by their keys; of each kind these are shown.
TABLES = (
    ("problem", "severity", "age_s", "minions", "attempts", "state"),
    ("created", "problem", "minions", "attempt", "state", "took_ms"),
    ("remedy", "on", "heals", "processes", "such_as"),
)


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
        elif isinstance(found, dict) and isinstance(found.get("remedies"), list):
            shown[name] = {**_harmless(found), "remedies": _table(found["remedies"])}
        elif name != "outputter":
            shown[name] = _harmless(found)
    return shown


def _table(rows):
    """
    Return rows as lines of text, the widest column cut so that each fits.

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
    lines = [heads, ["-" * size for size in sizes], *texts]
    return "\n".join(
        "  ".join(_fit(cell, size) for cell, size in zip(line, sizes, strict=True)).rstrip()
        for line in lines
    )


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
    return "".join(one if one.isprintable() else "?" for one in " ".join(str(text).split()))


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
