"""
The end of Salt's event bus that hears: one thread with an event object of its own, which it shares with nobody.

A subscriber that does not read all the time is dropped by the publisher, so nothing here waits for anything else. What
passed while it was not connected is read elsewhere: jobs from the job cache, keys and grains by listing.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .delivery import DeliveryConfirmation
from .event import COMMAND_PREFIX
from .salt_interface import EventBus

log = logging.getLogger(__name__)

HEAR_WAIT_S = 5.0
RETRY_S = 1.0

_JOB = re.compile(r"salt/(job|run)/(\d{20})/(new|ret)(?:/(.+))?")
_START = re.compile(r"salt/minion/([^/]+)/start")


class Subscriber(threading.Thread):
    """
    Reads the bus all the time and hands on what concerns the engine: jobs of its attempts, minions, keys, the hook.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], EventBus],
        delivery: DeliveryConfirmation,
        *,
        is_watched: Callable[[str], bool],
        on_job: Callable[[str, str, str | None, Mapping[str, Any]], None],
        on_minion: Callable[[str | None], None],
        on_command: Callable[[Mapping[str, Any]], None],
        on_open: Callable[[], None],
        hook_tag: str | None = None,
        on_hook: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """
        ``is_watched`` tells whether the events of a job id go to ``on_job``.

        ``on_open`` is called when the connection is open, at first or anew: what passed before was not heard.
        """
        super().__init__(name=f"{name}-subscriber", daemon=True)
        self._prefix = name
        self._connect = connect
        self._delivery = delivery
        self._is_watched = is_watched
        self._on_job = on_job
        self._on_minion = on_minion
        self._on_command = on_command
        self._on_open = on_open
        self._hook_tag = hook_tag
        self._on_hook = on_hook

    def run(self) -> None:
        """
        Listen for ever, with a new event object after each failure; the thread ends with the process.
        """
        while True:
            try:
                self._listen()
            except Exception as err:  # noqa: BLE001 - As in the relay.
                log.debug("%s: listening on the event bus broke: %s", self._prefix, err)
            time.sleep(RETRY_S)

    def _listen(self) -> None:
        bus = self._connect()
        try:
            self._delivery.opened()
            self._on_minion(None)
            self._on_open()
            while not self._delivery.renewal:
                # All tags: get_event throws away what does not match, and a prefix would need several objects.
                event = bus.get_event(wait=HEAR_WAIT_S, tag="", full=True, auto_reconnect=True)
                if event is not None:
                    self.hear(str(event.get("tag", "")), event.get("data"))
        finally:
            bus.destroy()

    def hear(self, tag: str, data: Any) -> None:
        """
        Hand on one event; whatever is in it, hearing goes on.
        """
        if not isinstance(data, Mapping):
            return
        self._delivery.heard(data)
        try:
            self._hear(tag, data)
        except Exception:
            log.exception("%s: an event with tag %.100r could not be handled", self._prefix, tag)

    def _hear(self, tag: str, data: Mapping[str, Any]) -> None:
        job = _JOB.fullmatch(tag)
        if job:
            _, jid, what, minion = job.groups()
            if self._is_watched(jid):
                self._on_job(jid, what, minion, data)
            elif what == "ret" and minion and str(data.get("fun", "")).startswith("saltutil."):
                self._on_minion(minion)  # It synced or refreshed: its grains may be new.
        elif tag.startswith(COMMAND_PREFIX):
            self._on_command(data)
        elif self._on_hook is not None and tag == self._hook_tag:
            self._on_hook(data)
        elif tag == "salt/key":
            self._on_minion(None)
        elif tag == "salt/auth" and data.get("act") == "accept":
            self._on_minion(str(data.get("id", "")))
        elif start := _START.fullmatch(tag):
            self._on_minion(start.group(1))
