"""
Why a problem is or is not being healed, in one short sentence, from the latest decision about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ..core.reasons import Reason
from .text import cut, moment, shown

#: By reason; `docs/reference/events.md` explains each at length.
WHY: Mapping[Reason, str] = {
    Reason.COOLDOWN: "The last attempt on {minion} is too recent.",
    Reason.IN_PROGRESS: "An attempt on the same process of {minion} is still running.",
    Reason.ATTEMPTS_SPENT: "All attempts on {minion} that the policy allows are used up.",
    Reason.STORM: "As many minions as allowed are being healed; {minion} waits for a place.",
    Reason.MAINTENANCE: "Dynatrace has it under maintenance.",
    Reason.PAUSED: "Everything is paused.",
    Reason.DRY_RUN: "Dry run: {minion} would be acted on now.",
    Reason.NOT_ALLOWED: "The policy does not let {minion} be acted on.",
    Reason.NOT_ACCEPTED: "The key of {minion} is not accepted.",
    Reason.NOT_CONNECTED: "{minion} does not answer.",
    Reason.HEALED: "It was proved to serve on {minion}; Dynatrace has not closed the problem yet.",
    Reason.HEALTHY: "{minion} finds that it serves; Dynatrace has not closed the problem yet.",
    Reason.REFUSED: "The remedy refused to touch it on {minion}; another attempt would not do more.",
    Reason.UNPROVED: "It was started on {minion}, and nothing proved that it serves.",
    Reason.JOB_CACHE: "The master's job cache cannot be read; nothing is ordered until it can.",
    Reason.ONE_OF_MANY: "It runs on many hosts, and Dynatrace names none of them as the cause.",
    Reason.MATCHED_BY_NAME: "Only its name or address says that {minion} is the host, which proves nothing.",
    Reason.ANOTHER_PROCESS: "What failed on {minion} is not what the remedy would touch.",
    Reason.NO_REMEDY: "No remedy takes what failed on {minion}.",
    Reason.TWO_REMEDIES: "Two remedies fit what failed on {minion}, and none is preferred.",
    Reason.NOT_DOWN: "Nothing says that a process on {minion} is down.",
}
_BY_NAME = {reason.value: sentence for reason, sentence in WHY.items()}
_UNKNOWN = "{minion} is held."
_MOST = 200


def why(problem: Mapping[str, Any], day: str, paused: bool = False) -> Markup:
    """
    Return the sentence on an open problem: ``decision`` is what the journal has of the latest one, or None; ``left_alone``;
    ``unmatched``, the first entity that no minion was found for, with the reason, or None; ``final``: a person was called, and the engine
    leaves it to them. ``day`` is today; ``paused``: all is.
    """
    decision = problem["decision"]
    if not decision or not decision["targets"]:
        return _undecided(problem)
    if problem["final"]:
        # Its window may pass, and nothing comes of it.
        first, *rest = decision["targets"]
        decision = {**decision, "targets": [{**first, "until": None}, *rest]}
    said = _decided(decision, day, paused)
    return said + Markup(" The engine does not go on.") if problem["final"] else said


def _undecided(problem: Mapping[str, Any]) -> Markup:
    if problem["left_alone"]:
        return Markup("It began before the engine's first start, and is left alone.")
    if problem["unmatched"]:
        named = problem["unmatched"]["name"] or problem["unmatched"]["entity"]
        reason = problem["unmatched"]["reason"]
        return _filled("No minion is known for {named}: {reason}.", named=named, reason=reason)
    return Markup("It is not decided yet.")


def _decided(decision: Mapping[str, Any], day: str, paused: bool) -> Markup:
    targets = decision["targets"]
    acting = [one for one in targets if one["reason"] is None]
    if acting:
        others = len(acting) - 1
        more = f" and {others} more" if others else ""
        by = " by {remedy}" if acting[0]["remedy"] else ""
        return _filled(
            f"Acts on {{minion}}{more}{by}.",
            minion=acting[0]["minion"],
            remedy=acting[0]["remedy"] or "",
        )
    sentence = _held(targets[0], day, paused)
    others = decision["count"] - 1
    if others:
        reasons = ", ".join(f"{count} {reason}" for reason, count in decision["held"].items())
        sentence += _filled(f" Of {others + 1}: {{reasons}}.", reasons=reasons)
    return sentence


def _held(target: Mapping[str, Any], day: str, paused: bool) -> Markup:
    said = _filled(_BY_NAME.get(target["reason"], _UNKNOWN), minion=target["minion"])
    if target["detail"]:
        detail = target["detail"].rstrip(".")
        said += _filled(" {detail}.", detail=detail[:1].upper() + detail[1:])
    if target["until"]:
        at = moment(target["until"], day)
        said += Markup(
            f" Not before {at}, and not while all is paused." if paused else f" Again at {at}."
        )
    return said


def _filled(sentence: str, **texts: str) -> Markup:
    safe = {name: shown(cut(text, _MOST)) for name, text in texts.items()}
    return Markup(sentence).format(**safe)
