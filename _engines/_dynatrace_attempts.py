"""
Orders attempts for the episodes that the policy lets through, and brings each to its end.

An attempt is recorded together with the event that orders it, in one transaction; the announcer fires what is
recorded. An order is valid for a short time only. If no job takes it by then it was provably not executed, and may be
given again under the same ids; if a job took it and no return came, it is lost, counts, and is never repeated blindly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from _dynatrace_episodes import disarmed
from _dynatrace_errors import ApiError
from _dynatrace_events import attempt_id, complete, describe, job_id, tag
from _dynatrace_feedback import attempt_comment, escalation_comment, escalation_marker, marker
from _dynatrace_ledger import Attempt, Episode, Ledger
from _dynatrace_policy import Policy, Reason, Situation, Verdict, decide
from _dynatrace_reports import Reports
from _dynatrace_targets import Target

log = logging.getLogger(__name__)

#: An order must become a job within this time; the signed event says so, and reactors refuse it later.
TAKE_S = 30.0
#: After the validity has passed, a reactor that checked in time may still be publishing the job.
TAKE_MARGIN_S = 3.0
#: A problem read longer ago is read again before anything is done about it.
FRESH_S = 20.0
#: An order surely became no job: given twice at most within it, fired late each time, and expired.
UNTAKEN_S = 2 * (TAKE_S + TAKE_MARGIN_S) + FRESH_S
RECHECK_S = 60.0
#: What is unmatched may be matched later: a minion is accepted, a grain appears. The longer it lasts, the rarer.
REMATCH_FIRST_S = 30.0
REMATCH_CAP_S = 300.0
#: Attempts are counted over a week at most, the largest window that the configuration allows.
PAST_S = 7 * 86400.0

#: Who waits for room is looked at again now and then, also when nothing seems to have become free.
ROOM_S = 60.0

_WAITING = {Reason.STORM: "room", Reason.IN_PROGRESS: "room", Reason.PAUSED: "paused"}


class Attempts:
    """
    The attempts of one engine. All methods belong to the loop's thread and write through the ledger only.
    """

    def __init__(
        self,
        instance: str,
        ledger: Ledger,
        policy: Policy,
        accepted: Callable[[], int],
        is_accepted: Callable[[str], bool],
        reread: Callable[[Episode, float], Episode | None],
        rematch: Callable[[Episode, float], Episode],
        reacts: Callable[[str], bool],
        comments: bool,
        reports: Reports | None = None,
    ) -> None:
        self._instance = instance
        self._ledger = ledger
        self._policy = policy
        self._accepted = accepted
        self._is_accepted = is_accepted
        self._reread = reread
        self._rematch = rematch
        self._reacts = reacts
        self._comments = comments
        self._reports = reports
        #: What was in progress when the last decisions were made; None: nothing is known yet.
        self._in_progress: frozenset[tuple[str, str, str, bool]] | None = None
        self._room_checked = 0.0

    def is_minion(self, name: str) -> bool:
        """
        Tell whether a name is that of an accepted minion.
        """
        return self._is_accepted(name)

    # -- ordering --------------------------------------------------------------------------------------------------

    def order(self, now: float) -> list[str]:
        """
        Decide every episode that is due; return a few words for each attempt and escalation.

        Raises nothing of the API: an episode that cannot be read again waits.
        """
        said: list[str] = []
        busy = self._ledger.busy_minions()
        limit = self._policy.limit(self._accepted())
        before = self._ledger.waiting_actions()
        for place in self._ledger.places(now, waiting=self._may_have_room(before, now)):
            if place.only_room and len(busy) >= limit:
                # Its turn comes when something ends; a thousand of them need no look until then.
                if place.due:
                    self._ledger.wake_episode(place.problem_key, place.episode, None)
                continue
            episode = self._ledger.episode(place.problem_key, place.episode)
            try:
                said += self._decide(episode, busy, limit, now) if episode else []
            except ApiError as err:
                log.debug("%s: %s waits: %s", self._instance, place.problem_key, err)
                self._ledger.wake_episode(place.problem_key, place.episode, now + RECHECK_S / 4)
        # What ended while decisions were made is missed next time, and looked at then.
        self._in_progress = before | self._ledger.waiting_actions()
        return said

    def _may_have_room(self, current: frozenset[tuple[str, str, str, bool]], now: float) -> bool:
        """
        Tell whether those who wait for room are to be looked at: something ended since the last time.
        """
        if (
            self._in_progress is not None
            and self._in_progress <= current
            and now - self._room_checked < ROOM_S
        ):
            return False
        self._room_checked = now
        return True

    def _decide(self, episode: Episode, busy: set[str], limit: int, now: float) -> list[str]:
        if episode.announced and episode.resolution.unmatched:
            episode = self._rematch(episode, now)
        go, held = self._verdicts(episode, busy, limit, now)
        if now - episode.read > FRESH_S and (go or _may_have_changed(episode, held)):
            fresh = self._reread(episode, now)
            if fresh is None:
                return []
            episode = fresh
            go, held = self._verdicts(episode, busy, limit, now)
        with self._ledger.transaction():
            said: list[str] = []
            if go:
                said.append(self._attempt(episode, go, held, now))
                busy.update(target.minion for target in go)
                episode = replace(episode, attempts=episode.attempts + 1, announced=True)
            elif not episode.announced:
                self._announce(episode, "open", (), held, now)
                said.append(f"opened {_name(episode)}, {_why(episode, held)}")
                episode = replace(episode, announced=True)
            spent = [target for target, verdict in held if verdict.reason is Reason.ATTEMPTS_SPENT]
            if spent and not episode.escalated:
                episode = self.escalate(episode, "attempts spent", now, held)
                said.append(f"escalated {_name(episode)}: attempts spent")
            decided = self._next(episode, held, now)
            if decided != self._ledger.episode(episode.problem_key, episode.episode):
                self._ledger.save_episode(decided)
            return said

    def _verdicts(
        self, episode: Episode, busy: set[str], limit: int, now: float
    ) -> tuple[list[Target], list[tuple[Target, Verdict]]]:
        go: list[Target] = []
        held: list[tuple[Target, Verdict]] = []
        taken = set(busy)
        for target in episode.resolution.targets:
            verdict = self._verdict(episode, target, taken, limit, now)
            if verdict.reason is None:
                go.append(target)
                taken.add(target.minion)
            else:
                held.append((target, verdict))
        return go, held

    def _verdict(
        self, episode: Episode, target: Target, taken: set[str], limit: int, now: float
    ) -> Verdict:
        past = [
            attempt
            for attempt in self._ledger.past(target.minion, target.entity, now - PAST_S)
            if attempt.started >= episode.counted_from or attempt.state == "waiting"
        ]
        if episode.escalated and any(attempt.started >= episode.opened for attempt in past):
            # A person was called for this episode; the engine does not go on beside them when the window has passed.
            return Verdict(Reason.ATTEMPTS_SPENT)
        situation = Situation(
            now=now,
            paused=self._ledger.get("paused") is not None,
            accepted=self._is_accepted(target.minion),
            maintenance=episode.problem.under_maintenance,
            healed_here=self._ledger.healed_here(episode, target.minion, target.entity),
            busy=target.minion in taken,
            room=limit - len(taken),
        )
        return decide(target, past, situation, self._policy)

    def _attempt(
        self, episode: Episode, go: list[Target], held: list[tuple[Target, Verdict]], now: float
    ) -> str:
        number = episode.attempts + 1
        own_id = attempt_id(episode.problem_key, episode.episode, number)
        jid = job_id(own_id, episode.problem.start)
        attempt = Attempt(own_id, episode.problem_key, episode.episode, number, jid, "planned", now)
        self._ledger.add_attempt(attempt, [(target.minion, target.entity) for target in go])
        what = "retry" if episode.announced else "open"
        self._announce(episode, what, go, held, now, attempt=number, fresh_until=now + FRESH_S)
        minions = ", ".join(dict.fromkeys(target.minion for target in go))
        return f"attempt {number} for {_name(episode)} on {minions}"

    def _announce(
        self,
        episode: Episode,
        what: str,
        go: Any,
        held: list[tuple[Target, Verdict]],
        now: float,
        *,
        attempt: int = 0,
        reason: str | None = None,
        outcome: Any = (),
        fresh_until: float | None = None,
    ) -> None:
        described = describe(
            episode.problem, episode.resolution, go, held, dry_run=self._policy.dry_run
        )
        data = complete(
            what,
            described,
            instance=self._instance,
            episode=episode.episode,
            attempt=attempt,
            start_ms=episode.problem.start,
            problem_key=episode.problem_key,
            reason=reason,
            outcome=outcome,
            act=fresh_until is not None,
        )
        self._ledger.add_event(
            episode.problem_key, tag(what, episode.problem), data, now, fresh_until
        )

    def escalate(
        self, episode: Episode, reason: str, now: float, held: list[tuple[Target, Verdict]]
    ) -> Episode:
        """
        Say that a person must look; return the episode as it then is.
        """
        self._announce(episode, "escalated", (), held, now, reason=reason)
        if (
            self._comments
            and episode.attempts
            and episode.problem.problem_id
            and reason == "attempts spent"
        ):
            text = escalation_comment(reason, episode, self._policy)
            self._ledger.add_comment(
                escalation_marker(episode), episode.problem.problem_id, text, now
            )
        return replace(episode, escalated=reason)

    def _next(self, episode: Episode, held: list[tuple[Target, Verdict]], now: float) -> Episode:
        """
        Return the episode with the time at which, or the thing for which, it is to be decided again.
        """
        times: list[float] = []
        waiting = None
        for _, verdict in held:
            if verdict.reason in _WAITING:
                waiting = _WAITING[verdict.reason]
            if verdict.reason is Reason.COOLDOWN and verdict.until is not None:
                times.append(verdict.until)
            if verdict.reason in (Reason.MAINTENANCE, Reason.NOT_ACCEPTED):
                times.append(now + RECHECK_S)
        if episode.resolution.unmatched:
            times.append(now + min(max(now - episode.opened, REMATCH_FIRST_S), REMATCH_CAP_S))
        return replace(episode, due=min(times, default=None), waiting=waiting)

    # -- ending ----------------------------------------------------------------------------------------------------

    def end_action(
        self, attempt: Attempt, minion: str, state: str, comment: str, now: float
    ) -> None:
        """
        Record how an attempt ended on one minion, and end it when that was the last.
        """
        with self._ledger.transaction():
            if self._ledger.end_action(attempt.attempt_id, minion, state, comment, now):
                self._end_if_done(attempt, now)

    def _end_if_done(self, attempt: Attempt, now: float) -> None:
        actions = self._ledger.actions(attempt.attempt_id)
        states = {action.state for action in actions}
        if "waiting" in states:
            return
        state = next((name for name in ("bad", "lost", "good") if name in states), "void")
        self._ledger.move_attempt(attempt.attempt_id, state, ended=now)
        self._ledger.count(f"attempts_{state}")
        episode = self._ledger.episode(attempt.problem_key, attempt.episode)
        if episode is None:
            return
        if state == "void":
            self._call_person(episode, now)
            return
        outcome = [
            {"minion": action.minion, "ok": action.state == "good", "comment": action.comment}
            for action in actions
            if action.state != "void"
        ]
        what = "healed" if state == "good" else "failed"
        reason = {"good": None, "bad": "the remedy failed", "lost": "lost"}[state]
        self._announce(
            episode, what, (), [], now, attempt=attempt.number, reason=reason, outcome=outcome
        )
        log.info(
            "%s: attempt %s for %s: %s",
            self._instance,
            attempt.number,
            _name(episode),
            reason or "healed",
        )
        ended = replace(attempt, ended=now, state=state)
        self._comment(episode, ended, state, now)
        if self._reports is not None:
            self._reports.outcome(episode, ended, state, now)
        self._ledger.wake_episode(attempt.problem_key, attempt.episode, now)

    def _comment(self, episode: Episode, attempt: Attempt, state: str, now: float) -> None:
        if not self._comments or episode.problem.problem_id is None:
            return
        ordered = self._ledger.event_of(attempt.attempt_id) or {}
        held = [f"{item['minion']} ({item['reason']})" for item in ordered.get("held", ())]
        actions = self._ledger.actions(attempt.attempt_id)
        text = attempt_comment(episode, attempt, actions, state, self._policy, held)
        own = marker("attempt", attempt.attempt_id)
        self._ledger.add_comment(own, episode.problem.problem_id, text, now)

    def started(self, attempt: Attempt, minions: list[str], now: float) -> None:
        """
        Note that a job took the order, and to whom it went; nobody else will return.
        """
        with self._ledger.transaction():
            if attempt.state in ("planned", "fired", "idle"):
                self._ledger.order_taken(attempt.attempt_id, now)
                log.info(
                    "%s: job %s took attempt %s",
                    self._instance,
                    attempt.jid,
                    attempt.attempt_id[:12],
                )
            for action in self._ledger.actions(attempt.attempt_id):
                if action.state == "waiting" and action.minion not in minions:
                    self.end_action(
                        attempt, action.minion, "void", "no remedy for this process", now
                    )

    def expire(self, now: float) -> list[str]:
        """
        Bring forward what waited too long: orders that no job took, and jobs that did not return.
        """
        said: list[str] = []
        for attempt in self._ledger.open_attempts():
            if attempt.state == "running":
                if now > (attempt.started or now) + self._policy.outcome_timeout:
                    self._lose(attempt, now)
                    said.append(f"attempt {attempt.attempt_id[:12]} is lost")
            elif attempt.state == "fired":
                if now > (attempt.fired or now) + TAKE_S + TAKE_MARGIN_S:
                    # Given again at once, so that nobody else takes its place among those being healed.
                    self._ledger.move_attempt(attempt.attempt_id, "idle")
                    said += self._again(replace(attempt, state="idle"), now)
            elif attempt.state == "idle" or now > attempt.created + FRESH_S:
                said += self._again(attempt, now)
        return said

    def _lose(self, attempt: Attempt, now: float) -> None:
        with self._ledger.transaction():
            for action in self._ledger.actions(attempt.attempt_id):
                waited = f"no return within {self._policy.outcome_timeout:g} s"
                self._ledger.end_action(attempt.attempt_id, action.minion, "lost", waited, now)
            self._end_if_done(attempt, now)

    def _again(self, attempt: Attempt, now: float) -> list[str]:
        """
        Give an order again under the same ids, if it still stands; or give it up.
        """
        ordered = self._ledger.event_of(attempt.attempt_id)
        episode = self._ledger.latest_episode(attempt.problem_key)
        if (
            ordered is None
            or episode is None
            or episode.episode != attempt.episode
            or episode.state != "open"
        ):
            self._void(attempt, "the problem closed first", now)
            return []
        reacts = self._reacts(tag(ordered["what"], episode.problem))
        if self._is_too_late(attempt, reacts, now):
            return [self._give_up(attempt, episode, now)]
        if attempt.first_fired and not reacts:
            return []  # Nobody is configured to take it: repeating it would only be noise.
        if not self._still_allowed(attempt, episode, now):
            self._take_back(attempt, now)
            return []
        self._ledger.refire(attempt.attempt_id, now + FRESH_S)
        self._ledger.move_attempt(attempt.attempt_id, "planned")
        return [f"attempt {attempt.number} for {_name(episode)} ordered again"]

    def _is_too_late(self, attempt: Attempt, reacts: bool, now: float) -> bool:
        """
        Tell whether an order went untaken for so long that no remedy can be expected to take it.

        Given only once it may have been lost with the master that went down then; it is given once more.
        """
        if attempt.first_fired is None:
            return False
        repeated = (attempt.fired or 0.0) > attempt.first_fired
        waited = now - attempt.first_fired
        return waited > self._policy.outcome_timeout + TAKE_MARGIN_S and (repeated or not reacts)

    def _still_allowed(self, attempt: Attempt, episode: Episode, now: float) -> bool:
        """
        Tell whether an old order may be given now: as strict as for a new one, but for its own place in the records.
        """
        if now - episode.read > FRESH_S:
            try:
                fresh = self._reread(episode, now)
            except ApiError:
                return False
            if fresh is None:
                return False
            episode = fresh
        if self._is_held(episode):
            return False
        if attempt.state == "planned":
            return True  # It has its place among those being healed already.
        busy = self._ledger.busy_minions()
        minions = {action.minion for action in self._ledger.actions(attempt.attempt_id)}
        return len(busy | minions) <= self._policy.limit(self._accepted())

    def _is_held(self, episode: Episode) -> bool:
        maintenance = episode.problem.under_maintenance and self._policy.hold_in_maintenance
        return maintenance or self._ledger.get("paused") is not None

    def _take_back(self, attempt: Attempt, now: float) -> None:
        """
        Void an order that is held by a pause or a maintenance window, so that it keeps no room and no process busy.

        Not before even a firing that a crash kept from being recorded has expired; its episode is decided anew.
        """
        episode = self._ledger.latest_episode(attempt.problem_key)
        expired = now - max(attempt.created, attempt.fired or 0.0) > UNTAKEN_S
        if expired and episode is not None and episode.state == "open" and self._is_held(episode):
            with self._ledger.transaction():
                self._void(attempt, "held", now)
                self._ledger.wake_episode(attempt.problem_key, attempt.episode, now)

    def _give_up(self, attempt: Attempt, episode: Episode, now: float) -> str:
        with self._ledger.transaction():
            self._void(attempt, "no remedy took it", now)
            self._call_person(episode, now)
            return f"escalated {_name(episode)}: no remedy took the event"

    def _call_person(self, episode: Episode, now: float) -> None:
        """
        Say that nobody healed what was ordered; it is not ordered anew before the problem changes.
        """
        if episode.state != "open":
            return
        if not episode.escalated:
            episode = self.escalate(episode, "no remedy took the event", now, [])
        self._ledger.save_episode(replace(episode, due=None, waiting=None))

    def _void(self, attempt: Attempt, why: str, now: float) -> None:
        with self._ledger.transaction():
            ordered = self._ledger.event_of(attempt.attempt_id)
            if ordered is not None:
                self._ledger.disarm(attempt.attempt_id, disarmed(ordered))
            for action in self._ledger.actions(attempt.attempt_id):
                self._ledger.end_action(attempt.attempt_id, action.minion, "void", why, now)
            self._ledger.move_attempt(attempt.attempt_id, "void", ended=now)


def _may_have_changed(episode: Episode, held: list[tuple[Target, Verdict]]) -> bool:
    """
    Tell whether a reading may show what the list of problems does not: the end of a maintenance window.

    An episode that was never read, since it was left alone at first, is read too.
    """
    return not episode.read or any(verdict.reason is Reason.MAINTENANCE for _, verdict in held)


def _name(episode: Episode) -> str:
    return episode.problem.display_id or episode.problem_key


def _why(episode: Episode, held: list[tuple[Target, Verdict]]) -> str:
    """
    Return why nobody is acted on, for the log.
    """
    if held:
        parts = [
            f"{target.minion} held: {verdict.reason.value}"
            for target, verdict in held
            if verdict.reason
        ]
        return "; ".join(parts[:5])
    reasons = [item.reason for item in episode.resolution.unmatched]
    return reasons[0] if reasons else "no host or process is named"
