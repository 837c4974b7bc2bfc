"""
Decompression within a bound: a small body may hold gigabytes, and the libraries decode without a bound in some versions.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

#: The codings of HTTP that are understood, as ``Accept-Encoding`` names them.
CODINGS = ("gzip", "deflate")


class DecompressionError(ValueError):
    """
    ``reason`` is "too large", "invalid", or "incomplete": anything but exactly one whole stream.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def coding_of(header: str) -> str | None:
    """
    Return the one coding that a ``Content-Encoding`` names, empty for none; None for one that is not understood.
    """
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    named = [name for name in names if name not in ("", "identity")]
    if not named:
        return ""
    return named[0] if len(named) == 1 and named[0] in CODINGS else None


def decompress(pieces: Iterable[bytes], coding: str, limit: int) -> bytes:
    """
    Return a body without its coding, which is one of ``CODINGS`` or empty; ``limit`` is in bytes.
    """
    stream, body, received = None, bytearray(), 0
    for piece in pieces:
        received += len(piece)
        if coding and stream is None:
            stream = zlib.decompressobj(_window_bits(coding, piece))
        try:
            body += stream.decompress(piece, limit + 1 - len(body)) if stream else piece
        except zlib.error as err:
            raise DecompressionError("invalid") from err
        if max(len(body), received) > limit:
            raise DecompressionError("too large")
    if stream and (not stream.eof or stream.unused_data):
        raise DecompressionError("incomplete")
    return bytes(body)


def _window_bits(coding: str, begin: bytes) -> int:
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    # HTTP means deflate in zlib's format; some send it bare.
    is_zlib = len(begin) > 1 and begin[0] & 15 == 8 and (begin[0] << 8 | begin[1]) % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
