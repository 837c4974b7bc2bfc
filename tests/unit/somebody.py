"""
Calls a function as a user who is nobody, since root may read everything.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534


@contextmanager
def entered() -> Iterator[Path]:
    """
    Make a directory that everybody may enter: pytest closes its own for others, whenever a session begins.
    """
    with tempfile.TemporaryDirectory(prefix="open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(function: Callable[..., Any], *arguments: Any) -> Any:
    """
    Return what the function returns in a process of that user, which has all that is loaded here.
    """
    if os.geteuid() != 0:
        pytest.skip("it needs root, to become somebody else")
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(there, function, arguments), daemon=True)
    process.start()
    there.close()
    assert here.poll(60), "it said nothing"
    told = here.recv()
    process.join(60)
    if isinstance(told, Exception):
        raise told
    return told


def _call(there: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        there.send(function(*arguments))
    except Exception as err:  # noqa: BLE001 - It is raised where the function was called.
        there.send(err)
