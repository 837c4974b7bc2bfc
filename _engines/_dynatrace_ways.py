"""
The ways by which notifications come in: the engine's own webhook, and what salt-api's hook has received.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from _dynatrace_config import Config
from _dynatrace_errors import NotificationError
from _dynatrace_events import TEST_TAG
from _dynatrace_ledger import Ledger
from _dynatrace_listener import Listener
from _dynatrace_notifications import Notice, parse_data
from _dynatrace_recorder import Recorder
from _dynatrace_status import Probe
from _dynatrace_web import Health

log = logging.getLogger(__name__)


def hook(
    instance: str, config: Config, ledger: Ledger, look_now: Callable[[], None]
) -> Callable[[Mapping[str, Any]], None]:
    """
    Return what takes a notification that salt-api received.
    """

    def hear(data: Mapping[str, Any]) -> None:
        """
        Take what salt-api's hook received: ``{"body": raw text, "post": decoded, "headers": …}``.
        """
        try:
            notice = parse_data(data.get("post") or data, config.get("webhook.keys"))
        except NotificationError as err:
            log.warning("%s: a body from salt-api's hook is refused: %s", instance, err)
            return
        if not notice.test:
            # What it says of the problem is not kept: with MERGED any minion could end one that is open.
            named = replace(notice, state=None, problem=None)
            ledger.add_notices([(time.time(), named)])
            look_now()

    return hear


def listening(
    instance: str,
    config: Config,
    ledger: Ledger,
    look_now: Callable[[], None],
    probe: Probe,
) -> list[threading.Thread]:
    """
    Return the threads of the webhook, none if it is left out.
    """
    if not config.has_webhook:
        return []

    def on_test(_notice: Notice) -> None:
        log.info("%s: a test notification arrived", instance)
        ledger.add_event("test", TEST_TAG, {"what": "test", "instance": instance}, time.time())
        look_now()

    recorder = Recorder(instance, ledger, look_now)
    health = Health(probe.health, probe.metrics)
    return [recorder, Listener(instance, config, recorder, on_test, health)]
