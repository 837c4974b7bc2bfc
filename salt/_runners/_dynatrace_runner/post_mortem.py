"""
Collects the facts of a problem or of a span of time, and makes the report of them.
"""

import datetime
import re
import sys
import time

from salt.exceptions import CommandExecutionError

from . import bus, checkup, evidence, report_file

UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def facts(opts, wanted, instance, timeout, evidence_s):
    """
    Return by engine the story of the problem ``display_id``, or the figures from ``since`` ``until``.

    Of a problem ``evidence`` is what the minions kept, who are asked for so many seconds; None: they are not asked.
    ``error`` says why an engine tells nothing. Raises CommandExecutionError where nothing can be asked for.
    """
    if (wanted["display_id"] is None) is (wanted["since"] is None):
        raise CommandExecutionError("name a problem, or a time by since=")
    if wanted["display_id"] is None:
        now = time.time()
        args = {name: _iso(moment(wanted[name], now)) for name in ("since", "until")}
        answers = bus.ask(opts, "span", instance, timeout, args)
        return {name: _whole(answer) for name, answer in answers.items()}
    args = {"display_id": str(wanted["display_id"])}
    answers = bus.ask(opts, "story", instance, timeout, args)
    found = {name: _whole(answer) for name, answer in answers.items()}
    for story in found.values():
        if "error" not in story:
            story["evidence"] = _evidence(opts, story, evidence_s) if evidence_s else None
    return found


def _whole(answer):
    return {"error": answer["error"]} if "error" in answer else {**bus.joined(answer), "file": None}


def _evidence(opts, story, evidence_s):
    if story["attempts"] and sys.stderr.isatty():
        told = f"the minions are asked for what they kept, for {evidence_s:g} s at most"
        print(f"{story['problem']}: {told}", file=sys.stderr)
    try:
        return evidence.of_attempts(opts, story["attempts"], None, evidence_s)
    except Exception as err:  # noqa: BLE001 - The report is whole without it.
        return {"error": f"the minions could not be asked: {str(err) or type(err).__name__}"}


def moment(text, now):
    """
    Return the epoch seconds of ``7d`` (so long ago; also m, h, w), of a date such as ``2026-11-01``, or of an ISO time, in
    UTC unless it says otherwise. None is now. Raises CommandExecutionError for any other text.
    """
    if text is None:
        return now
    told = str(text).strip()
    ago = re.fullmatch(r"([0-9]{1,6})([mhdw])", told)
    if ago:
        return max(now - int(ago[1]) * UNITS[ago[2]], 0.0)
    try:
        read = datetime.datetime.fromisoformat(re.sub("Z$", "+00:00", told))
    except ValueError:
        what = f"{told[:40]!r} is no time: write 7d, 12h, 2026-11-01 or 2026-11-01T10:00"
        raise CommandExecutionError(what) from None
    return read.replace(tzinfo=read.tzinfo or datetime.timezone.utc).timestamp()


def _iso(seconds):
    told = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return told.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(opts, found, given):
    """
    Write a report of each engine's facts, and add its path to them as ``file``; what is an error is left.
    """
    told = {name: one for name, one in found.items() if "error" not in one}
    if given is not None and len(told) > 1:
        names = ", ".join(sorted(told))
        raise CommandExecutionError(f"{names} have answered: name one by instance=, or no file")
    engine = checkup.loaded(opts) if told else None
    if told and engine is None:
        raise CommandExecutionError("this master does not find the engine's code")
    for name, one in told.items():
        own = _name(one) + (f"-{name}" if len(told) > 1 else "")
        path = report_file.path_of(opts, given, own)
        report_file.write(path, _html(engine, one, name))
        one["file"] = path


def _html(engine, told, instance):
    if "since" in told:
        return engine["report"].span_report(told, instance)
    return engine["report"].problem_report(told, instance, told["evidence"])


def _name(told):
    if "since" in told:
        return f"{told['since'][:10]}-to-{told['until'][:10]}"
    return re.sub(r"[^A-Za-z0-9-]", "-", told["problem"])[:80]


def in_short(found):
    """
    Return by engine what is printed of facts on a terminal, beside the file.
    """
    return {name: _in_short(told) for name, told in found.items()}


def _in_short(told):
    if "error" in told:
        return told
    if "since" in told:
        short = {name: told[name] for name in ("since", "until", "escalated", "relapses")}
        ended = {"problems": told["problems_count"], "ended_by": told["ended_by"]}
        return {**short, **ended, "minutes_saved": told["saved"]["minutes"], "file": told["file"]}
    short = {name: told[name] for name in ("problem", "title", "state", "failed_at", "healed_at")}
    kept = sorted((told["evidence"] or {}).get("minions", {}))
    outage = f"{told['outage_ms'] / 1000:.2f} s"
    return {**short, "outage": outage, "evidence_of": kept, "file": told["file"]}
