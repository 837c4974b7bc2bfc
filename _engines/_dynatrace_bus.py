"""
The engine's two ends of Salt's event bus: one thread fires, one thread hears, and no event object is shared.

Salt's event objects break when threads overlap on them, ``fire_event`` may return False, raise, or block for ever when
the publisher hangs, and a subscriber that does not read all the time is dropped. So each end is one daemon thread with
an object of its own, which it throws away after any failure; what is to be fired waits in the ledger's outbox.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from _dynatrace_errors import LedgerError
from _dynatrace_events import COMMAND_PREFIX, sign
from _dynatrace_ledger import Ledger, Outgoing

log = logging.getLogger(__name__)

FIRE_TIMEOUT_MS = 5000
RETRY_S = 1.0
#: So many failures in a row mean that the publisher will not come back by itself (Salt 3008 never restarts it).
FAILURES_CRITICAL = 5
#: A fire that takes longer hangs: a publisher that is stopped blocks it for ever.
HANG_S = 15.0
HEAR_WAIT_S = 5.0

_JOB = re.compile(r"salt/(job|run)/(\d{20})/(new|ret)(?:/(.+))?")
_START = re.compile(r"salt/minion/([^/]+)/start")


class EventSide(Protocol):
    """
    What is used of ``salt.utils.event.SaltEvent``.
    """

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool: ...

    def get_event(self, **kwargs: Any) -> dict[str, Any] | None: ...

    def destroy(self) -> None: ...


def signing_key(directory: Path) -> bytes:
    """
    Return the key that signs events, made on first use; only the master's user can read it.

    One key serves all instances of a master. It is written whole or not at all, so two engines may start at once.
    """
    path = directory / "signing.key"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(directory, 0o700)
    if not path.exists():
        draft = directory / f".signing.key.{os.getpid()}"
        with open(
            os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii"
        ) as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # Fails when another engine was quicker: then its key is the one.
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    os.chmod(path, 0o600)
    return path.read_bytes().strip()


class Announcer(threading.Thread):
    """
    Fires what stands in the outbox, in order, signed at the moment of firing.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        connect: Callable[[], EventSide],
        key: bytes,
        valid_for: float,
    ) -> None:
        super().__init__(name=f"{name}-announcer", daemon=True)
        self._prefix = name
        self._ledger = ledger
        self._connect = connect
        self._key = key
        self._valid_for = valid_for
        self._bus: EventSide | None = None
        self._wake = threading.Event()
        self._firing_since: float | None = None
        self._asides: queue.SimpleQueue[tuple[str, Mapping[str, Any]]] = queue.SimpleQueue()
        self.failures = 0

    def wake(self) -> None:
        """
        Have the outbox looked at; called after each commit that put something there.
        """
        self._wake.set()

    def say(self, tag: str, data: Mapping[str, Any]) -> None:
        """
        Fire an answer that nobody misses when it is lost; it does not go through the ledger.
        """
        self._asides.put((tag, data))
        self._wake.set()

    def hangs(self) -> bool:
        """
        Tell whether a fire has been going on for longer than a healthy publisher ever takes.
        """
        since = self._firing_since
        return since is not None and time.monotonic() - since > HANG_S

    @property
    def healthy(self) -> bool:
        """
        Tell whether events reach the bus.
        """
        return self.failures == 0 and not self.hangs()

    def run(self) -> None:
        """
        Fire for ever; the thread ends with the process.
        """
        retry = False
        while True:
            self._wake.wait(RETRY_S if retry else 30.0)
            self._wake.clear()
            try:
                retry = not self.drain()
            except LedgerError as err:
                log.error("%s: events wait: %s", self._prefix, err)
                retry = True

    def drain(self) -> bool:
        """
        Fire all that may be fired now; False when the bus refused and it should be tried again soon.
        """
        while True:
            waiting: set[str] = set()
            fired = 0
            self._say_all()
            for listed in self._ledger.waiting_events():
                # Its problem may have closed since: read again, an order is a mere report by now.
                event = self._ledger.waiting_event(listed.seq)
                if event is None:
                    continue
                # Events about one problem come in order: one that must be decided anew holds the later ones.
                if event.problem_key in waiting or self._is_stale(event):
                    waiting.add(event.problem_key)
                    continue
                if not self._fire(event):
                    return False
                fired += 1
            if not fired:
                return True

    def _say_all(self) -> None:
        while not self._asides.empty():
            tag, data = self._asides.get_nowait()
            self._put(sign(data, self._key, time.time(), self._valid_for), tag)

    def _is_stale(self, event: Outgoing) -> bool:
        return event.fresh_until is not None and time.time() > event.fresh_until

    def _fire(self, event: Outgoing) -> bool:
        now = time.time()
        data = sign(event.data, self._key, now, self._valid_for)
        if not self._put(data, event.tag):
            return False
        self._ledger.event_fired(event, time.time())
        log.info("%s: fired %s", self._prefix, event.tag)
        return True

    def _put(self, data: dict[str, Any], tag: str) -> bool:
        self._firing_since = time.monotonic()
        try:
            if self._bus is None:
                self._bus = self._connect()
            done = self._bus.fire_event(data, tag, timeout=FIRE_TIMEOUT_MS)
            why = "" if done else "the event publisher does not take it"
        except Exception as err:  # noqa: BLE001 - Salt raises what its transport raises, differently in each version.
            done, why = False, f"{type(err).__name__}: {err}"
        finally:
            self._firing_since = None
        self._note(done, why)
        return done

    def _note(self, done: bool, why: str) -> None:
        if done:
            if self.failures >= FAILURES_CRITICAL:
                log.warning("%s: the event bus takes events again", self._prefix)
            self.failures = 0
            return
        self.failures += 1
        self._drop()
        log.debug("%s: an event could not be fired: %s", self._prefix, why)
        if self.failures == FAILURES_CRITICAL:
            log.critical(
                "%s: no event could be fired %s times in a row (%s). Nothing is lost, but nothing is healed either: "
                "restart the salt-master (its event publisher does not come back by itself)",
                self._prefix,
                self.failures,
                why,
            )

    def _drop(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            try:
                bus.destroy()
            except Exception:
                log.debug("%s: closing the event object failed", self._prefix, exc_info=True)


class Hearer(threading.Thread):
    """
    Reads the bus all the time and hands on what concerns the engine: jobs of its attempts, minions, keys, the hook.

    ``jids`` are the job ids to hear about; it is replaced as a whole by the loop, never changed in place.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], EventSide],
        on_minion: Callable[[str | None], None],
        hook_tag: str | None,
    ) -> None:
        super().__init__(name=f"{name}-hearer", daemon=True)
        self._prefix = name
        self._connect = connect
        self._on_minion = on_minion
        self._hook_tag = hook_tag
        self._on_job: Callable[[str, str, str | None, Mapping[str, Any]], None] = lambda *_: None
        self._on_hook: Callable[[Mapping[str, Any]], None] = lambda _: None
        self._on_command: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.jids: frozenset[str] = frozenset()
        self.listening = threading.Event()

    def wire(
        self,
        on_job: Callable[[str, str, str | None, Mapping[str, Any]], None],
        on_hook: Callable[[Mapping[str, Any]], None],
        on_command: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """
        Say where events of jobs, of the hook and of the runner go, before the thread is started.
        """
        self._on_job, self._on_hook, self._on_command = on_job, on_hook, on_command

    def run(self) -> None:
        """
        Listen for ever, with a new event object after each failure; the thread ends with the process.
        """
        while True:
            try:
                self._listen()
            except Exception as err:  # noqa: BLE001 - As in the announcer.
                log.debug("%s: listening on the event bus broke: %s", self._prefix, err)
            time.sleep(RETRY_S)

    def _listen(self) -> None:
        bus = self._connect()
        try:
            while True:
                # All tags: get_event throws away what does not match, and a prefix would need several objects.
                event = bus.get_event(wait=HEAR_WAIT_S, tag="", full=True, auto_reconnect=True)
                self.listening.set()
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
        try:
            self._hear(tag, data)
        except Exception:
            log.exception("%s: an event with tag %.100r could not be handled", self._prefix, tag)

    def _hear(self, tag: str, data: Mapping[str, Any]) -> None:
        job = _JOB.fullmatch(tag)
        if job:
            _, jid, what, minion = job.groups()
            if jid in self.jids:
                self._on_job(jid, what, minion, data)
            elif what == "ret" and minion and str(data.get("fun", "")).startswith("saltutil."):
                self._on_minion(minion)  # It synced or refreshed: its grains may be new.
        elif tag.startswith(COMMAND_PREFIX):
            self._on_command(data)
        elif tag == self._hook_tag:
            self._on_hook(data)
        elif tag == "salt/key":
            self._on_minion(None)
        elif tag == "salt/auth" and data.get("act") == "accept":
            self._on_minion(str(data.get("id", "")))
        elif start := _START.fullmatch(tag):
            self._on_minion(start.group(1))
