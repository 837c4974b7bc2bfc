"""
Asks the server of `prefork` for a program: with the standard library alone, so that it can stand in for one at once.

    python -IS forked.py SERVER PROGRAM ARGUMENT …

It prints where this process prints, and is killed when this process is.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def ask(
    server: str, request: Mapping[str, Any], files: Sequence[int], timeout: float | None = None
) -> socket.socket:
    """
    Ask for a program that prints into two files; what it sends is how it ended. Who closes it ends the program.
    """
    asking = socket.socket(socket.AF_UNIX)
    try:
        asking.settimeout(timeout)
        asking.connect(f"\0{server}")
        data = json.dumps(request).encode()
        socket.send_fds(asking, [len(data).to_bytes(4, "big")], files)
        asking.sendall(data)
    except BaseException:
        asking.close()
        raise
    return asking


def main(server: str, *argv: str) -> int:
    """
    Run a program as this process, and return what a shell takes for its status.
    """
    request = {"argv": argv, "environment": dict(os.environ), "directory": os.getcwd()}
    with ask(server, request, [1, 2]) as asking:
        status = int(asking.recv(16))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
