"""
Says what a maintenance window is in tenants that have no classic ones: in ``builtin:maintenance-windows``.

Its properties are those of the published schema. Such a window marks what it covers as under
maintenance, and suppresses nothing. It covers what meets a filter, which is written here over the
fields that Dynatrace documents for events: entities, their tags, and the type of what an event is about.
"""

import datetime

from salt.exceptions import CommandExecutionError

SCHEMA = "builtin:maintenance-windows"
NAME = "name"
FORM = "%Y-%m-%dT%H:%M:%S"
TIME = "%H:%M:%S"
LONGEST_FILTER = 500
# What a window does by itself; the default of the classic ones is the nearest to it.
SUPPRESSION = "DETECT_PROBLEMS_DONT_ALERT"


def value(options):
    """
    Return a maintenance window.
    """
    return {
        "name": options["name"],
        "enabled": options["enabled"],
        "description": options["description"],
        # What Dynatrace deletes by itself, these states would set again.
        "autoDelete": False,
        "filter": _filter(options["entities"], options["tags"], options["entity_type"]),
        "schedule": _schedule(options),
    }


def announcement(options, start, end):
    """
    Return the maintenance window of a planned change.
    """
    return {
        "name": options["name"],
        "enabled": True,
        "description": "A change that Salt makes.",
        "autoDelete": True,
        "filter": _filter(options["hosts"], [], None),
        "schedule": _once(start, end, "UTC"),
    }


def end(found):
    """
    Return when a window that there is ends, of those that open once; "" for another.
    """
    start, minutes = _start(found), (found.get("schedule") or {}).get("duration")
    if start is None or not isinstance(minutes, int):
        return ""
    return (start + datetime.timedelta(minutes=minutes)).strftime(FORM)


def cut(found, until):
    """
    Return what lets a window that opens once end then, or within a minute.
    """
    start = _start(found).strftime(FORM)
    return {"schedule": {"duration": _minutes(start, max(start, until), FORM) or 1}}


def covers(found, options):
    """
    Tell whether a window that there is announces what these options say.
    """
    return found.get("filter") == _filter(options["hosts"], [], None)


def notes(options):
    """
    Return what is to be said of what such a window cannot do.
    """
    known = f"Such a window knows no {options['suppression']}"
    marked = "problems are detected, and marked as under maintenance, which the engine holds"
    return [] if options["suppression"] == SUPPRESSION else [f"{known}: {marked}."]


def _schedule(options):
    start, until = options["start"], options["end"]
    if options["recurrence"] == "once":
        return _once(start, until, options["time_zone"])
    if options["recurrence"] != "daily" and not options["rule"]:
        raise CommandExecutionError(
            f"A {options['recurrence']} window of {SCHEMA} goes by a scheduling rule: make one in "
            "Dynatrace's Workflows, and give its id as `rule`. Nothing was changed."
        )
    recurring = {
        "time": start,
        "earliestStart": options["first_day"],
        "until": options["last_day"],
        "rule": options["rule"],
    }
    return {
        "duration": _minutes(start, until, TIME),
        "timezone": options["time_zone"],
        "trigger": {"type": "time", "recurring": recurring, "once": None},
    }


def _once(start, until, time_zone):
    return {
        "duration": _minutes(start, until, FORM),
        "timezone": time_zone,
        "trigger": {"type": "once", "once": {"date": start}, "recurring": None},
    }


def _minutes(start, until, form):
    # Begun minutes count; a time of day that is not later is one of the next day.
    span = datetime.datetime.strptime(until, form) - datetime.datetime.strptime(start, form)
    seconds = span.total_seconds()
    if form == TIME and seconds <= 0:
        seconds += datetime.timedelta(days=1).total_seconds()
    return int(-(-seconds // 60))


def _start(found):
    trigger = (found.get("schedule") or {}).get("trigger") or {}
    try:
        return datetime.datetime.strptime((trigger.get("once") or {}).get("date", ""), FORM)
    except (TypeError, ValueError):
        return None


def _filter(entities, tags, entity_type):
    """
    Return the filter of which any part may match: one an entity, and one that all tags have to meet.
    """
    parts = [
        _matches(f"dt.entity.{one.rpartition('-')[0].lower()}", one) for one in sorted(entities)
    ]
    common = [_matches("entity_tags", tag) for tag in tags]
    if entity_type:
        common.insert(0, _matches("dt.source_entity.type", entity_type.lower()))
    if common:
        parts.append(common[0] if len(common) == 1 else f"({' and '.join(common)})")
    text = " or ".join(parts) or "true"
    if len(text) > LONGEST_FILTER:
        raise CommandExecutionError(
            f"A filter of {SCHEMA} has at most {LONGEST_FILTER} characters, and this one would "
            f"have {len(text)}: cover fewer hosts at once, or name a tag. Nothing was changed."
        )
    return text


def _matches(field, text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'matchesValue({field}, "{escaped}")'
