"""
The monitor of an OS service: it looks at a unit and tells the tenant of each new status.

Dynatrace looks from inside the host, every ten seconds; looking by a function of the test is this
tenant's own way. Synthetic throughout.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant


class UnitMonitor:
    """
    Watches one OS service; `look` gives its status, as `systemctl is-active` prints it.
    """

    def __init__(
        self, tenant: Tenant, host: str, name: str, look: Callable[[], str], interval: float = 0.2
    ) -> None:
        self.status = "active"
        self.interval = interval
        self._tenant, self._host, self._name, self._look = tenant, host, name, look
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """
        Stop looking; a problem that is open stays open.
        """
        self._stopped.set()
        self._thread.join(self.interval + 10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            status = self._look().strip()
            if status != self.status:
                self.status = status
                self._tenant.set_os_service_status(self._host, self._name, status)
            self._stopped.wait(self.interval)
