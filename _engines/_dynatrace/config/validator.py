"""
The rules for values of options: which values are allowed, and the words that a message has for them.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

#: What a custom payload may name otherwise, by ``webhook:keys``.
NOTIFICATION_FIELDS = ("pid", "problem_id", "state", "title", "details")
#: The steps by which a host's minion is found, in the order of trust; the first two prove that it is the host.
SOURCES = ("problems", "grail")
STEPS = ("host_id", "property", "name", "address")
LOOPBACK_NAMES = ("localhost", "localhost.localdomain")
#: Tokens, and in URLs the user, password and query.
_SECRETS = re.compile(r"dt0[a-z]\d{2}\.[^\s'\"]*|(?<=//)[^/@\s]*@|\?[^\s'\"]*")


@dataclass(frozen=True)
class Rule:
    """
    What is allowed, in words that follow "must be", and whether a value is allowed; ``accepts`` never raises.
    """

    allowed: str
    accepts: Callable[[Any], bool]


def short(value: Any, most: int = 60) -> str:
    """
    Return a value as a message shows it: without secrets, in so many characters at most.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python prints no integer of thousands of digits.
        return "a value that cannot be shown"
    text = _SECRETS.sub("…", text)
    return text if len(text) <= most else text[: most - 3] + "..."


def seconds(low: float, high: float, zero: str | None = None) -> Rule:
    """
    Return the rule for seconds in a range, and for 0 where that has a meaning.
    """
    # Not a number lies in no range.
    return Rule(
        f"a number of seconds from {low} to {high}" + (f", or 0 ({zero})" if zero else ""),
        lambda value: (
            _is_number(value, (int, float))
            and (low <= value <= high or (zero is not None and value == 0))
        ),
    )


def whole(low: int, high: int) -> Rule:
    """
    Return the rule for a whole number in a range.
    """
    return Rule(
        f"a whole number from {low} to {high}",
        lambda value: _is_number(value, int) and low <= value <= high,
    )


def _is_number(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _list_of(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(accepts(item) for item in value)


def is_loopback(host: str | None) -> bool:
    """
    Return whether a host name or address can only be this machine.
    """
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _url_parts(value: Any) -> SplitResult:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _is_environment(value: Any) -> bool:
    parts = _url_parts(value)
    if not parts.hostname or parts.query or parts.fragment or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def _is_proxy(value: Any) -> bool:
    parts = _url_parts(value)
    return parts.scheme in ("http", "https", "socks5", "socks5h") and bool(parts.hostname)


def _is_path(value: Any) -> bool:
    if not isinstance(value, str) or not os.path.isabs(value):
        return False
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def closed_to(value: Any) -> str | None:
    """
    Return the user that this process runs as, if the path is that of a file which this user may not read.
    """
    if not _is_path(value) or os.access(value, os.R_OK):
        return None
    try:
        os.stat(value)
    except PermissionError:
        return user()
    except OSError:
        return None
    return user()


def user() -> str:
    """
    Return the name of the user that this process runs as.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def _is_share(value: Any) -> bool:
    return _matches("[1-9][0-9]?%|100%")(value) or whole(1, 100_000).accepts(value)


def _are_key_names(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key in NOTIFICATION_FIELDS and isinstance(name, str) and name for key, name in value.items()
    )


FLAG = Rule("true or false", lambda value: isinstance(value, bool))
TEXT = Rule("a text that is not empty", _matches(r"(?s).*\S.*"))
# Salt hands an sdb:// URL on as it is when its profile gives nothing.
SECRET = Rule(
    "printable ASCII without spaces (an sdb:// URL must give a value)", _matches("(?!sdb://)[!-~]+")
)
ENVIRONMENT_URL = Rule(
    "an https:// URL of the environment without query or user name, such as "
    "https://abc12345.live.dynatrace.com (http:// only to a loopback address)",
    _is_environment,
)
TOKEN_URL = Rule(
    "an https:// URL of the SSO without query or user name, such as https://sso.dynatrace.com/sso/oauth2/token "
    "(http:// only to a loopback address)",
    lambda value: _is_environment(value) and len(_url_parts(value).path) > 1,
)
SCOPES = Rule(
    "scopes with a space between two, such as storage:events:read storage:buckets:read",
    _matches(r"[a-z0-9:._-]+( [a-z0-9:._-]+)*"),
)
URN = Rule("a name such as urn:dtaccount:<uuid>", _matches(r"urn:[A-Za-z0-9:._-]+"))
SOURCE = Rule("problems or grail", lambda value: value in SOURCES)
PROXY = Rule("a proxy URL such as http://proxy.example.com:3128", _is_proxy)
PATH = Rule("an absolute path", _is_path)
FILE = Rule(
    "the absolute path of a file that the master's user can read",
    lambda value: _is_path(value) and os.access(value, os.R_OK),
)
URL_PATH = Rule(
    "a path such as /dynatrace (not /healthz, not /metrics)",
    _matches("(?!/healthz$|/metrics$)(/[A-Za-z0-9._~-]+)+"),
)
TAG = Rule("an event tag such as salt/netapi/hook/dynatrace", _matches("[A-Za-z0-9/_.-]{1,200}"))
GLOBS = Rule("a list of globs of minion ids", _list_of(_matches("(?s).+")))
MATCH_STEPS = Rule(
    "a list of one or more of " + ", ".join(STEPS),
    lambda value: value != [] and _list_of(lambda item: item in STEPS)(value),
)
SHARE = Rule('a whole number from 1 to 100000, or a share from "1%" to "100%"', _is_share)
KEY_NAMES = Rule(
    f"a mapping from {', '.join(NOTIFICATION_FIELDS)} to key names of your payload", _are_key_names
)
