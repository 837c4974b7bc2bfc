"""
The key that signs events; only the master's user can read it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def signing_key(directory: Path) -> bytes:
    """
    Return the key, made on first use.

    One key serves all instances of a master. It is written whole or not at all, so two engines may start at once.
    """
    path = directory / "signing.key"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(directory, 0o700)
    if not path.exists():
        draft = directory / f".signing.key.{os.getpid()}"
        with open(
            os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii"
        ) as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # Fails when another engine was quicker: then its key is the one.
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    os.chmod(path, 0o600)
    return path.read_bytes().strip()
