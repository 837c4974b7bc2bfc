"""
Which programs are a service's own, and which ones many services share.
"""

from __future__ import annotations

import os
import re

# A program of Linux begins so; anything else is a script.
PROGRAM = b"\x7fELF"
# What runs the code of others, and what begins another program.
INTERPRETERS = (
    r"(java|python|pypy|node|nodejs|php|php-cgi|ruby|perl|dotnet|mono|lua|erl|erlexec|beam(\.smp)?|"
    r"deno|bun|guile|tclsh|(ba|da|k|z)?sh|busybox|env)[0-9.]*"
)


def is_interpreter(path):
    """
    Tell whether the path of an executable is one that many services share.
    """
    names = (os.path.basename(path), os.path.basename(os.path.realpath(path)))
    return any(re.fullmatch(INTERPRETERS, name) for name in names)


def is_shared(path):
    """
    Tell whether a file is a script or an interpreter, or cannot be read: what runs it cannot be told from others.
    """
    try:
        with open(path, "rb") as file:
            return file.read(len(PROGRAM)) != PROGRAM or is_interpreter(path)
    except OSError:
        return True
