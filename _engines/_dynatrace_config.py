"""
The engine's options: one table, and the validation that follows from it.

The table is the only place that knows names, defaults, ranges and meanings; the reference in ``docs/configuration.md``
and ``master.d/dynatrace.conf`` are tested against it. Validation never raises and reports every problem at once.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from _dynatrace_errors import ConfigError

#: A check takes the value and returns what is allowed when the value is not, else None.
Check = Callable[[Any], "str | None"]

LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


@dataclass(frozen=True)
class Option:
    """
    One key of the configuration: dotted name, default, check, and its meaning in one line.
    """

    name: str
    default: Any
    check: Check
    meaning: str
    secret: bool = False


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "a text that is not empty"


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else _or_null(check(value))


def _or_null(allowed: str | None) -> str | None:
    return None if allowed is None else f"{allowed}, or null"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _number(low: float, high: float, zero: str | None = None) -> Check:
    allowed = f"a number of seconds from {low} to {high}" + (f", or 0 ({zero})" if zero else "")

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return allowed
        # Not a number lies in no range.
        good = low <= value <= high or (zero is not None and value == 0)
        return None if good else allowed

    return check


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if good else f"a whole number from {low} to {high}"

    return check


def _globs(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return None if good else "a list of globs of minion ids"


def is_loopback(host: str | None) -> bool:
    """
    Tell whether a host name or address can only be this machine.
    """
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _url(value: Any) -> str | None:
    allowed = (
        "an https:// URL of the environment without query or user name, such as "
        "https://abc12345.live.dynatrace.com (http:// only to a loopback address)"
    )
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        _ = parts.port
    except ValueError:
        return allowed
    if not parts.hostname or parts.query or parts.fragment or parts.username or parts.password:
        return allowed
    good = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    return None if good else allowed


def _proxy(value: Any) -> str | None:
    allowed = "a proxy URL such as http://proxy.example.com:3128"
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        _ = parts.port
    except ValueError:
        return allowed
    good = parts.scheme in ("http", "https", "socks5", "socks5h") and parts.hostname
    return None if good else allowed


def _secret(value: Any) -> str | None:
    # Salt hands an sdb:// URL on as it is when its profile gives nothing.
    good = (
        isinstance(value, str) and re.fullmatch(r"[!-~]+", value) and not value.startswith("sdb://")
    )
    return None if good else "printable ASCII without spaces (an sdb:// URL must give a value)"


def _file(value: Any) -> str | None:
    good = _path(value) is None and os.access(value, os.R_OK)
    return None if good else "the absolute path of a file that the master's user can read"


def _path(value: Any) -> str | None:
    good = isinstance(value, str) and os.path.isabs(value) and _is_file_name(value)
    return None if good else "an absolute path"


def _is_file_name(value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _url_path(value: Any) -> str | None:
    taken = value in ("/healthz", "/metrics")
    good = isinstance(value, str) and not taken and re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value)
    return None if good else "a path such as /dynatrace (not /healthz, not /metrics)"


def _tag(value: Any) -> str | None:
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9/_.-]{1,200}", value)
    return None if good else "an event tag such as salt/netapi/hook/dynatrace"


def _share(value: Any) -> str | None:
    if isinstance(value, str):
        good = re.fullmatch(r"[1-9][0-9]?%|100%", value) is not None
    else:
        good = _whole(1, 100_000)(value) is None
    return None if good else 'a whole number from 1 to 100000, or a share from "1%" to "100%"'


def _names(value: Any) -> str | None:
    good = isinstance(value, dict) and all(
        key in NOTIFICATION_FIELDS and isinstance(name, str) and name for key, name in value.items()
    )
    return (
        None
        if good
        else "a mapping from " + ", ".join(NOTIFICATION_FIELDS) + " to key names of your payload"
    )


#: What a custom payload may name otherwise, by ``webhook:keys``.
NOTIFICATION_FIELDS = ("pid", "problem_id", "state", "title", "details")

OPTIONS: tuple[Option, ...] = (
    Option(
        "environment_url",
        None,
        _optional(_url),
        "The environment that is read; needed with `api_token`.",
    ),
    Option(
        "api_token",
        None,
        _optional(_secret),
        "Scopes problems.read, problems.write, entities.read; without it the engine works from notifications alone.",
        secret=True,
    ),
    Option(
        "ca_bundle",
        None,
        _optional(_file),
        "Certificates to verify the tenant with, instead of the system's.",
    ),
    Option("proxy", None, _optional(_proxy), "Proxy for requests to the tenant.", secret=True),
    Option(
        "poll_interval",
        30,
        _number(1, 3600, "never poll"),
        "Seconds between two looks at the open problems.",
    ),
    Option(
        "problem_selector",
        None,
        _optional(_text),
        'Added to `status("open")` when problems are listed.',
    ),
    Option(
        "lookback",
        86400,
        _number(0, 2592000),
        "On the first start, problems older than this are left alone.",
    ),
    Option("feedback", True, _flag, "Comment on the problem what was done and what came of it."),
    Option(
        "ledger",
        None,
        _optional(_path),
        "The ledger's file; default <cachedir>/dynatrace/<instance>/ledger.db.",
    ),
    Option(
        "hook_tag",
        "salt/netapi/hook/dynatrace",
        _optional(_tag),
        "Event tag under which salt-api's hook is heard.",
    ),
    Option("webhook.address", "127.0.0.1", _text, "Address that the listener binds."),
    Option("webhook.port", 8765, _whole(1, 65535), "Port that the listener binds."),
    Option("webhook.path", "/dynatrace", _url_path, "Path of the notifications."),
    Option(
        "webhook.token",
        None,
        _optional(_secret),
        "Expected as `Authorization: Bearer <token>`.",
        secret=True,
    ),
    Option(
        "webhook.username",
        None,
        _optional(_text),
        "Expected user name of HTTP basic authentication.",
    ),
    Option(
        "webhook.password",
        None,
        _optional(_secret),
        "Expected password of HTTP basic authentication.",
        secret=True,
    ),
    Option(
        "webhook.ssl_crt",
        None,
        _optional(_file),
        "Certificate (chain) of the listener; both or neither.",
    ),
    Option("webhook.ssl_key", None, _optional(_file), "Key of the listener's certificate."),
    Option(
        "webhook.insecure",
        False,
        _flag,
        "Accept a listener without TLS on an address that is not loopback.",
    ),
    Option("webhook.max_body", 1048576, _whole(1024, 16777216), "Largest notification, in bytes."),
    Option("webhook.keys", {}, _names, "Key names of a custom payload, by what they hold."),
    Option("policy.dry_run", False, _flag, "Decide and report, but let nothing be acted on."),
    Option("policy.allow", ["*"], _globs, "Minions that may be acted on."),
    Option("policy.deny", [], _globs, "Minions that never may; wins over `allow`."),
    Option(
        "policy.cooldown",
        300,
        _number(0, 86400),
        "Seconds between two attempts on one minion and process.",
    ),
    Option(
        "policy.max_attempts",
        3,
        _whole(1, 100),
        "Attempts on one minion and process in `attempt_window`.",
    ),
    Option(
        "policy.attempt_window",
        3600,
        _number(1, 604800),
        "Seconds over which attempts are counted.",
    ),
    Option(
        "policy.outcome_timeout",
        120,
        _number(1, 3600),
        "Seconds after which a job without return is lost.",
    ),
    Option(
        "policy.max_minions",
        10,
        _share,
        "Minions being healed at once: a number, or a share of those accepted.",
    ),
    Option(
        "policy.hold_in_maintenance",
        True,
        _flag,
        "Hold problems that Dynatrace says are under maintenance.",
    ),
)

_BY_NAME = {option.name: option for option in OPTIONS}
_SECTIONS = ("webhook", "policy")
#: Tokens, and in URLs the user, password and query.
_SECRETS = re.compile(r"dt0[a-z]\d{2}\.[^\s'\"]*|(?<=//)[^/@\s]*@|\?[^\s'\"]*")


@dataclass(frozen=True)
class Config:
    """
    A validated configuration; ``get`` takes dotted names and knows every option's default.
    """

    values: Mapping[str, Any]
    has_webhook: bool

    def get(self, name: str) -> Any:
        """
        Return the value of an option by its dotted name, e.g. ``policy.cooldown``.
        """
        return self.values[name]

    def secrets(self) -> tuple[str, ...]:
        """
        Return the values that must appear nowhere, for redaction.
        """
        found = (self.values[option.name] for option in OPTIONS if option.secret)
        return tuple(str(value) for value in found if value)


def load(given: Mapping[str, Any]) -> Config:
    """
    Return the configuration that ``given`` (the engine's keyword arguments) stands for.

    Raises ConfigError with every problem that ``validate`` finds.
    """
    problems = validate(given)
    if problems:
        raise ConfigError(problems)
    flat = dict(_flatten(given))
    values = {option.name: flat.get(option.name, option.default) for option in OPTIONS}
    return Config(values, has_webhook=given.get("webhook") is not None)


def validate(given: Mapping[str, Any]) -> list[str]:
    """
    Return one sentence for each thing that is wrong with ``given``; never raises.
    """
    problems = [
        f"`{name}` must be a mapping of options"
        for name in _SECTIONS
        if given.get(name) is not None and not isinstance(given[name], Mapping)
    ]
    values = dict(_flatten(given))
    for name, value in values.items():
        problems.extend(_one(name, value))
    if not problems:
        problems.extend(_together(given, values))
    return problems


def _flatten(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if name in _SECTIONS:
            if isinstance(value, Mapping):
                yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            # A dot stands for nesting from here on: `webhook.port` written as one key is no known one.
            yield str(name).replace(".", ":"), value


def _one(name: str, value: Any) -> Iterator[str]:
    option = _BY_NAME.get(name)
    shown = name.replace(".", ":")
    if option is None:
        yield f"`{shown}` is not a known key{_nearest(name)}"
        return
    allowed = option.check(value)
    if allowed is not None:
        got = "" if option.secret else f", not {_short(value)}"
        yield f"`{shown}` must be {allowed}{got}"


def _nearest(name: str) -> str:
    section, _, key = name.partition(":")
    if f"{section}.{key}" in _BY_NAME:
        return f"; write `{key}` below `{section}`"
    known = [option.name for option in OPTIONS]
    close = difflib.get_close_matches(name, known, 1, 0.6)
    if not close:  # A key at the wrong level: `cooldown` for `policy:cooldown`.
        last = name.rpartition(".")[2]
        close = [other for other in known if other.rpartition(".")[2] == last][:1]
    return (
        f"; did you mean `{close[0].replace('.', ':')}`?"
        if close
        else "; see docs/configuration.md"
    )


def _short(value: Any) -> str:
    """
    Return a value for a message: short, and without what may be a secret in the wrong place.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python prints no integer of thousands of digits.
        return "a value that cannot be shown"
    text = _SECRETS.sub("…", text)
    return text if len(text) <= 60 else text[:57] + "..."


def _together(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield what is wrong with options that are good one by one.
    """
    webhook = given.get("webhook") is not None
    if values.get("api_token") and not values.get("environment_url"):
        yield "`environment_url` is needed with `api_token`: the engine must know which environment to read"
    if not values.get("api_token") and not webhook:
        yield "`api_token` or `webhook` is needed: without both the engine cannot learn of any problem"
    if webhook:
        yield from _listener(values)


def _listener(values: Mapping[str, Any]) -> Iterator[str]:
    token, user, password = (
        values.get(f"webhook.{key}") for key in ("token", "username", "password")
    )
    if bool(user) != bool(password):
        yield "`webhook:username` and `webhook:password` go together: set both or neither"
    elif not token and not user:
        yield "`webhook` needs `token`, or `username` and `password`: anyone could send notifications otherwise"
    crt, key = values.get("webhook.ssl_crt"), values.get("webhook.ssl_key")
    if bool(crt) != bool(key):
        yield "`webhook:ssl_crt` and `webhook:ssl_key` go together: set both or neither"
    address = values.get("webhook.address", "127.0.0.1")
    if not crt and not values.get("webhook.insecure") and not is_loopback(address):
        yield (
            f"`webhook:address` {_short(address)} is not a loopback address: "
            "set `ssl_crt` and `ssl_key`, or say `insecure: true`"
        )
