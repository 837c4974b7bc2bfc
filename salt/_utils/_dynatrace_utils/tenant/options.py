"""
Reads what ``dynatrace:tenant`` wants of the tenant, and says all that is wrong with it at once.

The limits are those that Dynatrace documents for the schemas of Settings 2.0, so that a bad value
is told before anything is asked or changed. ``pillar.example`` explains every key.
"""

import re

from salt.exceptions import CommandExecutionError

from .. import arguments
from ..dunders import __salt__
from . import units as tenant_units
from . import window as tenant_window

KINDS = ("webhook", "process_alerting", "os_services", "maintenance_windows")
SEVERITIES = {
    "AVAILABILITY": 0,
    "ERRORS": 0,
    "PERFORMANCE": 30,
    "RESOURCE_CONTENTION": 30,
    "CUSTOM_ALERT": 0,
    "MONITORING_UNAVAILABLE": 0,
}
SUPPRESSIONS = ("DETECT_PROBLEMS_AND_ALERT", "DETECT_PROBLEMS_DONT_ALERT", "DONT_DETECT_PROBLEMS")
HOST = re.compile(r"HOST-[0-9A-F]{16}")
ENTITY = re.compile(r"[A-Z][A-Z0-9_]*-[0-9A-F]{16}")
TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
SCOPE = re.compile(r"environment|HOST(?:_GROUP)?-[0-9A-F]{16}")
# In the clear only to this machine, since the token goes along.
URL = re.compile(
    r"(?:https://[^\s/?#@]+|http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?)(?:[/?#]\S*)?"
)
LONGEST_NAME = 100
LONGEST_URL = 1000
# More is no slip any more.
MOST_MINUTES = 24 * 60
MOST_CYCLES = 360

DEFAULTS = {
    "webhook": {
        "name": "Salt",
        "url": None,
        "profile": None,
        "severities": SEVERITIES,
        "tags": [],
        "closed": True,
        "merges": False,
        "accept_any_certificate": False,
        "enabled": True,
    },
    "process_alerting": {
        "name": None,
        "technology": None,
        "process_group": None,
        "management_zone": None,
        "minimum": None,
        "max_groups": 20,
    },
    "os_services": {
        "name": None,
        "units": None,
        "remedy": None,
        "scope": "environment",
        "cycles": 1,
        "disabled": False,
        "enabled": True,
    },
    "maintenance_window": {
        "name": None,
        "recurrence": "once",
        "start": None,
        "end": None,
        "day": None,
        "first_day": None,
        "last_day": None,
        "time_zone": "UTC",
        "entities": [],
        "tags": [],
        "entity_type": None,
        "whole_environment": False,
        "suppression": "DETECT_PROBLEMS_DONT_ALERT",
        "description": "Set by Salt.",
        "enabled": True,
    },
    "planned_change": {
        "name": None,
        "hosts": [],
        "minutes": 30,
        "suppression": "DONT_DETECT_PROBLEMS",
    },
}


def asked(kind):
    """
    Return what pillar or configuration ask for of a kind: see ``dynatrace_tenant.asked``.

    It never raises, so that an SLS can make a failed state of a problem.
    """
    # Without the grains: a host with a OneAgent has one of this name, the environment's id.
    given = __salt__["config.get"]("dynatrace:tenant", None, omit_grains=True)
    problem = _wrong_tenant(given)
    if problem:
        return {"problem": problem, "entries": []}
    found = (given or {}).get(kind) or {}
    if kind == "os_services":
        found = tenant_units.asked(found if kind in (given or {}) else None)
    if kind == "webhook":
        found = {str(found.get("name") or DEFAULTS["webhook"]["name"]): found} if found else {}
    wrong = [str(name) for name, one in found.items() if not isinstance(one, dict)]
    if wrong:
        return {"problem": f"dynatrace:tenant:{kind}:{wrong[0]} is no mapping", "entries": []}
    return {
        "problem": None,
        "entries": [
            {**{str(key): value for key, value in one.items()}, "name": str(name)}
            for name, one in found.items()
        ],
    }


def checked(kind, name, given):
    """
    Return the options of one state, complete with defaults; raises with all that is wrong.

    ``kind`` is webhook, process_alerting, os_services, maintenance_window or planned_change.
    """
    defaults, given = DEFAULTS[kind], {**given, "name": name}
    options = {**defaults, **{k: v for k, v in given.items() if v is not None and k in defaults}}
    problems = [*arguments.unknown(given, defaults)]
    if not _is_text(options["name"], LONGEST_NAME):
        problems.append(f"`name` is a text of at most {LONGEST_NAME} characters")
    problems += _CHECKS[kind](options)
    if problems:
        raise CommandExecutionError(
            f"{kind} {options['name']}: the options are not valid: {'; '.join(problems)}"
        )
    return options


def _wrong_tenant(given):
    if given is None:
        return None
    if not isinstance(given, dict):
        return "dynatrace:tenant is no mapping"
    problems = list(arguments.unknown(given, KINDS))
    problems += [
        f"`{kind}` is no mapping" for kind in KINDS if not isinstance(given.get(kind) or {}, dict)
    ]
    # YAML refuses the surrogates that tojson writes for these.
    if any(ord(letter) > 0xFFFF for letter in repr(given)):
        problems.append("a text holds a character beyond U+FFFF, such as an emoji")
    return f"dynatrace:tenant is not valid: {'; '.join(problems)}" if problems else None


def _is_text(value, longest):
    return (
        isinstance(value, str)
        and len(value.strip()) > 0
        and len(value) <= longest
        and value.isprintable()
    )


def _is_number(value, least, most):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _booleans(options, *keys):
    return [f"`{key}` is true or false" for key in keys if not isinstance(options[key], bool)]


def _texts(options, key, pattern=None, what="texts of at most 500 characters"):
    value = options[key]
    good = isinstance(value, list) and all(
        _is_text(one, 500) and (pattern is None or pattern.fullmatch(one)) for one in value
    )
    return [] if good else [f"`{key}` is a list of {what}"]


def _webhook(options):
    problems = _booleans(options, "closed", "merges", "accept_any_certificate", "enabled")
    problems += _texts(options, "tags", what="tags, such as owner:web")
    url = options["url"]
    if not (_is_text(url, LONGEST_URL) and URL.fullmatch(url)):
        problems.append(
            "`url` is where the tenant reaches the engine's webhook, such as "
            "https://master.example.com:8765/dynatrace, without user or password in it (http:// "
            "only to a loopback address)"
        )
    options["profile"] = options["profile"] or options["name"]
    if not _is_text(options["profile"], LONGEST_NAME):
        problems.append(f"`profile` is a text of at most {LONGEST_NAME} characters")
    severities = options["severities"]
    if not (isinstance(severities, dict) and severities):
        return [*problems, f"`severities` maps {', '.join(SEVERITIES)} to minutes"]
    problems += [
        f"`severities`: {severity} is none of {', '.join(SEVERITIES)}"
        for severity in severities
        if severity not in SEVERITIES
    ]
    if not all(_is_number(minutes, 0, 10000) for minutes in severities.values()):
        problems.append("`severities`: a delay is a whole number of minutes, from 0 to 10000")
    return problems


def _process_alerting(options):
    problems = []
    given = [key for key in ("technology", "process_group", "management_zone") if options[key]]
    if not given:
        problems.append(
            "one of `technology`, `process_group` and `management_zone` must say which groups"
        )
    for key in given:
        if not _is_text(options[key], 500):
            problems.append(f"`{key}` is a text of at most 500 characters")
    if isinstance(options["technology"], str) and not TYPE.fullmatch(options["technology"]):
        problems.append("`technology` is named as Dynatrace does, such as APACHE_HTTPD")
    if options["minimum"] is not None and not _is_number(options["minimum"], 1, 10000):
        problems.append("`minimum` is a whole number of processes, at least 1")
    if not _is_number(options["max_groups"], 1, 200):
        problems.append("`max_groups` is a whole number from 1 to 200")
    return problems


def _os_services(options):
    problems = [
        *tenant_units.problems(options["units"]),
        *_booleans(options, "disabled", "enabled"),
    ]
    options["remedy"] = options["remedy"] or options["name"]
    for key in ("name", "remedy"):
        if not (isinstance(options[key], str) and tenant_units.NAME.fullmatch(options[key])):
            problems.append(
                f"`{key}` is the name of a remedy: at most 64 of A-Z a-z 0-9 _ . - and first a letter "
                "or digit"
            )
    if not (isinstance(options["scope"], str) and SCOPE.fullmatch(options["scope"])):
        problems.append(
            "`scope` is environment, or the id of a host group or host, such as "
            "HOST_GROUP-5FD609AD6757BE7D"
        )
    if not _is_number(options["cycles"], 1, MOST_CYCLES):
        problems.append(f"`cycles` is a whole number of 10 seconds each, from 1 to {MOST_CYCLES}")
    return problems


def _maintenance_window(options):
    problems = _booleans(options, "enabled", "whole_environment")
    problems += _texts(options, "entities", ENTITY, "entity ids, such as HOST-5FD609AD6757BE7D")
    problems += _texts(options, "tags", what="tags, such as owner:web")
    problems += _suppression(options)
    if options["entity_type"] is not None and not (
        isinstance(options["entity_type"], str) and TYPE.fullmatch(options["entity_type"])
    ):
        problems.append("`entity_type` is named as Dynatrace does, such as HOST")
    limited = bool(options["entities"] or options["tags"] or options["entity_type"])
    if limited == (options["whole_environment"] is True):
        problems.append(
            "`entities`, `tags` or `entity_type` must say what it covers, "
            "or `whole_environment: true` that it covers all, and not both"
        )
    if not _is_text(options["description"], 1000):
        problems.append("`description` is a text of at most 1000 characters")
    times = tenant_window.times(options)
    options.update(times["options"])
    return [*problems, *times["problems"]]


def _planned_change(options):
    problems = _texts(options, "hosts", ENTITY, "host ids, such as HOST-5FD609AD6757BE7D")
    if not options["hosts"]:
        problems.append("`hosts` must name at least one host id")
    if not _is_number(options["minutes"], 1, MOST_MINUTES):
        problems.append(f"`minutes` is a whole number from 1 to {MOST_MINUTES}")
    return [*problems, *_suppression(options)]


def _suppression(options):
    good = options["suppression"] in SUPPRESSIONS
    return [] if good else [f"`suppression` is one of {', '.join(SUPPRESSIONS)}"]


_CHECKS = {
    "webhook": _webhook,
    "process_alerting": _process_alerting,
    "os_services": _os_services,
    "maintenance_window": _maintenance_window,
    "planned_change": _planned_change,
}
