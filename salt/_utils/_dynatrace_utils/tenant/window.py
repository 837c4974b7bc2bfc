"""
Says what a maintenance window is: its times, checked, and its value in Settings 2.0.

Windows are of the schema ``builtin:alerting.maintenance-window``; times are local to the window's
time zone, in the forms that Dynatrace documents for it.
"""

import datetime
import re

from . import checks

SCHEMA = "builtin:alerting.maintenance-window"
NAME = "generalProperties.name"
RECURRENCES = ("once", "daily", "weekly", "monthly")
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
SUPPRESSIONS = ("DETECT_PROBLEMS_AND_ALERT", "DETECT_PROBLEMS_DONT_ALERT", "DONT_DETECT_PROBLEMS")
ENTITY = re.compile(r"[A-Z][A-Z0-9_]*-[0-9A-F]{16}")
# More is no slip any more.
MOST_MINUTES = 24 * 60
ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")


def problems(options):
    """
    Return what is wrong with the options of a window, and complete its times.
    """
    wrong = checks.booleans(options, "enabled", "whole_environment")
    wrong += checks.texts(options, "entities", ENTITY, "entity ids, such as HOST-5FD609AD6757BE7D")
    wrong += checks.texts(options, "tags", what=checks.TAGS)
    wrong += _suppression(options)
    if options["entity_type"] is not None and not (
        isinstance(options["entity_type"], str) and checks.TYPE.fullmatch(options["entity_type"])
    ):
        wrong.append("`entity_type` is named as Dynatrace does, such as HOST")
    limited = bool(options["entities"] or options["tags"] or options["entity_type"])
    if limited == (options["whole_environment"] is True):
        wrong.append(
            "`entities`, `tags` or `entity_type` must say what it covers, "
            "or `whole_environment: true` that it covers all, and not both"
        )
    if not checks.is_text(options["description"], 1000):
        wrong.append("`description` is a text of at most 1000 characters")
    found = times(options)
    options.update(found["options"])
    return [*wrong, *found["problems"]]


def problems_of_announcement(options):
    """
    Return what is wrong with the options of a planned change.
    """
    wrong = checks.texts(options, "hosts", ENTITY, "host ids, such as HOST-5FD609AD6757BE7D")
    if not options["hosts"]:
        wrong.append("`hosts` must name at least one host id")
    if not checks.is_number(options["minutes"], 1, MOST_MINUTES):
        wrong.append(f"`minutes` is a whole number from 1 to {MOST_MINUTES}")
    return [*wrong, *_suppression(options)]


def _suppression(options):
    good = options["suppression"] in SUPPRESSIONS
    return [] if good else [f"`suppression` is one of {', '.join(SUPPRESSIONS)}"]


def times(given):
    """
    Return the options with their times in the API's form: ``{"options": {…}, "problems": […]}``.
    """
    options, problems = dict(given), []
    if not (isinstance(options["time_zone"], str) and ZONE.fullmatch(options["time_zone"])):
        problems.append("`time_zone` is named as Europe/Vienna or UTC")
    if options["recurrence"] not in RECURRENCES:
        problems.append(f"`recurrence` is one of {', '.join(RECURRENCES)}")
    else:
        problems += _times(options)
    return {"options": options, "problems": problems}


def value(options):
    """
    Return a maintenance window.
    """
    return {
        "enabled": options["enabled"],
        "generalProperties": {
            "name": options["name"],
            "description": options["description"],
            "maintenanceType": "PLANNED",
            "suppression": options["suppression"],
            "disableSyntheticMonitorExecution": False,
        },
        "schedule": _schedule(options),
        "filters": _filters(options),
    }


def announcement(options, start, end):
    """
    Return the maintenance window of a planned change.
    """
    once = {"recurrence": "once", "start": start, "end": end, "time_zone": "UTC"}
    days = {"day": None, "first_day": None, "last_day": None}
    covered = {"entities": options["hosts"], "tags": [], "entity_type": None}
    about = {"description": "A change that Salt makes.", "enabled": True}
    return value({**options, **once, **days, **covered, **about})


def end(found):
    """
    Return when a window that there is ends, of those that open once; "" for another.
    """
    schedule = found.get("schedule") or {}
    return str((schedule.get("onceRecurrence") or {}).get("endTime", ""))


def cut(found, until):
    """
    Return what lets a window that opens once end then.
    """
    return {"schedule": {"onceRecurrence": {"endTime": until}}}


def covers(found, options):
    """
    Tell whether a window that there is announces what these options say.
    """
    hosts = {one.get("entityId") for one in found.get("filters") or []}
    general = found.get("generalProperties") or {}
    return hosts == set(options["hosts"]) and general.get("suppression") == options["suppression"]


def notes(options):
    """
    Return what is to be said of what such a window cannot do.
    """
    return []


def _schedule(options):
    kind = options["recurrence"].upper()
    span = {
        "startTime": options["start"],
        "endTime": options["end"],
        "timeZone": options["time_zone"],
    }
    recurrences = {
        "onceRecurrence": span,
        "dailyRecurrence": {},
        "weeklyRecurrence": {"dayOfWeek": options["day"]},
        "monthlyRecurrence": {"dayOfMonth": options["day"]},
    }
    limits = {
        "timeWindow": span,
        "recurrenceRange": {
            "scheduleStartDate": options["first_day"],
            "scheduleEndDate": options["last_day"],
        },
    }
    chosen = f"{kind.lower()}Recurrence"
    schedule = dict.fromkeys(recurrences)
    schedule[chosen] = recurrences[chosen] if kind == "ONCE" else {**recurrences[chosen], **limits}
    return {"scheduleType": kind, **schedule}


def _filters(options):
    """
    Return filters of which any may match: one an entity, and one that all tags have to meet.
    """
    filters = [
        {"entityId": entity, "entityTags": [], "managementZones": []}
        for entity in options["entities"]
    ]
    if options["tags"] or options["entity_type"]:
        common = {"entityTags": list(options["tags"]), "managementZones": []}
        kind = {"entityType": options["entity_type"]} if options["entity_type"] else {}
        filters.append({**kind, **common})
    return filters


def _times(options):
    # Checked, and brought to the form that the API takes.
    once = options["recurrence"] == "once"
    form, example = ("%Y-%m-%dT%H:%M:%S", "2026-11-25T22:00:00") if once else ("%H:%M:%S", "22:00")
    problems = [*_moments(options, ("start", "end"), form, example)]
    if not problems and once and options["start"] >= options["end"]:
        problems.append("`start` must be before `end`")
    days = ("first_day", "last_day")
    if once:
        unwanted = [key for key in ("day", *days) if options[key] is not None]
        return problems + [f"`{key}` goes with a recurrence only" for key in unwanted]
    wrong = [*_moments(options, days, "%Y-%m-%d", "2026-11-25")]
    if not wrong and options["first_day"] > options["last_day"]:
        wrong.append("`first_day` must not be after `last_day`")
    return [*problems, *wrong, *_day(options)]


def _moments(options, keys, form, example):
    for key in keys:
        text = str(options[key]).replace(" ", "T")
        # The seconds may be left out.
        text = f"{text}:00" if form.endswith("%S") and text.count(":") == 1 else text
        try:
            options[key] = datetime.datetime.strptime(text, form).strftime(form)
        except ValueError:
            yield f"`{key}` is written as '{example}', in quotes, since YAML reads 22:00 as 1320"


def _day(options):
    kind, day = options["recurrence"], options["day"]
    if kind == "weekly" and day not in DAYS:
        return [f"`day` of a weekly window is one of {', '.join(DAYS)}"]
    if kind == "monthly" and (isinstance(day, bool) or day not in range(1, 32)):
        return ["`day` of a monthly window is a number from 1 to 31"]
    if kind == "daily" and day is not None:
        return ["`day` does not go with a daily window"]
    return []
