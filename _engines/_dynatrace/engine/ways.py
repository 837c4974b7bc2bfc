"""
The ways by which notifications come in: the engine's own webhook, and what salt-api's hook has received.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..config.config import Config
from ..core.notification import Notification
from ..master.event import TEST_TAG
from ..store.ledger import Ledger
from ..webhook.endpoints import Health
from ..webhook.listener import Listener
from ..webhook.recorder import Recorder
from ..webhook.salt_api_hook import Hook
from .health import Probe

log = logging.getLogger(__name__)


def hook(
    instance: str, config: Config, ledger: Ledger, look_now: Callable[[], None]
) -> Hook | None:
    """
    Return what takes the events of salt-api's hook; None where they are not heard.
    """
    if hook_tag(config) is None:
        return None
    return Hook(instance, config.get("webhook.keys"), ledger, look_now)


def hook_tag(config: Config) -> str | None:
    """
    Return the tag of salt-api's hook, None where it is not heard.

    Any minion can fire it. With an API that only means a look; without one it would be believed.
    """
    tag: str | None = config.get("hook_tag") if config.get("api_token") else None
    return tag


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

    def on_test(_notice: Notification) -> None:
        log.info("%s: a test notification arrived", instance)
        ledger.add_event("test", TEST_TAG, {"what": "test", "instance": instance}, time.time())
        look_now()

    recorder = Recorder(instance, ledger, look_now)
    health = Health(probe.health, probe.metrics)
    return [recorder, Listener(instance, config, recorder, on_test, health)]
