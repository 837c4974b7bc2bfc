"""
Lays out why something is done or not: for each process the rule that decides, and what happens next.
"""

from .text import WIDTH, cut, folded, plain, state

# So many lines are enough, unless there are more processes than a handful.
LINES = 20


def lines(found):
    """
    Return the lines that say why, LINES of them at most if that can be, with as much detail as there is room for.
    """
    for detail in (2, 1, 0):
        shown = _explained(found, detail)
        if len(shown) <= LINES:
            break
    return shown


def _explained(found, detail):
    head = f"{found['problem']}  {state(plain(found['state']))}  {plain(found['title'])}"
    times = f"seen {_moment(found['opened'])} UTC"
    times += f", it is decided again {_moment(found['next'])}" if found["next"] else ""
    times += f", it waits {found['waits']}" if found["waits"] else ""
    times += f", closed {_moment(found['closed'])}" if found["closed"] else ""
    shown = [cut(head, WIDTH), times]
    for text in found["says"]:
        shown += _part(text, "", detail)
    for row in found["processes"]:
        shown += _process(row, detail)
    more = found["process_count"] - len(found["processes"])
    shown += [f"and {more} processes more"] if more > 0 else []
    for row in found["unmatched"]:
        name = row["name"] or row["entity"]
        shown += _part(f"{name}: {row['reason']}", "no minion: ", detail)
    for row in found["attempts"]:
        shown += _attempt(row, detail)
    return shown


def _process(row, detail):
    held = next((one for one in row["rules"] if one["result"] == "held"), None)
    by = f", {row['remedy']} by {row['by']}" if row["remedy"] else ""
    head = f"{plain(row['minion'])}  {cut(plain(row['process']), 40)}  "
    how = f"  ({plain(row['matched_by'])}{plain(by)})"
    shown = [cut(head + state(row["verdict"] or "acted on") + how, WIDTH)]
    if held is not None:
        shown += _part(held["told"], f"    {held['rule']}: ", detail)
    elif row["detail"]:
        shown += _part(row["detail"], "    ", detail)
    if row["rules"]:
        shown += _part(row["next"], "    next: ", detail)
    passed = [f"{one['rule']}: {one['told']}" for one in row["rules"] if one["result"] == "passed"]
    return shown + (
        _part("; ".join(passed), "    passed: ", detail) if detail > 1 and passed else []
    )


def _attempt(row, detail):
    begin = f"attempt {row['attempt']}  {_moment(row['created'])}  "
    told = "; ".join(f"{minion}: {said}" for minion, said in row["minions"].items())
    room = WIDTH - len(begin) - len(row["state"]) - 2
    first, *rest = _part(told, " " * (len(begin) + len(row["state"]) + 2), detail) if told else [""]
    return [begin + state(row["state"]) + "  " + first.strip()[:room], *rest]


def _part(text, begin, detail):
    """
    Return a text in as many lines as it needs, or cut to one where there is no room for more.
    """
    shown = folded(text, begin)
    return shown if detail or len(shown) < 2 else [cut(begin + plain(text), WIDTH)]


def _moment(text):
    return str(text)[:19].replace("T", " ")
