"""
The end of Salt's event bus that receives: one thread with an event object of its own, which it shares with nobody.

A subscriber that does not read all the time is dropped by the publisher, so nothing here waits for anything else. What
passed while it was not connected is read elsewhere: jobs from the job cache, keys and grains by listing.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.heartbeat import Heartbeat
from .delivery import DeliveryConfirmation
from .event import COMMAND_PREFIX
from .salt_interface import EventBus

log = logging.getLogger(__name__)

WAIT_S = 5.0
RETRY_S = 1.0

_JOB = re.compile(r"salt/(job|run)/(\d{20})/(new|ret)(?:/(.+))?")
_START = re.compile(r"salt/minion/([^/]+)/start")


@dataclass(frozen=True)
class Subscriber:
    """
    Reads the bus all the time and hands on what concerns the engine: jobs that are watched, minions, keys, commands, and
    what salt-api's hook received.

    ``on_open`` is called when the connection is open, at first or anew: what passed before was missed.
    """

    instance: str
    connect: Callable[[], EventBus]
    delivery: DeliveryConfirmation
    is_watched: Callable[[str], bool]
    on_job: Callable[[str, str, str | None, Mapping[str, Any]], None]
    on_minion: Callable[[str], None]
    on_key: Callable[[str], None]
    on_command: Callable[[Mapping[str, Any]], None]
    on_open: Callable[[], None]
    hook_tag: str | None = None
    on_hook: Callable[[Mapping[str, Any]], None] | None = None
    heartbeat: Heartbeat = field(default_factory=Heartbeat, init=False)

    def run(self) -> None:
        while True:
            self.heartbeat.beat()
            try:
                self._listen()
            except Exception as err:  # noqa: BLE001 - As in the relay.
                log.debug("%s: listening on the event bus broke: %s", self.instance, err)
            time.sleep(RETRY_S)

    def _listen(self) -> None:
        bus = self.connect()
        try:
            self.delivery.opened()
            self.on_open()
            while not self.delivery.renewal:
                self.heartbeat.beat()
                # All tags: get_event throws away what does not match, and a prefix would need several objects.
                event = bus.get_event(wait=WAIT_S, tag="", full=True, auto_reconnect=True)
                if event is not None:
                    self.receive(str(event.get("tag", "")), event.get("data"))
        finally:
            bus.destroy()

    def receive(self, tag: str, data: Any) -> None:
        """
        Hand on one event; whatever is in it, the next one is read.
        """
        if not isinstance(data, Mapping):
            return
        self.delivery.received(data)
        try:
            self._hand_on(tag, data)
        except Exception:
            log.exception("%s: an event with tag %.100r could not be handled", self.instance, tag)

    def _hand_on(self, tag: str, data: Mapping[str, Any]) -> None:
        job = _JOB.fullmatch(tag)
        if job:
            _, jid, what, minion = job.groups()
            if self.is_watched(jid):
                self.on_job(jid, what, minion, data)
            elif what == "ret" and minion and str(data.get("fun", "")).startswith("saltutil."):
                self.on_minion(minion)  # It synced or refreshed: its grains may be new.
        elif tag.startswith(COMMAND_PREFIX):
            self.on_command(data)
        elif self.on_hook is not None and tag == self.hook_tag:
            self.on_hook(data)
        elif tag == "salt/key" or (tag == "salt/auth" and data.get("act") == "accept"):
            self.on_key(str(data.get("id", "")))
        elif start := _START.fullmatch(tag):
            self.on_minion(start.group(1))
