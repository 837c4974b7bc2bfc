"""
Texts for a terminal: without what it would obey, in columns that are measured as it shows them, with marks for colours.
"""

import itertools
import re
import unicodedata

# Of a line below an engine's name, which is indented by four.
WIDTH = 92
# In a text that is to be printed these stand for colours; what comes from outside has none of them.
GOOD, BAD, BUSY, WARN, END = "\ue000\ue001\ue002\ue003\ue004"
COLOURS = {GOOD: "GREEN", BAD: "LIGHT_RED", BUSY: "LIGHT_BLUE", WARN: "YELLOW", END: "ENDC"}
# The colour of a state by how it begins; of any other it is WARN's.
KINDS = {
    GOOD: ("ok", "good", "heal", "already healthy", "order", "act"),
    BAD: (
        "fail",
        "bad",
        "lost",
        "refused",
        "unproved",
        "not proved",
        "escalated",
        "attempts spent",
    ),
    BUSY: ("healing", "planned", "fired", "running", "expired", "in progress"),
    "": ("closed", "ignored", "not_executed"),
}
# More marks on a letter than any writing has cover the lines around it.
MARKS = 3


def state(text, fitted=None):
    """
    Return a state with the mark of its colour, in the form that fits its column.
    """
    begins = ((mark, begin) for mark, words in KINDS.items() for begin in words)
    known = [(len(begin), mark) for mark, begin in begins if text.startswith(begin)]
    mark = max(known)[1] if known else WARN
    shown = text if fitted is None else fitted
    return f"{mark}{shown}{END}" if mark and shown.strip() else shown


def folded(text, begin):
    """
    Return a text in lines that begin with ``begin``, the first, and are indented as far, the others.
    """
    size = width(begin)
    lines = wrapped(plain(text), WIDTH - size) or [""]
    return [(begin if not number else " " * size) + line for number, line in enumerate(lines)]


def wrapped(text, size):
    """
    Return the words of a text in lines of so many columns.
    """
    lines, line = [], ""
    for word in text.split():
        while width(word) > size:  # It fills the line, and as many more as it needs.
            part = begin_of(word, size - width(line) - bool(line)) or ("" if line else word[0])
            lines, line = [*lines, f"{line} {part}".strip()], ""
            word = word[len(part) :]
        if line and width(line) + 1 + width(word) > size:
            lines, line = [*lines, line], ""
        line = f"{line} {word}".strip()
    return [*lines, line] if line else lines


def plain(text):
    """
    Return a text as one line without what a terminal would obey: Salt's own outputter lets more through.
    """
    return printable(" ".join(str(text).split()))


def printable(text):
    """
    Return one line with a question mark for each character that is no letter, mark or space that can be seen.
    """
    shown = "".join(one if one.isprintable() else "?" for one in text)
    return re.sub("\\S+", lambda word: _few_marks(word[0]), shown) if not shown.isascii() else shown


def _few_marks(word):
    kept, marks = "", 0
    for one in word:
        marks = marks + 1 if unicodedata.category(one) in ("Mn", "Me") else 0
        kept += one if marks <= MARKS else ""
    return kept


def harmless(value):
    """
    Return data of which no text is obeyed by a terminal.
    """
    if isinstance(value, dict):
        return {key: harmless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [harmless(item) for item in value]
    return plain(value) if isinstance(value, str) else value


def width(text):
    """
    Return how many columns a text takes: a wide letter takes two, a mark on a letter and a colour none.
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(one):
    if one in COLOURS or unicodedata.category(one) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1


def begin_of(text, size):
    """
    Return as much of the begin of a text as fits into so many columns.
    """
    widths = itertools.accumulate(map(_columns, text))
    return text[: sum(1 for _ in itertools.takewhile(lambda taken: taken <= size, widths))]


def cut(text, size):
    """
    Return a text in so many columns, with an ellipsis where it was longer; no colour goes on behind it.
    """
    if width(text) <= size:
        return text
    kept = begin_of(text, size - 1)
    begun = any(mark in kept for mark in (GOOD, BAD, BUSY, WARN)) and END not in kept
    return f"{kept}{END if begun else ''}…"


def fit(text, size):
    """
    Return a text cut or filled up to so many columns.
    """
    shown = cut(text, size)
    return shown + " " * (size - width(shown))
