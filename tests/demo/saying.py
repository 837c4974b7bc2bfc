"""
How the demo speaks, and the two ways in which it ends early.
"""

from __future__ import annotations

import contextlib
import os


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
    if path := os.environ.get("TRANSCRIPT"):
        with open(path, "a", encoding="utf-8") as transcript:
            print(text, file=transcript)
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)
