"""
Prints what the runner ``dynatrace`` returns on a terminal of 100 columns; with ``--out=json`` it is printed whole.

It looks as what Salt's own outputter ``nested`` prints, with its colours and its options for them. A state is a word that
has a colour, never a colour alone. Nothing that comes from outside is printed as a terminal would obey it.
"""

import itertools

import salt.utils.color

# Here and nowhere later: the directory of the package is on sys.path only while this module loads.
from _dynatrace_output import why
from _dynatrace_output.text import (
    COLOURS,
    END,
    GOOD,
    WIDTH,
    fit,
    folded,
    harmless,
    plain,
    printable,
    state,
    width,
    wrapped,
)

# Rows are known by their keys; of each kind these are shown.
TABLES = (
    ("problem", "severity", "age_s", "minions", "attempts", "state"),
    ("created", "problem", "minions", "attempt", "state", "took_ms"),
    ("remedy", "on", "heals", "processes", "such_as"),
    ("minion", "entity", "matched_by", "remedy", "by"),
    ("attempt", "remedy", "state", "created", "ended", "jid"),
    ("problem", "minion", "process", "remedy", "now", "other"),
    ("problem", "minion", "process", "remedy", "now"),
)
# Of these tables a cell that is too long is folded, of the others it is cut.
FOLDED = (TABLES[2],)
# Of so few rows of a simulation the rules are told above them.
FEW = 5
# Columns that hold a state.
STATES = ("state", "now", "other")


def output(data, **kwargs):
    """
    Print lists of rows as tables, the lines of ``check`` as text, and everything without what a terminal would obey.
    """
    shown = _shown(data) if isinstance(data, dict) else harmless(data)
    colours = salt.utils.color.get_colors(__opts__.get("color"), __opts__.get("color_theme"))
    named = "RED" if kwargs.get("_retcode") else "CYAN"
    marks = {mark: str(colours[name]) for mark, name in COLOURS.items()}
    lines = _tree(shown, 0, str(colours[named]), {None: str(colours["LIGHT_YELLOW"]), **marks})
    return "\n".join(lines)


def _tree(value, indent, named, marks):
    """
    Yield the lines of nested data as Salt's ``nested`` has them, with the colours that ``marks`` stand for.
    """
    begin, end = " " * indent, marks[END]
    if isinstance(value, dict):
        if indent:
            yield f"{begin}{named}----------{end}"
        for key in sorted(value, key=str):
            yield f"{begin}{named}{plain(key)}:{end}"
            yield from _tree(value[key], indent + 4, named, marks)
    elif isinstance(value, list):
        for item in value:
            first, *rest = list(_tree(item, 0, named, marks)) or [""]
            yield f"{begin}- {first}"
            yield from (f"{begin}  {line}" for line in rest)
    elif isinstance(value, str):
        lines = value.splitlines()
        # As Salt's, one value is green; of tables and blocks only their states have a colour.
        colour, rest = (marks[GOOD], end) if len(lines) == 1 and END not in value else ("", "")
        for line in lines:
            yield begin + colour + "".join(marks.get(one, one) for one in line) + rest
    else:
        yield f"{begin}{marks[None]}{value}{end}"


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
            shown[name] = harmless(found)
    return shown


def _answer(found):
    """
    Return one engine's answer with its rows as tables, without the lists that are empty, and evidence line by line.
    """
    if isinstance(found.get("processes"), list):
        return "\n".join(why.lines(found))
    if isinstance(found.get("simulated"), list):
        return _simulated(found)
    shown = harmless(found)
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


def _simulated(found):
    """
    Return what would be done as a table, with what is assumed above, and the counts below.
    """
    lines = [line for one in found["says"] for line in folded(one, "")]
    for row in found["simulated"]:
        for key, begin in (("told", "now"), ("other_told", "other")):
            if row.get(key) and len(found["simulated"]) <= FEW:
                where = f"{row['minion']}  " if row["minion"] else ""
                lines += folded(row[key], f"{begin}: {where}")
    counts = [folded(_counted(one), f"{name}: ") for name, one in found["counts"].items()]
    return "\n".join([*lines, _table(found["simulated"]), *itertools.chain(*counts)])


def _counted(counts):
    held = [f"{number} {reason}" for reason, number in counts["held"].items()]
    return "; ".join([f"{counts['ordered']} ordered by {counts['orders']} orders", *held])


def _attempts(rows):
    lines = [_table(rows)]
    for row in rows:
        for minion, said in row["minions"].items():
            lines += ["", *folded(f"{minion}: {said}", f"{row['attempt']}  ")]
    return "\n".join(lines)


def _lines(value):
    if isinstance(value, dict):
        return {key: _lines(item) for key, item in value.items()}
    return "\n".join(map(printable, str(value).splitlines()))


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
    sizes = [max(map(width, cells)) for cells in zip(heads, *texts, strict=True)]
    while sum(sizes) + 2 * (len(sizes) - 1) > WIDTH:
        widest = sizes.index(max(sizes))
        sizes[widest] -= 1
    if columns in FOLDED:
        texts = [line for cells in texts for line in _folded_cells(cells, sizes)]
    head = [_row(line, sizes, ()) for line in (heads, ["-" * size for size in sizes])]
    return "\n".join([*head, *(_row(line, sizes, columns) for line in texts)])


def _row(cells, sizes, columns):
    found = [fit(cell, size) for cell, size in zip(cells, sizes, strict=True)]
    found[-1] = found[-1].rstrip()
    for index, column in enumerate(columns):
        if column in STATES:
            found[index] = state(cells[index], found[index])
    return "  ".join(found).rstrip()


def _folded_cells(cells, sizes):
    parts = [wrapped(cell, size) or [""] for cell, size in zip(cells, sizes, strict=True)]
    return itertools.zip_longest(*parts, fillvalue="")


def _report(rows):
    lines = []
    for row in rows:
        name = f"{row['instance']}: {row['check']}" if row["instance"] else row["check"]
        first, *rest = folded(f"{name}: {row['detail']}", " " * 6)
        lines += [state(row["result"], f"{row['result']:<4}") + first[4:], *rest]
        if row["fix"]:
            lines += folded(row["fix"], "      -> ")
    return "\n".join(lines)


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
