"""
Unpacks the body of a notification that something on its way compressed, and never to more than is allowed.

Dynatrace sends its notifications as they are; a proxy or a relay may not.
"""

from __future__ import annotations

import zlib

from ..core.errors import NotificationError

#: What is understood, as ``Accept-Encoding`` names it.
UNDERSTOOD = "gzip, deflate"
_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class TooLarge(NotificationError):
    """
    What is unpacked is larger than a body may be.
    """


def coding(header: str) -> str | None:
    """
    Return the one coding that a ``Content-Encoding`` names, empty for none; None for what is not understood.
    """
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    named = [name for name in names if name not in ("", "identity")]
    if not named:
        return ""
    return named[0] if len(named) == 1 and named[0] in UNDERSTOOD.split(", ") else None


def unpacked(body: bytes, name: str, largest: int) -> bytes:
    """
    Return a body without its coding; raises TooLarge before more than ``largest`` bytes are unpacked.
    """
    stream = zlib.decompressobj(_GZIP if name == "gzip" else _deflate(body))
    try:
        # All at once is bounded twice: by what came, and by what may come of it.
        found = stream.decompress(body, largest + 1)
    except zlib.error:
        raise NotificationError(f"the body is not {name}, as its Content-Encoding says") from None
    if len(found) > largest:
        raise TooLarge(f"the body is larger than {largest} bytes when it is unpacked (max_body)")
    if not stream.eof or stream.unused_data:
        raise NotificationError(f"the body is not one whole stream of {name}")
    return found


def _deflate(body: bytes) -> int:
    """
    Return how to unpack ``deflate``: in the wrapping that HTTP means by it, or without, as some send it.
    """
    is_wrapped = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _ZLIB if is_wrapped else _BARE
