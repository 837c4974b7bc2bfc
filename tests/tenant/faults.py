"""
Named faults: what can go wrong between a client and Dynatrace, each with its options.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.tenant.platform.legs import LEGS, Leg

LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"

# Name -> its options with their defaults.
FAULTS: dict[str, dict[str, Any]] = {
    # instead of the real answer; the call is not carried out
    "server_error": {"status": 500, "message": "Internal server error"},
    "bad_gateway_html": {"status": 502},
    "rate_limited": {"headers": True, "unit": "microseconds", "wait": 1.0, "retry_after": None},
    "html_200": {},
    "redirect_elsewhere": {"url": "http://127.0.0.1:9/", "status": 302},
    "empty_body": {},
    "wrong_type": {"body": ["unexpected"]},
    "sso_error": {"status": 400, "error": "invalid_client"},
    "grail_error": {"status": 503, "retry_after": None, "html": False},
    "query_gone": {},
    # in the way that the real answer takes; the call is carried out unless said otherwise
    "truncated_body": {},
    "dropped_connection": {"carried_out": False},
    "slow": {"delay": 1.0},
    "endless_body": {"seconds": 5.0, "pause": 0.01},
    # in the answer itself
    "null_cursor": {},
    "query_runs": {"seconds": None, "state": "RUNNING"},  # None: for ever; or NOT_STARTED
    "query_ends": {"state": "FAILED"},  # or CANCELLED, RESULT_GONE
    "query_cut": {"keep": 1, "kind": "API_RECORDS_LIMIT_ADDED"},  # of the records
    "comment_accepted_then_500": {},
    "comment_delayed_visibility": {"calls": 2},
    "notification_before_list": {"calls": 2, "detail": False},
    # in a downloaded installer; truncated_body and slow strike it too, by their path
    "installer_bad_signature": {},
    "installer_html": {},
    "installer_truncated": {},
    "installer_altered": {"change": bytes.upper},
    # in the webhook sender
    "duplicate_notification": {"copies": 2},
    "lost_notification": {},
}

REPLACING = frozenset(
    {
        "server_error",
        "bad_gateway_html",
        "rate_limited",
        "html_200",
        "redirect_elsewhere",
        "empty_body",
        "wrong_type",
        "sso_error",
        "grail_error",
        "query_gone",
    }
)
ON_THE_WAY = frozenset({"truncated_body", "dropped_connection", "slow", "endless_body"})


@dataclass
class Fault:
    """
    A fault that is set; `left` None means until it is cleared, `label` is how the test named it.
    """

    name: str
    left: int | None
    path: str
    method: str | None
    options: dict[str, Any]
    label: str

    def strikes(self, method: str | None, path: str | None) -> bool:
        """
        Say whether this call meets the fault; what is no call (None) meets any.
        """
        return path is None or (self.path in path and self.method in (None, method))


class FaultBook:
    """
    The faults that are set, in the order in which they were.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self, name: str, times: int | None, path: str, method: str | None, options: dict[str, Any]
    ) -> None:
        """
        Set a fault, or that of a leg; a wrong name or option is the test's mistake and said at once.
        """
        leg = LEGS.get(name, Leg(name, ""))
        if leg.name not in FAULTS:
            there = ", ".join(sorted({*FAULTS, *LEGS}))
            raise ValueError(f"no fault is named {name!r}; there are {there}")
        known = FAULTS[leg.name]
        if unknown := set(options) - set(known):
            raise ValueError(f"the fault {name} has no option {', '.join(sorted(unknown))}")
        chosen = {**known, **leg.options, **options}
        with self._lock:
            self._faults.append(Fault(leg.name, times, path or leg.path, method, chosen, name))

    def clear(self) -> None:
        """
        Take all away.
        """
        with self._lock:
            self._faults.clear()

    def take(
        self, names: frozenset[str] | str, method: str | None = None, path: str | None = None
    ) -> Fault | None:
        """
        Use up one strike of the first fault that this call meets.
        """
        wanted = {names} if isinstance(names, str) else names
        return self._first(lambda fault: fault.name in wanted and fault.strikes(method, path))

    def _first(self, meets: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if meets(fault):
                    if fault.left is not None:
                        fault.left -= 1
                        if fault.left <= 0:
                            self._faults.remove(fault)
                    return fault
        return None
