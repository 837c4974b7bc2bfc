"""
The error envelope of the environment API and of the platform, as Dynatrace documentation and captured answers show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """
    An answer outside 2xx. `noted` says that the client broke a rule of the API by asking.
    """

    def __init__(
        self,
        code: int,
        message: str,
        violations: list[dict[str, Any]] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        noted: bool = False,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = violations
        self.headers = dict(headers or {})
        self.noted = noted
        self.details = details
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """
        Give the envelope; `constraintViolations` is absent when nothing was validated, `details`
        and `retryAfterSeconds` are the platform's.
        """
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retry_after is not None:
            error["retryAfterSeconds"] = self.retry_after
        if self.details is not None:
            error["details"] = dict(self.details)
        if self.violations:
            error["constraintViolations"] = self.violations
        return {"error": error}


def violated(path: str, message: str, where: str = "QUERY", *, noted: bool = True) -> ApiError:
    """
    Make the 400 that names one parameter.
    """
    violation = {"path": path, "message": message, "parameterLocation": where, "location": None}
    return ApiError(400, "Constraints violated.", [violation], noted=noted)
