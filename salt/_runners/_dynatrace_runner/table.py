"""
Rows as text for a terminal of 100 columns; scripts get the rows themselves.
"""

import textwrap

# Salt's outputter indents by four.
WIDTH = 92


def table(rows, columns, width=WIDTH):
    """
    Return rows as lines of text, the widest column cut so that each fits.

    Of a column whose name ends in ``_s`` or ``_ms`` the unit is in the cells.
    """
    if not isinstance(rows, list):
        return rows
    if not rows:
        return "none"
    heads = [column.removesuffix("_s").removesuffix("_ms") for column in columns]
    texts = [[_cell(column, row.get(column)) for column in columns] for row in rows]
    sizes = [max(map(len, cells)) for cells in zip(heads, *texts, strict=True)]
    while sum(sizes) + 2 * (len(sizes) - 1) > width:
        widest = sizes.index(max(sizes))
        sizes[widest] -= 1
    lines = [heads, ["-" * size for size in sizes], *texts]
    return "\n".join(
        "  ".join(_fit(cell, size) for cell, size in zip(line, sizes, strict=True)).rstrip()
        for line in lines
    )


def report(rows, width=WIDTH):
    """
    Return the rows of ``check`` as text: what was found, and below it what to do.
    """
    lines = []
    for row in rows:
        name = f"{row['instance']}: {row['check']}" if row["instance"] else row["check"]
        found = plain(f"{name}: {row['detail']}")
        first = f"{row['result']:<4}  "
        lines += textwrap.wrap(found, width, initial_indent=first, subsequent_indent=" " * 6)
        if row["fix"]:
            fix = plain(row["fix"])
            lines += textwrap.wrap(
                fix, width, initial_indent="      -> ", subsequent_indent=" " * 9
            )
    return "\n".join(lines)


def plain(text):
    """
    Return a text as one line without what a terminal would obey.
    """
    return "".join(one if one.isprintable() else "?" for one in " ".join(str(text).split()))


def harmless(value):
    """
    Return facts for a terminal: Salt's own outputter lets more through than it should.
    """
    if isinstance(value, dict):
        return {key: harmless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [harmless(item) for item in value]
    return plain(value) if isinstance(value, str) else value


def _cell(column, value):
    if value is None:
        return ""
    if isinstance(value, list):
        return plain(", ".join(map(str, value)))
    if column.endswith("_ms"):
        return f"{value / 1000:.1f} s"
    if column.endswith("_s"):
        return _duration(value)
    return plain(value)


def _duration(seconds):
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _fit(text, size):
    return (text if len(text) <= size else text[: max(size - 1, 0)] + "…").ljust(size)
