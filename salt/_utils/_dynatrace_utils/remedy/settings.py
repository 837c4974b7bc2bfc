"""
What a remedy has to know of its service on this minion: read from the SLS, the order and the pillar, and checked.

Nothing here looks at the minion. What is wrong is told as a whole, before anything is done.
"""

import re

from salt.exceptions import CommandExecutionError

from . import proofs

# What is brought back; `units` are the globs that the unit of the order must fit, where none of them is given.
SUBJECTS = ("service", "container", "sls")
OPTIONAL = {
    "service": None,
    "container": None,
    "sls": None,
    "units": [],
    "executable": None,
    "configtest": None,
    "proof": None,
    "stays": 3,
    "steps": ["restart"],
    "url": None,
    "host": None,
    "statuses": [],
    "timeout": 10,
    "deadline": 30,
    "starts_within": 30,
    "pid_file": None,
    "ports": [],
    "logs": [],
    "config": None,
    "config_options": ["-d", "-f"],
    "configtest_timeout": 30,
    # systemd by itself kills what does not stop within 90 s, and the engine waits for 120.
    "service_timeout": 100,
    "beyond_loopback": False,
}
# What the SLS may hold.
KEYS = (*OPTIONAL, "os_family", "ordered")
# Of a service alone: of a container or an SLS they would be believed to do something.
OF_A_SERVICE = ("executable", "configtest", "pid_file", "ports", "logs", "config", "steps")
STEPS = ("reload", "restart")
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
# One word, and no option.
UNIT = r"[^-\s]\S{0,254}"
GLOB = r"[A-Za-z0-9*?\[][A-Za-z0-9_.*?\[\]!-]{0,127}"
SLS = r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
OURS = "dynatrace"
LONGEST_S = 3600
HIGHEST_PORT, STATUSES = 65535, range(100, 600)


def named(name, given, pillar):
    """
    Return the name of the remedy and its settings: those of the SLS, or with ``ordered`` those of the order.

    The order's stand in the pillar ``dynatrace_attempt:remedy``, and by hand in ``dynatrace_remedy``.
    """
    own = {key: value for key, value in given.items() if key != "ordered"}
    if not given.get("ordered"):
        return name, own
    place = "dynatrace_attempt:remedy" if "dynatrace_attempt" in pillar else "dynatrace_remedy"
    attempt = pillar.get("dynatrace_attempt")
    attempt = attempt if isinstance(attempt, dict) else {}
    remedy = attempt.get("remedy") if ":" in place else pillar.get(place)
    if not isinstance(remedy, dict) or not re.fullmatch(NAME, str(remedy.get("name"))):
        form = '{"name": "nginx", "settings": {"service": "nginx"}}'
        raise CommandExecutionError(f"the pillar {place} names no remedy; its form is {form}")
    told = _mapping(remedy.get("settings"), f"the pillar {place}:settings")
    return remedy["name"], {**own, **told}


def settled(name, given, pillar, family):
    """
    Return the settings of a service on this minion; raise with all that is wrong about them.

    ``given`` are those of the SLS, ``pillar`` is the minion's whole pillar, and ``family`` the grain
    ``os_family``. The pillar's ``dynatrace:lookup:<name>`` wins, then what is given for the family.
    """
    place = f"dynatrace:lookup:{name}"
    presets = _mapping(given.get("os_family"), "os_family")
    own = _mapping(presets.get(family), f"os_family:{family}")
    common = {key: value for key, value in given.items() if key != "os_family"}
    told = {**common, **own, **_lookup(pillar, name)}
    service = {**OPTIONAL, **told}
    if not any(service[key] for key in (*SUBJECTS, "units")):
        known = f"for the os_family {family} nothing is known of {name}"
        wanted = ", ".join(f"{place}:{key}" for key in SUBJECTS)
        raise CommandExecutionError(f"{known}; set one of the pillars {wanted}")
    wrong = [*_unknown(name, place, service), *_wrong(service), *_unfit(service, told)]
    if wrong:
        raise CommandExecutionError(f"the settings of {name} are wrong: {'; '.join(wrong)}")
    return service


def settled_chunk(chunk, pillar, family):
    """
    Return the settings of a chunk of low data, as the state that it calls would read them.
    """
    given = {key: chunk[key] for key in KEYS if key in chunk}
    return settled(*named(chunk["name"], given, pillar), pillar, family)


def _lookup(pillar, name):
    ours = _mapping(pillar.get("dynatrace"), "the pillar dynatrace")
    lookup = _mapping(ours.get("lookup"), "the pillar dynatrace:lookup")
    return _mapping(lookup.get(name), f"the pillar dynatrace:lookup:{name}")


def _mapping(value, what):
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CommandExecutionError(f"{what} must be a mapping, not {str(value)[:80]!r}")
    return value


def _unknown(name, place, service):
    unknown = sorted(str(key) for key in service.keys() - OPTIONAL.keys())
    if unknown:
        yield (
            f"{name} has no setting {', '.join(unknown)}; in the SLS and in the pillar {place} "
            f"are allowed: {', '.join(sorted(OPTIONAL))}"
        )


def _wrong(service):
    bad = []
    for key, (fits, wanted) in FORMS.items():
        value = service[key]
        optional = value is None and OPTIONAL[key] is None
        if not optional and not fits(value):
            bad.append(key)
            yield f"{key} must be {wanted}, not {str(value)[:80]!r}"
    if not bad:
        yield from proofs.wrong(service)


def _unfit(service, told):
    """
    Yield what does not go together.
    """
    chosen = [key for key in SUBJECTS if service[key]]
    if len(chosen) > 1:
        yield f"{' and '.join(chosen)} are given, and one of them is what is brought back"
    if chosen and chosen[0] != "service":
        useless = [key for key in OF_A_SERVICE if told.get(key)]
        if useless:
            yield f"{', '.join(useless)} is of a service, and {chosen[0]} is given"
    if service["sls"] and not (service["proof"] or service["url"]):
        yield "sls needs a `proof`: what the SLS says of itself proves nothing"


def _is_path(value):
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _is_seconds(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= LONGEST_S


def _is_number_in(allowed):
    return lambda value: type(value) is int and value in allowed


def _is_list_of(fits):
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_word(value):
    return isinstance(value, str) and bool(value)


def _is_like(pattern):
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _is_sls(value):
    is_name = isinstance(value, str) and bool(re.fullmatch(SLS, value))
    return is_name and value.partition(".")[0] != OURS


def _is_steps(value):
    is_list = isinstance(value, list) and all(one in STEPS for one in value)
    return is_list and bool(value) and len(set(value)) == len(value)


FORMS = {
    "service": (_is_like(UNIT), "the name of a service"),
    "container": (_is_like(GLOB), "the name of a container, or a glob"),
    "sls": (_is_sls, f"the name of an SLS of the site's own, none of {OURS}.*"),
    "units": (_is_list_of(_is_word), "a list of globs"),
    "executable": (_is_path, "a full path"),
    "configtest": (_is_list_of(lambda word: type(word) in (str, int)), "a list of words"),
    "stays": (_is_seconds, "a number of seconds"),
    "steps": (_is_steps, f"a list of {' and '.join(STEPS)}"),
    "url": (proofs.is_url, "an http or https address"),
    "host": (_is_word, "a text"),
    "statuses": (_is_list_of(_is_number_in(STATUSES)), "a list of HTTP statuses"),
    "timeout": (_is_seconds, "a number of seconds"),
    "deadline": (_is_seconds, "a number of seconds"),
    "starts_within": (_is_seconds, "a number of seconds"),
    "pid_file": (_is_path, "a full path"),
    "ports": (_is_list_of(_is_number_in(range(1, HIGHEST_PORT + 1))), "a list of ports"),
    "logs": (_is_list_of(_is_path), "a list of full paths"),
    "config": (_is_path, "a full path"),
    "config_options": (_is_list_of(_is_word), "a list of words"),
    "configtest_timeout": (_is_seconds, "a number of seconds"),
    "service_timeout": (_is_seconds, "a number of seconds"),
    "beyond_loopback": (lambda value: isinstance(value, bool), "true or false"),
}
