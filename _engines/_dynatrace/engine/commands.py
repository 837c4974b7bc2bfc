"""
Answers what an admin asks or orders through the runner: status, problems, history, pause, resume, retry.

A command comes as a signed event, is carried out once, in the loop's thread, and is answered by signed events: the rows
of a long answer come on several pages, each under the event size limit. Answers name the engine that gave them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import queue
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..core.log_once import Seldom
from ..core.policy import Policy
from ..core.states import EpisodeState, Waiting, move
from ..master.envelope import canonical, clean, iso
from ..store.ledger import Episode, Ledger
from .health import Status
from .views import Views

ANSWER_PREFIX = "dynatrace/answer/"
PAGE_BYTES = 60_000
#: So many ids of carried-out commands are remembered; their signatures are long void when they are forgotten.
REMEMBERED = 1000
#: The runner runs on the same machine.
CLOCK_SLACK_S = 5.0
#: Of a command: what has more of either is none, and is not looked at any further.
FIELDS, CHARS = 32, 20_000

log = logging.getLogger(__name__)

#: Rows or facts of an answer, or an error.
Answer = Mapping[str, Any]


class Refused(Exception):
    """
    The command cannot be carried out; the text says why, for the one who asked.
    """


def signed(data: Mapping[str, Any], key: bytes) -> bool:
    """
    Tell whether a command was signed with the master's key. What is larger than any command is not looked at.
    """
    signature = data.get("signature")
    if not isinstance(signature, str) or not re.fullmatch(r"[0-9a-f]{64}", signature):
        return False
    if len(data) > FIELDS or not all(map(_is_plain, (*data, *data.values()))):
        return False
    try:
        expected = hmac.new(key, canonical(data), hashlib.sha256).hexdigest()
    except (TypeError, ValueError):
        return False
    return hmac.compare_digest(signature, expected)


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, (str, int, float)) and len(str(value)) <= CHARS)


def genuine(data: Mapping[str, Any], key: bytes, now: float) -> bool:
    """
    Tell whether a command was signed with the master's key and is still valid.
    """
    try:
        fired, until = (_seconds(data.get(name)) for name in ("fired", "valid_until"))
    except ValueError:
        return False
    return fired - CLOCK_SLACK_S <= now <= until and signed(data, key)


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError("no time")
    return datetime.fromisoformat(re.sub("Z$", "+00:00", value)).timestamp()


def pages(answer: Answer) -> list[dict[str, Any]]:
    """
    Return an answer as data of events: its facts on the first page, its rows on as many as are needed.
    """
    rows = list(answer.get("rows", ()))
    found: list[list[Any]] = [[]]
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if found[-1] and size + length > PAGE_BYTES:
            found.append([])
            size = 0
        found[-1].append(row)
        size += length
    facts = {name: value for name, value in answer.items() if name != "rows"}
    return [
        {**(facts if number == 0 else {}), "rows": part, "page": number + 1, "pages": len(found)}
        for number, part in enumerate(found)
    ]


class Commands:
    """
    The commands of one engine. All but ``hear`` belongs to the reconciler's thread.
    """

    def __init__(
        self,
        instance: str,
        ledger: Ledger,
        policy: Policy,
        status: Status,
        key: bytes,
        answer: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._instance = instance
        self._ledger = ledger
        self._views = Views(ledger, policy, status)
        self._started = status.started
        self._key = key
        self._answer = answer
        self._done: list[str] = []
        #: The ids of those that were heard; the subscriber's own.
        self._heard: list[str] = []
        self._waiting: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._forged = Seldom(log, instance)
        self._known: Mapping[str, Callable[[Mapping[str, Any], float], Answer]] = {
            "status": lambda _, now: {"facts": self._views.status(now)},
            "problems": lambda _, now: {"rows": self._views.problems(now)},
            "show": self._show,
            "history": lambda *_: {"rows": self._views.history()},
            "held": lambda data, now: {"facts": self._views.held(str(data.get("minion")), now)},
            "pause": self._pause,
            "resume": self._resume,
            "retry": self._retry,
        }

    def hear(self, data: Mapping[str, Any]) -> bool:
        """
        Take a command that is for this engine, from this master, and heard for the first time; tell whether it is.

        Belongs to the subscriber's thread: any minion can fire a command's tag, as often as it likes.
        """
        own_id = data.get("id")
        if not isinstance(own_id, str) or not re.fullmatch(r"[0-9a-f]{32}", own_id):
            return False
        if data.get("instance") not in (None, self._instance) or own_id in self._heard:
            return False
        if not signed(data, self._key):
            self._forged.say("a command that this master did not sign is ignored")
            return False
        self._heard = [*self._heard[-REMEMBERED:], own_id]
        self._waiting.put(data)
        return True

    def carry_out(self, now: float) -> list[str]:
        """
        Carry out what was heard, and return a few words for each that changed anything.
        """
        said = []
        while not self._waiting.empty():
            said.append(self._handle(self._waiting.get_nowait(), now))
        return [done for done in said if done]

    def _handle(self, data: Mapping[str, Any], now: float) -> str | None:
        """
        Carry out a command and answer it.
        """
        own_id, name = str(data["id"]), data.get("command")
        if own_id in self._done or not genuine(data, self._key, now):
            return None
        if _seconds(data["fired"]) < int(self._started * 1000) / 1000:
            # Which were carried out before a restart is not remembered: this one may be played again.
            log.warning("%s: a command from before the engine's start is ignored", self._instance)
            return None
        self._done = [*self._done[-REMEMBERED:], own_id]
        changes = name in ("pause", "resume", "retry")
        try:
            answer = self._known[str(name)](data, now)
        except KeyError:
            answer = {"error": f"unknown command; known are {', '.join(sorted(self._known))}"}
        except Refused as err:
            answer = {"error": str(err)}
        for page in pages(clean(answer)):
            self._answer(ANSWER_PREFIX + own_id, {"id": own_id, "instance": self._instance, **page})
        return (
            f"{name} by {str(data.get('who'))[:60]}" if changes and "error" not in answer else None
        )

    def _find(self, data: Mapping[str, Any]) -> Episode:
        asked = str(data.get("display_id", ""))[:64]
        episode = self._ledger.find_episode(asked) or self._ledger.latest_episode(asked)
        if episode is None:
            raise Refused(
                f"no problem {asked!r} is in the ledger; `dynatrace.problems` lists the open ones"
            )
        return episode

    def _show(self, data: Mapping[str, Any], now: float) -> Answer:
        episode = self._find(data)
        views = self._views
        return {"facts": views.problem(episode, now), "rows": views.attempts(episode)}

    def _pause(self, data: Mapping[str, Any], now: float) -> Answer:
        reason = str(data.get("reason") or "").strip()
        if not reason:
            raise Refused("a pause needs a reason: dynatrace.pause reason='…'")
        told = {"reason": reason[:200], "who": str(data.get("who"))[:100], "since": iso(now)}
        self._ledger.put("paused", json.dumps(told))
        return {"facts": {"paused": told}}

    def _resume(self, _: Mapping[str, Any], now: float) -> Answer:
        was = self._ledger.get("paused")
        with self._ledger.transaction():
            self._ledger.put("paused", None)
            self._ledger.wake_episodes(now, Waiting.PAUSED)
        return {"facts": {"paused": False, "was": json.loads(was) if was else False}}

    def _retry(self, data: Mapping[str, Any], now: float) -> Answer:
        """
        Have a problem decided again as if nothing had been tried: no escalation, a full budget, no cooldown.

        A pause, the storm guard, maintenance and what is in progress still hold it.
        """
        episode = self._find(data)
        if episode.state == EpisodeState.CLOSED:
            raise Refused("the problem is closed; there is nothing to retry")
        self._ledger.save_episode(
            replace(
                episode,
                state=move(episode.state, EpisodeState.OPEN),
                escalated=None,
                counted_from=now,
                due=now,
                read=0.0,
            )
        )
        return {"facts": {"retry": episode.problem.display_id or episode.problem_key}}
