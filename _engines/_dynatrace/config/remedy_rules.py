"""
The rules for the values of an entry of the catalogue of remedies.

The settings are handed on to the minion, which checks them once more, with what is known there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..core.remedies import service_unit
from .validator import Rule

#: What is brought back: one of them.
SUBJECTS = ("service", "container", "sls")
#: What a remedy may have of the engine's policy.
OF_POLICY = ("cooldown", "max_attempts", "max_minions", "dry_run", "allow", "deny")
_MAX_PROOFS = 8
_LONGEST_S = 3600
_URL_KEYS = ("url", "host", "statuses", "contains", "server_name")
_PROOF = (
    re.compile(r"tcp:(?:(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?(?P<port>[0-9]{1,5})"),
    re.compile(r"disk:/[^<\0]*<(?P<percent>[0-9]{1,3}(?:\.[0-9]+)?)%"),
    re.compile(r"(?:unix|process):/[^\0]+"),
    re.compile(r"container:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"),
)
_Fits = Callable[[Any], bool]


def _like(pattern: str) -> _Fits:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _some(fits: _Fits) -> _Fits:
    """
    Return the rule for one value, or for a list of one or more.
    """
    return lambda value: (
        bool(value) and all(map(fits, value)) if isinstance(value, list) else fits(value)
    )


def _list_of(fits: _Fits) -> _Fits:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _number(low: int, high: int) -> _Fits:
    return lambda value: type(value) is int and low <= value <= high


def _is_seconds(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= _LONGEST_S


def _is_unit_glob(value: Any) -> bool:
    known = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9:_.\\@*?\[\]!-]{1,255}", value)
    return bool(known) and service_unit(re.sub(r"[*?\[\]!]", "x", value)) is not None


def _is_service(value: Any) -> bool:
    return isinstance(value, str) and service_unit(value) is not None


def _is_word(value: Any) -> bool:
    return type(value) in (str, int) and str(value) != "" and "\0" not in str(value)


def _is_command(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_word, value))


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_url_proof(value: Mapping[Any, Any]) -> bool:
    texts = (value.get(key) for key in ("host", "contains", "server_name"))
    known = all(key in _URL_KEYS for key in value) and _is_url(value.get("url"))
    return (
        known
        and all(one is None or _TEXT(one) for one in texts)
        and _STATUSES(value.get("statuses") or [])
    )


def _is_text_proof(value: str) -> bool:
    if value in ("http", "unit") or _is_url(value):
        return True
    found = next((match for one in _PROOF if (match := one.fullmatch(value))), None)
    if found is None:
        return False
    told = found.groupdict()
    if "percent" in told:
        return 0 < float(told["percent"]) <= 100
    return "port" not in told or 0 < int(told["port"]) <= 65535


def _is_one_proof(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _is_url_proof(value)
    return _is_text_proof(value) if isinstance(value, str) else _is_command(value)


def _is_proof(value: Any) -> bool:
    if not isinstance(value, list):
        return _is_one_proof(value)
    first = value[0] if value else None
    # The path of a command may hold a colon; another text with one is meant as a proof.
    looks_like = isinstance(first, str) and ":" in first and not first.startswith("/")
    if isinstance(first, str) and not looks_like and first not in ("http", "unit"):
        return _is_command(value)
    return 0 < len(value) <= _MAX_PROOFS and all(map(_is_one_proof, value))


def _is_steps(value: Any) -> bool:
    known = isinstance(value, list) and all(one in ("reload", "restart") for one in value)
    return known and 0 < len(value) == len(set(value))


_TEXT = _like(r"[^\0]{1,1000}")
_GLOB = _like(r"[^\0\n]{1,300}")
_STATUSES = _list_of(_number(100, 599))
_PATH = _like(r"/[^\0]*")

NAME = Rule(
    "letters, digits, `_`, `.` and `-`, at most 64 of them, and not to begin with a sign",
    _like(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"),
)
_ONE_OR_MORE = "a text or a list of"
ON: Mapping[str, Rule] = {
    "remedy": Rule(f"{_ONE_OR_MORE} names, as salt_remedy has them", _some(NAME.accepts)),
    "unit": Rule(f"{_ONE_OR_MORE} globs of units of services", _some(_is_unit_glob)),
    "process": Rule(f"{_ONE_OR_MORE} globs of names of processes and groups", _some(_GLOB)),
    "technology": Rule(
        f"{_ONE_OR_MORE} technologies as Dynatrace spells them, such as NGINX",
        _some(_like("[A-Z][A-Z0-9_]{0,63}")),
    ),
    "event": Rule(
        f"{_ONE_OR_MORE} types of events, such as LOW_DISK_SPACE",
        _some(_like("[A-Za-z0-9_.-]{1,100}")),
    ),
    "severity": Rule(
        f"{_ONE_OR_MORE} severities, such as AVAILABILITY", _some(_like("[A-Z][A-Z0-9_]{0,63}"))
    ),
    "tag": Rule(f"{_ONE_OR_MORE} globs of tags", _some(_GLOB)),
    "minion": Rule(f"{_ONE_OR_MORE} globs of minion ids", _some(_GLOB)),
}
_SECONDS = Rule(f"a number of seconds up to {_LONGEST_S}", _is_seconds)
_A_PATH = Rule("a full path", _PATH)
SETTINGS: Mapping[str, Rule] = {
    "service": Rule("the name of a service, or its unit", _is_service),
    "container": Rule("the name of a container, or a glob", _like(r"[A-Za-z0-9_.*?\[\]!-]{1,128}")),
    "sls": Rule(
        "the name of an SLS of the site's own, none of dynatrace.*",
        _like(r"(?!dynatrace(?:\.|$))[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"),
    ),
    "proof": Rule(
        "one of, or a list of http://..., https://..., http, tcp:[host:]port, unix:/path, unit, "
        "disk:/mount<90%, process:/path, container:name, a mapping with `url`, a command as a list of words",
        _is_proof,
    ),
    "steps": Rule("a list of reload and restart", _is_steps),
    "stays": _SECONDS,
    "executable": _A_PATH,
    "configtest": Rule("a list of words", _is_command),
    "config": _A_PATH,
    "config_options": Rule("a list of words", _list_of(_TEXT)),
    "pid_file": _A_PATH,
    "ports": Rule("a list of ports", _list_of(_number(1, 65535))),
    "logs": Rule("a list of full paths", _list_of(_PATH)),
    "host": Rule("a text", _TEXT),
    "statuses": Rule("a list of HTTP statuses", _STATUSES),
    "url": Rule("an http or https address", _is_url),
    "timeout": _SECONDS,
    "deadline": _SECONDS,
    "starts_within": _SECONDS,
    "configtest_timeout": _SECONDS,
    "service_timeout": _SECONDS,
    "beyond_loopback": Rule("true or false", lambda value: isinstance(value, bool)),
}
