"""
Answers what an admin asks or orders through the runner: status, problems, history, pause, resume, retry.

A command comes as a signed event, is carried out once, and is answered by signed events: the rows of a long answer come on
several pages, each under the event size limit. Answers name the engine that gave them.
"""

from __future__ import annotations

import hmac
import json
import logging
import queue
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..core.errors import LedgerError
from ..core.log_once import Seldom
from ..core.records import Episode
from ..core.states import EpisodeState, move
from ..facts.span import Span
from ..facts.story import Story
from ..facts.why import Why
from ..master.envelope import clean, iso, signature
from ..store.ledger import Ledger
from .answers import Answer, in_rows, pages
from .views import Views

ANSWER_PREFIX = "dynatrace/answer/"
#: So many ids of commands are remembered; their signatures are long void when they are forgotten.
REMEMBERED = 1000
#: The runner runs on the same machine.
CLOCK_SLACK_S = 5.0
#: So long a pause waits for an order that is being fired; longer, and the bus hangs and takes no other order.
GATE_S = 0.5
#: Of a command: what has more of either is none, and is not looked at any further.
FIELDS, CHARS = 32, 20_000

log = logging.getLogger(__name__)


class Refused(Exception):
    """
    The command cannot be carried out; the text says why, for the one who asked.
    """


def _is_signed(data: Mapping[str, Any], key: bytes) -> bool:
    """
    Tell whether a command was signed with the master's key. What is larger than any command is not looked at.
    """
    given = data.get("signature")
    if not isinstance(given, str) or not re.fullmatch(r"[0-9a-f]{64}", given):
        return False
    if len(data) > FIELDS or not all(map(_is_plain, (*data, *data.values()))):
        return False
    try:
        return hmac.compare_digest(given, signature(data, key))
    except (TypeError, ValueError):
        return False


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, (str, int, float)) and len(str(value)) <= CHARS)


def _seconds(value: Any) -> float:
    try:
        return datetime.fromisoformat(re.sub("Z$", "+00:00", str(value))).timestamp()
    except ValueError as err:
        raise Refused("it tells no time") from err


@dataclass
class Commands:
    """
    The commands of one engine; ``answer`` fires an event. A command is carried out in the subscriber's thread when it
    comes, whatever the reconciler does. Only a retry waits for the reconciler, which may be deciding the same episode.

    ``gate`` is held while an order is checked and fired.
    """

    instance: str
    ledger: Ledger
    views: Views
    story: Story
    span: Span
    why: Why
    started: float
    key: bytes
    answer: Callable[[str, Mapping[str, Any]], None]
    gate: threading.Lock
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        #: The ids of those that were received; the subscriber's own.
        self._received: list[str] = []
        self._waiting: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._forged = Seldom(log, self.instance)
        self._refused = Seldom(log, self.instance, CLOCK_SLACK_S)
        self._known: Mapping[str, Callable[[Mapping[str, Any], float], Answer]] = {
            "status": lambda _, now: {"facts": self.views.status(now)},
            "problems": lambda _, now: {"rows": self.views.problems(now)},
            "show": self._show,
            "story": self._story,
            "span": self._span,
            "why": self._why,
            "history": lambda *_: {"rows": self.views.history()},
            "remedies": lambda *_: {
                "facts": {"faults": self.views.catalogue.faults},
                "rows": self.views.remedies(),
            },
            "held": lambda data, now: {"facts": self.views.held(str(data.get("minion")), now)},
            "pause": self._pause,
            "resume": self._resume,
            "retry": self._retry,
        }

    def receive(self, data: Mapping[str, Any]) -> bool:
        """
        Take a command that is for this engine, from this master, and received for the first time; tell whether the
        reconciler has something to do for it.

        Belongs to the subscriber's thread: any minion can fire a command's tag, as often as it likes.
        """
        own_id = data.get("id")
        if not isinstance(own_id, str) or not re.fullmatch(r"[0-9a-f]{32}", own_id):
            return False
        if data.get("instance") not in (None, self.instance) or own_id in self._received:
            return False
        if not _is_signed(data, self.key):
            self._forged.say("a command that this master did not sign is ignored")
            return False
        self._received = [*self._received[-REMEMBERED:], own_id]
        if data.get("command") == "retry":
            self._waiting.put(data)
            return True
        done = self._handle(data, self.clock())
        if done:
            log.info("%s: %s", self.instance, done)
        return done is not None

    def carry_out(self, now: float) -> list[str]:
        """
        Carry out what waits for the reconciler, in its thread; return a few words for each that changed anything.
        """
        said = []
        while not self._waiting.empty():
            said.append(self._handle(self._waiting.get_nowait(), now))
        return [done for done in said if done]

    def _handle(self, data: Mapping[str, Any], now: float) -> str | None:
        own_id, name = str(data["id"]), data.get("command")
        answer = self._answer(data, now)
        for page in pages(clean(answer)):
            self.answer(ANSWER_PREFIX + own_id, {"id": own_id, "instance": self.instance, **page})
        if name not in ("pause", "resume", "retry") or "error" in answer:
            return None
        return f"{name} by {str(data.get('who'))[:60]}"

    def _answer(self, data: Mapping[str, Any], now: float) -> Answer:
        try:
            known = self._known[str(data.get("command"))]
        except KeyError:
            return {"error": f"unknown command; known are {', '.join(sorted(self._known))}"}
        try:
            self._check_time(data, now)
            return known(data, now)
        except Refused as err:
            return {"error": str(err)}
        except LedgerError as err:
            return {"error": f"nothing was done: {err}"}

    def _check_time(self, data: Mapping[str, Any], now: float) -> None:
        """
        Raise Refused for a command that is not of this moment: it may be played back.
        """
        fired, until = (_seconds(data.get(name)) for name in ("fired", "valid_until"))
        why = None
        if now > until:
            why = f"it was read {now - fired:.0f} s after it was given, which is too late"
        elif now < fired - CLOCK_SLACK_S:
            why = "it is of a time to come: the clock was set"
        elif fired < int(self.started * 1000) / 1000:
            # Which were carried out before a restart is not remembered.
            why = "it was given before the engine started"
        if why is not None:
            named, who = str(data["command"]), str(data.get("who"))[:60]
            self._refused.say("%s by %.60r is not carried out: %s", named, who, why)
            raise Refused(f"nothing was done: {why}. Give it again.")

    def _find(self, data: Mapping[str, Any]) -> Episode:
        asked = str(data.get("display_id", ""))[:64]
        episode = self.ledger.episodes.find(asked) or self.ledger.episodes.latest(asked)
        if episode is None:
            raise Refused(self.why.unknown(asked))
        return episode

    def _show(self, data: Mapping[str, Any], now: float) -> Answer:
        episode = self._find(data)
        return {"facts": self.views.problem(episode, now), "rows": self.views.attempts(episode)}

    def _story(self, data: Mapping[str, Any], now: float) -> Answer:
        told = self.story.of(self._find(data), now)
        return in_rows(told, "attempts", "comments", "steps")

    def _span(self, data: Mapping[str, Any], now: float) -> Answer:
        since, until = (_seconds(data.get(name)) for name in ("since", "until"))
        if not since < until:
            raise Refused("`since` must be before `until`")
        return in_rows(self.span.of(since, until, now), "problems")

    def _why(self, data: Mapping[str, Any], now: float) -> Answer:
        told = self.why.of(self._find(data), now)
        return in_rows(told, "processes", "attempts", "unmatched")

    def _pause(self, data: Mapping[str, Any], now: float) -> Answer:
        reason = str(data.get("reason") or "").strip()
        if not reason:
            raise Refused("a pause needs a reason: dynatrace.pause reason='…'")
        told = {"reason": reason[:200], "who": str(data.get("who"))[:100], "since": iso(now)}
        # With the gate no order is between its check and the bus: nothing is fired once this is recorded.
        has_gate = self.gate.acquire(timeout=GATE_S)
        try:
            with self.ledger.transaction():
                self.ledger.settings.put("paused", json.dumps(told))
                self._note("pause", data, now, reason=reason[:200])
        finally:
            if has_gate:
                self.gate.release()
        return {"facts": {"paused": told}}

    def _resume(self, data: Mapping[str, Any], now: float) -> Answer:
        # The scheduler wakes what it held.
        was = self.ledger.settings.get("paused")
        with self.ledger.transaction():
            self.ledger.settings.put("paused", None)
            if was:
                self._note("resume", data, now)
        return {"facts": {"paused": False, "was": json.loads(was) if was else False}}

    def _retry(self, data: Mapping[str, Any], now: float) -> Answer:
        """
        Have a problem decided again as if nothing had been tried: no escalation, a full budget, no cooldown.

        A pause, the storm guard, maintenance and what is in progress still hold it.
        """
        episode = self._find(data)
        if episode.state == EpisodeState.CLOSED:
            raise Refused("the problem is closed; there is nothing to retry")
        again = replace(
            episode,
            state=move(episode.state, EpisodeState.OPEN),
            escalated=None,
            counted_from=now,
            due=now,
            read=0.0,
        )
        with self.ledger.transaction():
            self.ledger.episodes.save(again)
            self._note("retry", data, now, again)
        return {"facts": {"retry": episode.name}}

    def _note(
        self,
        kind: str,
        data: Mapping[str, Any],
        now: float,
        episode: Episode | None = None,
        **more: str,
    ) -> None:
        told = {"who": str(data.get("who"))[:100], **more}
        self.ledger.journal.add(kind, now, told, episode)
