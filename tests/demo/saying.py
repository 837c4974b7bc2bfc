"""
How the demo speaks, and the two ways in which it ends early.
"""

from __future__ import annotations

import contextlib


class DemoError(Exception):
    """
    The demo did not end well; the text is for the user.
    """


class Interrupted(BaseException):
    """
    Somebody wants the demo to end.
    """


def say(text: str) -> None:
    """
    Print a line at once, also into a pipe.
    """
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)
