"""
The errors of the engine, classed by what their reader can do about them.

No message of these holds a token, a query string or more than 256 characters of what a server sent.
"""

from __future__ import annotations

from enum import Enum


class DynatraceError(Exception):
    """
    Something that concerns Dynatrace or the engine's own records went wrong.
    """


class ConfigError(DynatraceError):
    """
    The admin must change the engine's configuration; ``problems`` lists all that is wrong with it.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class LedgerError(DynatraceError):
    """
    The ledger on disk cannot be read or written.
    """


class LedgerInUse(LedgerError):
    """
    Another process has the ledger; ``owner`` is the name of its engine, empty if that is not known.
    """

    def __init__(self, message: str, owner: str) -> None:
        self.owner = owner
        super().__init__(message)


class LedgerNewer(LedgerError):
    """
    A newer version wrote the ledger; waiting does not help.
    """


class LedgerDamaged(LedgerError):
    """
    The ledger was found damaged while it was in use; the next one who opens it moves it aside.
    """


class IllegalMove(DynatraceError):
    """
    A state does not follow from the one before; nothing was changed.
    """


class GrainsUnknown(DynatraceError):
    """
    The master cannot tell the grains of a minion, or which minions are accepted; the text says why and what helps.
    """


class JobCacheError(DynatraceError):
    """
    The master's job cache cannot be read; what it holds of a job is not known.
    """


class NotificationError(DynatraceError):
    """
    No problem can be recognised in a notification; the text is the reason for the sender.
    """


class ApiError(DynatraceError):
    """
    A request to the Dynatrace API failed.
    """


class Refusal(Enum):
    """
    What was refused: the credentials as such, a permission that they lack, or a request at a host that is not the API's.
    """

    REJECTED = "rejected"
    FORBIDDEN = "forbidden"
    FOREIGN = "foreign"


class AuthError(ApiError):
    """
    The credentials are not taken or lack a permission (``refusal`` tells which); waiting does not help.
    """

    def __init__(self, message: str, refusal: Refusal = Refusal.FORBIDDEN) -> None:
        self.refusal = refusal
        super().__init__(message)


class NotFound(ApiError):
    """
    The tenant does not know the problem or entity that was asked for.
    """


class NotAsked(NotFound):
    """
    Nothing may be asked for an entity of this type: all that can be asked refuse, and the text says why.
    """


class RateLimited(ApiError):
    """
    The tenant asks to wait, by 429 or 503; ``retry_after`` is in seconds, already clamped.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unavailable(ApiError):
    """
    The tenant cannot be reached, timed out, or answered with 5xx: the next cycle tries again.
    """


class UnexpectedResponse(ApiError):
    """
    The tenant answered with something that its documentation does not know.
    """


class BadRequest(UnexpectedResponse):
    """
    The tenant refused a request as wrong (400); ``reason`` is the word that Grail has for it, such as ``UNKNOWN_DATA_OBJECT``.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason
        super().__init__(message)
