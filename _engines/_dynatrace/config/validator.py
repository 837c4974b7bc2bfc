"""
What an option's value may be: each check returns what is allowed when a value is not, else None.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

#: A check takes the value and returns what is allowed when the value is not, else None.
Check = Callable[[Any], "str | None"]

#: What a custom payload may name otherwise, by ``webhook:keys``.
NOTIFICATION_FIELDS = ("pid", "problem_id", "state", "title", "details")

#: The steps by which a host's minion is found, in the order of trust; the first two prove that it is the host.
STEPS = ("host_id", "property", "name", "address")

#: What is allowed for a file.
FILE = "the absolute path of a file that the master's user can read"

LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


def text(value: Any) -> str | None:
    """
    Accept a text that says something.
    """
    return None if isinstance(value, str) and value.strip() else "a text that is not empty"


def optional(check: Check) -> Check:
    """
    Return the check that accepts null beside what another one accepts.
    """
    return lambda value: None if value is None else _or_null(check(value))


def _or_null(allowed: str | None) -> str | None:
    return None if allowed is None else f"{allowed}, or null"


def flag(value: Any) -> str | None:
    """
    Accept true and false, and no number in their place.
    """
    return None if isinstance(value, bool) else "true or false"


def number(low: float, high: float, zero: str | None = None) -> Check:
    """
    Return the check for seconds in a range, and for 0 where that has a meaning.
    """
    allowed = f"a number of seconds from {low} to {high}" + (f", or 0 ({zero})" if zero else "")

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return allowed
        # Not a number lies in no range.
        good = low <= value <= high or (zero is not None and value == 0)
        return None if good else allowed

    return check


def whole(low: int, high: int) -> Check:
    """
    Return the check for a whole number in a range.
    """

    def check(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if good else f"a whole number from {low} to {high}"

    return check


def globs(value: Any) -> str | None:
    """
    Accept a list of globs.
    """
    good = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return None if good else "a list of globs of minion ids"


def steps(value: Any) -> str | None:
    """
    Accept a list of the steps by which a minion is found.
    """
    good = isinstance(value, list) and value and all(item in STEPS for item in value)
    return None if good else "a list of one or more of " + ", ".join(STEPS)


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


def url(value: Any) -> str | None:
    """
    Accept the URL of an environment.
    """
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


def proxy(value: Any) -> str | None:
    """
    Accept the URL of a proxy.
    """
    allowed = "a proxy URL such as http://proxy.example.com:3128"
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        _ = parts.port
    except ValueError:
        return allowed
    good = parts.scheme in ("http", "https", "socks5", "socks5h") and parts.hostname
    return None if good else allowed


def secret(value: Any) -> str | None:
    """
    Accept what can stand in a header; no message shows it.
    """
    # Salt hands an sdb:// URL on as it is when its profile gives nothing.
    good = (
        isinstance(value, str) and re.fullmatch(r"[!-~]+", value) and not value.startswith("sdb://")
    )
    return None if good else "printable ASCII without spaces (an sdb:// URL must give a value)"


def file(value: Any) -> str | None:
    """
    Accept the path of a file that is there.
    """
    good = path(value) is None and os.access(value, os.R_OK)
    return None if good else FILE


def closed_to(value: Any) -> str | None:
    """
    Return the user that this process runs as, if the path is that of a file which this user may not read.
    """
    if path(value) is not None or os.access(value, os.R_OK):
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


def path(value: Any) -> str | None:
    """
    Accept an absolute path.
    """
    good = isinstance(value, str) and os.path.isabs(value) and _is_file_name(value)
    return None if good else "an absolute path"


def _is_file_name(value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def url_path(value: Any) -> str | None:
    """
    Accept a path of the listener that is not taken.
    """
    taken = value in ("/healthz", "/metrics")
    good = isinstance(value, str) and not taken and re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value)
    return None if good else "a path such as /dynatrace (not /healthz, not /metrics)"


def tag(value: Any) -> str | None:
    """
    Accept an event tag.
    """
    good = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9/_.-]{1,200}", value)
    return None if good else "an event tag such as salt/netapi/hook/dynatrace"


def share(value: Any) -> str | None:
    """
    Accept a number, or a share of all.
    """
    if isinstance(value, str):
        good = re.fullmatch(r"[1-9][0-9]?%|100%", value) is not None
    else:
        good = whole(1, 100_000)(value) is None
    return None if good else 'a whole number from 1 to 100000, or a share from "1%" to "100%"'


def names(value: Any) -> str | None:
    """
    Accept a mapping of key names.
    """
    good = isinstance(value, dict) and all(
        key in NOTIFICATION_FIELDS and isinstance(name, str) and name for key, name in value.items()
    )
    return (
        None
        if good
        else "a mapping from " + ", ".join(NOTIFICATION_FIELDS) + " to key names of your payload"
    )
