"""
What a remedy has to know of its service on this minion: read from the SLS and the pillar, and checked.

Nothing here looks at the minion. What is wrong is told as a whole, before anything is done.
"""

import re
import urllib.parse

from salt.exceptions import CommandExecutionError

from .url import is_loopback

REQUIRED = ("service", "executable", "configtest")
OPTIONAL = {
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
KEYS = (*REQUIRED, *OPTIONAL, "os_family")
# One word, and no option.
UNIT = re.compile(r"[^-\s]\S{0,254}")
LONGEST_S = 3600
HIGHEST_PORT, STATUSES = 65535, range(100, 600)


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
    service = {**OPTIONAL, **common, **own, **_lookup(pillar, name)}
    missing = [key for key in REQUIRED if not service.get(key)]
    if missing:
        known = f"for the os_family {family} nothing is known of {name}"
        wanted = ", ".join(f"{place}:{key}" for key in missing)
        raise CommandExecutionError(f"{known}; set the pillar {wanted}")
    wrong = [*_unknown(name, place, service), *_wrong(service)]
    if wrong:
        raise CommandExecutionError(f"the settings of {name} are wrong: {'; '.join(wrong)}")
    return service


def settled_chunk(chunk, pillar, family):
    """
    Return the settings of a chunk of low data, as the state that it calls would read them.
    """
    return settled(chunk["name"], {key: chunk[key] for key in KEYS if key in chunk}, pillar, family)


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
    unknown = sorted(str(key) for key in service.keys() - OPTIONAL.keys() - set(REQUIRED))
    if unknown:
        allowed = ", ".join(sorted([*REQUIRED, *OPTIONAL]))
        yield (
            f"{name} has no setting {', '.join(unknown)}; in the SLS and in the pillar {place} "
            f"are allowed: {allowed}"
        )


def _wrong(service):
    for key, (fits, wanted) in FORMS.items():
        value = service[key]
        optional = value is None and OPTIONAL.get(key, key) is None
        if not optional and not fits(value):
            yield f"{key} must be {wanted}, not {str(value)[:80]!r}"
    url, beyond = service["url"], service["beyond_loopback"]
    local = not _is_url(url) or is_loopback(urllib.parse.urlsplit(url).hostname)
    if beyond is False and not local:
        yield f"url {url} is no address of this machine's loopback, and beyond_loopback is not true"


def _is_path(value):
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _is_seconds(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= LONGEST_S


def _is_url(value):
    try:
        parts = urllib.parse.urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (TypeError, ValueError, AttributeError):
        return False


def _is_number_in(allowed):
    return lambda value: type(value) is int and value in allowed


def _is_list_of(fits):
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_word(value):
    return isinstance(value, str) and bool(value)


FORMS = {
    "service": (
        lambda value: isinstance(value, str) and bool(UNIT.fullmatch(value)),
        "the name of a service",
    ),
    "executable": (_is_path, "a full path"),
    "configtest": (_is_list_of(lambda word: type(word) in (str, int)), "a list of words"),
    "url": (_is_url, "an http or https address"),
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
