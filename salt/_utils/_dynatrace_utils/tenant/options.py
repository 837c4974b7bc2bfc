"""
Reads what ``dynatrace:tenant`` wants of the tenant, and says all that is wrong with it at once.

The limits are those that Dynatrace documents for the schemas of Settings 2.0, so that a bad value
is told before anything is asked or changed. ``pillar.example`` explains every key.
"""

import re

from salt.exceptions import CommandExecutionError

from .. import arguments
from ..dunders import __salt__
from . import checks
from . import units as tenant_units
from . import window as tenant_window

KINDS = ("webhook", "workflow", "process_alerting", "os_services", "maintenance_windows")
SEVERITIES = {
    "AVAILABILITY": 0,
    "ERRORS": 0,
    "PERFORMANCE": 30,
    "RESOURCE_CONTENTION": 30,
    "CUSTOM_ALERT": 0,
    "MONITORING_UNAVAILABLE": 0,
}
HOST = re.compile(r"HOST-[0-9A-F]{16}")
VAULT = re.compile(r"CREDENTIALS_VAULT-[0-9A-F]{16}")
MAINTENANCE = ("always", "inside", "outside")
SCOPE = re.compile(r"environment|HOST(?:_GROUP)?-[0-9A-F]{16}")
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
    "workflow": {
        "name": "Salt",
        "url": None,
        "credential": None,
        "severities": list(SEVERITIES),
        "tags": [],
        "closed": True,
        "maintenance": "always",
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
        "rule": None,
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
    if kind in ("webhook", "workflow"):
        found = {str(found.get("name") or DEFAULTS[kind]["name"]): found} if found else {}
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

    ``kind`` is webhook, workflow, process_alerting, os_services, maintenance_window or planned_change.
    """
    defaults, given = DEFAULTS[kind], {**given, "name": name}
    options = {**defaults, **{k: v for k, v in given.items() if v is not None and k in defaults}}
    problems = [*arguments.unknown(given, defaults)]
    if not checks.is_text(options["name"], checks.LONGEST_NAME):
        problems.append(f"`name` is a text of at most {checks.LONGEST_NAME} characters")
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


def _webhook(options):
    problems = checks.booleans(options, "closed", "merges", "accept_any_certificate", "enabled")
    problems += checks.texts(options, "tags", what=checks.TAGS)
    problems += checks.url(options)
    options["profile"] = options["profile"] or options["name"]
    if not checks.is_text(options["profile"], checks.LONGEST_NAME):
        problems.append(f"`profile` is a text of at most {checks.LONGEST_NAME} characters")
    severities = options["severities"]
    if not (isinstance(severities, dict) and severities):
        return [*problems, f"`severities` maps {', '.join(SEVERITIES)} to minutes"]
    problems += _severities(severities)
    if not all(checks.is_number(minutes, 0, 10000) for minutes in severities.values()):
        problems.append("`severities`: a delay is a whole number of minutes, from 0 to 10000")
    return problems


def _severities(given):
    known = ", ".join(SEVERITIES)
    unknown = [one for one in given if one not in tuple(SEVERITIES)]
    return [f"`severities`: {one} is none of {known}" for one in unknown]


def _workflow(options):
    problems = checks.booleans(options, "closed", "enabled")
    problems += checks.texts(options, "tags", what=checks.TAGS)
    problems += checks.url(options)
    severities = options["severities"]
    if not (isinstance(severities, list) and severities):
        problems.append(f"`severities` is a list of {', '.join(SEVERITIES)}")
    else:
        problems += _severities(severities)
    if options["maintenance"] not in MAINTENANCE:
        problems.append(f"`maintenance` is one of {', '.join(MAINTENANCE)}")
    credential = options["credential"]
    if not (credential is None or (isinstance(credential, str) and VAULT.fullmatch(credential))):
        problems.append("`credential` is the id of an entry of the credential vault")
    return problems


def _process_alerting(options):
    problems = []
    given = [key for key in ("technology", "process_group", "management_zone") if options[key]]
    if not given:
        problems.append(
            "one of `technology`, `process_group` and `management_zone` must say which groups"
        )
    for key in given:
        if not checks.is_text(options[key], 500):
            problems.append(f"`{key}` is a text of at most 500 characters")
    if isinstance(options["technology"], str) and not checks.TYPE.fullmatch(options["technology"]):
        problems.append("`technology` is named as Dynatrace does, such as APACHE_HTTPD")
    if options["minimum"] is not None and not checks.is_number(options["minimum"], 1, 10000):
        problems.append("`minimum` is a whole number of processes, at least 1")
    if not checks.is_number(options["max_groups"], 1, 200):
        problems.append("`max_groups` is a whole number from 1 to 200")
    return problems


def _os_services(options):
    problems = [
        *tenant_units.problems(options["units"]),
        *checks.booleans(options, "disabled", "enabled"),
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
    if not checks.is_number(options["cycles"], 1, MOST_CYCLES):
        problems.append(f"`cycles` is a whole number of 10 seconds each, from 1 to {MOST_CYCLES}")
    return problems


_CHECKS = {
    "webhook": _webhook,
    "workflow": _workflow,
    "process_alerting": _process_alerting,
    "os_services": _os_services,
    "maintenance_window": tenant_window.problems,
    "planned_change": tenant_window.problems_of_announcement,
}
