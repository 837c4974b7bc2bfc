"""
What every layer of the tenant shares: one lock, the journal, the faults, and the switches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.tenant.faults import FaultBook
from tests.tenant.journal import Entry, Journal


@dataclass
class Switches:
    """
    Behaviour that differs between tenants, or that a test wants smaller than it is.
    """

    page_cap: int | None = None  # a page holds no more, whatever was asked
    page_default: int = 50  # documented
    fields_page_limit: int | None = None  # 10: some Managed versions refuse more with `fields`
    last_page_key: str = "absent"  # or "null": captured answers and documentation differ
    cursor_lifetime: float = 3600.0  # seconds
    close_lag: float = 0.0  # seconds from the close call until the status follows
    calls_per_minute: int | None = None  # for each token and endpoint
    rate_window: float = 60.0  # seconds
    rate_unit: str = "microseconds"  # of X-RateLimit-Reset; clients have seen seconds too
    entity_type_key: bool = True  # False: entities come without `type`, as in 2021
    alerting_by_default: bool = (
        True  # False, as documented: no process alerts until a setting says so
    )
    os_service_cycle: float = 0.0  # seconds of a cycle of an OS-service policy; 10 as documented
    os_service_events_on: str = "service"  # or "host": which of both is not documented
    site_local_urls: bool = False  # whether webhooks may lead to loopback and private addresses
    minute: float = 60.0  # seconds of a minute of an alerting profile's delay
    webhook_ca: str | None = None  # what is trusted besides the system by webhooks made of settings
    secrets_in_invalid_value: bool = False  # whether a refused value comes back with its secrets
    platform_tokens_on_classic: bool = True  # False: Bearer only on the platform
    access_token_seconds: float = 300.0  # documented
    sso_refusal: int = 400  # or 401: a client that is not known
    grail_seconds: float = 0.0  # how long a query takes
    grail_patience: float | None = None  # seconds that a call waits at most, however long it may
    grail_token_lifetime: float = 399.0  # seconds; a captured one
    grail_categories: str = "short"  # RESOURCE, CUSTOM; or "long": sources differ
    grail_entity_tables: bool = True  # False: no `dt.entity.*`, as on "Grail-only tenants"
    grail_entity_details: bool = True  # False: those tables have no metadata and detected names
    smartscape: bool = True  # False: no `smartscapeNodes`
    sso_missing_scope: str = "refused"  # or "left_out": a scope that the client does not have
    # What of a workflow's trigger only some tenants take.
    trigger_takes: tuple[str, ...] = ("analysisReady", "maintenanceWindowTriggerBehavior")
    analysis_seconds: float = 0.0  # until a problem's `dt.analysis.ready`; minutes in reality
    workflow_second: float = 1.0  # seconds of a second that a task waits before it is tried again
    phase: int = 1  # of the environment: 1 hybrid, 2 new, 3 without classic tokens
    phase_3_has_problems: bool = False  # whether the Problems API is still there then
    gone_status: int = 403  # of an API that a phase has taken away
    lacks_schemas: frozenset[str] = frozenset()  # of Settings 2.0; a phase takes some away
    keep_bodies: bool = False  # for crowds: a body is made once, and no entity ever changes


class Core:
    """
    The base layer: state that is guarded by one lock, and a record of what happened.
    """

    def __init__(self, switches: Switches) -> None:
        self.lock = threading.RLock()
        self.switches = switches
        self.faults = FaultBook()
        self.log = Journal()

    @property
    def journal(self) -> list[Entry]:
        """
        All that happened so far: (time, what, detail).
        """
        return self.log.entries()

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """
        Call `callback` with each new entry of the journal; calling the answer ends that.
        """
        return self.log.subscribe(callback)

    def wait_for(
        self,
        what: str | Callable[[], Any],
        timeout: float = 10.0,
        *,
        count: int = 1,
        since: float = 0.0,
    ) -> Any:
        """
        Wait until `what` is true, or stands in the journal for the `count`th time; give that.

        `since` is a `time.time()` before which the journal does not count.
        """
        if not isinstance(what, str):
            return self.log.wait_for(what, timeout)

        def found() -> Entry | None:
            entries = [one for one in self.log.entries() if one.what == what and one.at >= since]
            return entries[count - 1] if len(entries) >= count else None

        try:
            return self.log.wait_for(found, timeout)
        except TimeoutError as err:
            raise TimeoutError(f"{what!r} did not happen {count} times: {err}") from None

    def fault(
        self,
        name: str,
        times: int | None = 1,
        path: str = "",
        method: str | None = None,
        **options: Any,
    ) -> None:
        """
        Let a named fault strike `times` times (None: until cleared) on paths that hold `path`.
        """
        self.faults.add(name, times, path, method, options)
        self.log.add("fault set", name=name, times=times)

    def clear_faults(self) -> None:
        """
        Take all faults away.
        """
        self.faults.clear()
