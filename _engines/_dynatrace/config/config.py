"""
The engine's configuration: validation by the table of options, and the values that passed it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..core.errors import ConfigError
from ..core.policy import Policy
from .options import OPTIONS
from .validator import FILE, closed_to, is_loopback, short

_BY_NAME = {option.name: option for option in OPTIONS}
_SECTIONS = ("oauth", "webhook", "metrics", "feedback", "policy")
_SHORT_FORMS = {"feedback": "true, false or "}


@dataclass(frozen=True)
class Config:
    """
    A validated configuration.
    """

    values: Mapping[str, Any]
    has_webhook: bool
    has_metrics: bool = False

    def get(self, name: str) -> Any:
        """
        Return an option by its dotted name, e.g. ``policy.cooldown``; ``feedback`` is whether any is wanted.
        """
        return self.values[name]

    @property
    def has_login(self) -> bool:
        """
        Whether there are credentials for the tenant; without them notifications alone count.
        """
        return bool(self.get("api_token") or self.get("oauth.client_id"))

    @property
    def policy(self) -> Policy:
        names = [field.name for field in fields(Policy) if f"policy.{field.name}" in self.values]
        values = {name: self.get(f"policy.{name}") for name in names}
        lists = {name: tuple(values[name]) for name in ("act_on", "allow", "deny")}
        return Policy(**{**values, **lists})


def load(given: Mapping[str, Any]) -> Config:
    """
    Return the configuration of the engine's keyword arguments; raises ConfigError with all that ``validate`` finds.
    """
    problems = validate(given)
    if problems:
        raise ConfigError(problems)
    flat = dict(_flatten(given))
    values = {option.name: flat.get(option.name, option.default) for option in OPTIONS}
    values["feedback"] = any(values[f"feedback.{what}"] for what in ("comment", "event", "close"))
    has_webhook, has_metrics = (given.get(name) is not None for name in ("webhook", "metrics"))
    return Config(values, has_webhook, has_metrics)


def validate(given: Mapping[str, Any]) -> list[str]:
    """
    Return one sentence for each thing that is wrong with ``given``; never raises.
    """
    problems = [
        f"`{name}` must be {_SHORT_FORMS.get(name, '')}a mapping of options"
        for name in _SECTIONS
        if given.get(name) is not None and not isinstance(_section(name, given[name]), Mapping)
    ]
    values = dict(_flatten(given))
    for name, value in values.items():
        problems.extend(_check_one(name, value))
    if not problems:
        problems.extend(_check_together(given, values))
    return problems


def _section(name: str, value: Any) -> Any:
    # `feedback: true` or `false` stands for comments or nothing.
    return {"comment": value} if name == "feedback" and isinstance(value, bool) else value


def _flatten(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if name in _SECTIONS:
            section = _section(name, value)
            if isinstance(section, Mapping):
                yield from ((f"{name}.{key}", item) for key, item in section.items())
        else:
            # A dot stands for nesting from here on: `webhook.port` written as one key is no known one.
            yield str(name).replace(".", ":"), value


def _check_one(name: str, value: Any) -> Iterator[str]:
    option = _BY_NAME.get(name)
    shown = name.replace(".", ":")
    if option is None:
        yield f"`{shown}` is not a known key{_nearest(name)}"
        return
    allowed = option.check(value)
    if allowed is not None:
        got = "" if option.secret else f", not {short(value)}"
        if option.rule is FILE and (user := closed_to(value)):
            got += f", which {user} may not read"
        yield f"`{shown}` must be {allowed}{got}"


def _nearest(name: str) -> str:
    section, _, key = name.partition(":")
    if f"{section}.{key}" in _BY_NAME:
        return f"; write `{key}` below `{section}`"
    # Else a key at the wrong level: `cooldown` for `policy:cooldown`.
    close = difflib.get_close_matches(name, _BY_NAME, 1, 0.6) or [
        other for other in _BY_NAME if other.rpartition(".")[2] == name.rpartition(".")[2]
    ]
    if not close:
        return "; see docs/reference/configuration.md"
    return f"; did you mean `{close[0].replace('.', ':')}`?"


def _check_together(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    webhook = given.get("webhook") is not None
    yield from _check_login(given, values, webhook)
    calls, interval = values.get("calls_per_minute"), values.get("poll_interval", 30)
    if calls and interval and 60 / interval > calls / 2:
        yield (
            f"`poll_interval` {short(interval)} takes {60 / interval:.0f} calls a minute, and the poll has half of "
            f"`calls_per_minute`: set that to {math.ceil(120 / interval)} or more, or poll less often"
        )
    yield from _check_source(values)
    if webhook:
        yield from _check_webhook(values)
    if webhook and given.get("metrics") is not None:
        yield from _check_ports(values)


def _check_login(
    given: Mapping[str, Any], values: Mapping[str, Any], webhook: bool
) -> Iterator[str]:
    logins = [name for name in ("api_token", "oauth") if given.get(name) is not None]
    if len(logins) > 1:
        yield "`api_token` and `oauth` exclude each other: keep one of them"
    if "oauth" in logins and not all(
        values.get(f"oauth.{key}") for key in ("client_id", "client_secret")
    ):
        yield "`oauth` needs `client_id` and `client_secret` (an sdb:// URL must give a value)"
    if logins and not values.get("environment_url"):
        yield f"`environment_url` is needed with `{logins[0]}`: the engine must know which environment to read"
    if not logins and not webhook:
        yield "`api_token`, `oauth` or `webhook` is needed: without all the engine cannot learn of any problem"


def _check_source(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("source") == "grail" and values.get("problem_selector"):
        yield (
            "`problem_selector` is one of the Problems API, and Grail does not know it: remove it, or set "
            "`source` to problems"
        )


def _check_ports(values: Mapping[str, Any]) -> Iterator[str]:
    places = [
        [
            values.get(f"{name}.{key}", _BY_NAME[f"{name}.{key}"].default)
            for key in ("address", "port")
        ]
        for name in ("webhook", "metrics")
    ]
    if places[0] == places[1]:
        yield (
            "`metrics` has the address and port of `webhook`, which serves /metrics already: "
            "give it another port"
        )


def _check_webhook(values: Mapping[str, Any]) -> Iterator[str]:
    for one, other in (("username", "password"), ("ssl_crt", "ssl_key")):
        if bool(values.get(f"webhook.{one}")) != bool(values.get(f"webhook.{other}")):
            yield f"`webhook:{one}` and `webhook:{other}` go together: set both or neither"
    if not any(values.get(f"webhook.{key}") for key in ("token", "username", "password")):
        yield (
            "`webhook` needs `token`, or `username` and `password` (an sdb:// URL must give a value): "
            "anyone could send notifications otherwise"
        )
    if values.get("webhook.page") and values.get("webhook.path") == "/events":
        yield "`webhook:path` /events is a part of the status page: choose another, or set `page` to false"
    address = values.get("webhook.address", "127.0.0.1")
    if not (
        values.get("webhook.ssl_crt") or values.get("webhook.insecure") or is_loopback(address)
    ):
        yield (
            f"`webhook:address` {short(address)} is not a loopback address: "
            "set `ssl_crt` and `ssl_key`, or say `insecure: true`"
        )
