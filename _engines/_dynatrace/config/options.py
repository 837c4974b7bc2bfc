"""
The table of the engine's options: the only place that knows names, defaults, ranges and meanings.

The reference in ``docs/reference/configuration.md`` and ``master.d/dynatrace.conf`` are tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import validator as checks


@dataclass(frozen=True)
class Option:
    """
    One key of the configuration: dotted name, default, check, and its meaning in one line.
    """

    name: str
    default: Any
    check: checks.Check
    meaning: str
    secret: bool = False


OPTIONS: tuple[Option, ...] = (
    Option(
        "environment_url",
        None,
        checks.optional(checks.url),
        "The environment that is read; needed with `api_token`.",
    ),
    Option(
        "api_token",
        None,
        # Null is what Salt makes of an sdb:// URL whose file is missing: it must not turn polling off.
        checks.secret,
        "Scopes problems.read, problems.write, entities.read; without it the engine works from notifications alone.",
        secret=True,
    ),
    Option(
        "ca_bundle",
        None,
        checks.optional(checks.file),
        "Certificates to verify the tenant with, instead of those that certifi brings.",
    ),
    Option(
        "proxy",
        None,
        checks.optional(checks.proxy),
        "Proxy for requests to the tenant.",
        secret=True,
    ),
    Option(
        "poll_interval",
        30,
        checks.number(1, 3600, "never poll"),
        "Seconds between two looks at the open problems.",
    ),
    Option(
        "problem_selector",
        None,
        checks.optional(checks.text),
        'Added to `status("open")` when problems are listed.',
    ),
    Option(
        "lookback",
        86400,
        checks.number(0, 2592000),
        "On the first start, problems older than this are left alone.",
    ),
    Option(
        "calls_per_minute",
        None,
        checks.optional(checks.whole(10, 6000)),
        "Most calls to the tenant in any minute; null: three quarters of what the tenant tells.",
    ),
    Option(
        "ledger",
        None,
        checks.optional(checks.path),
        "The ledger's file; default <cachedir>/dynatrace/<instance>/ledger.db.",
    ),
    Option(
        "hook_tag",
        None,  # Any accepted minion can fire it.
        checks.optional(checks.tag),
        "Event tag under which salt-api's hook is heard; null: not heard.",
    ),
    Option("webhook.address", "127.0.0.1", checks.text, "Address that the listener binds."),
    Option("webhook.port", 8765, checks.whole(1, 65535), "Port that the listener binds."),
    Option("webhook.path", "/dynatrace", checks.url_path, "Path of the notifications."),
    Option(
        "webhook.token",
        None,
        checks.optional(checks.secret),
        "Expected as `Authorization: Bearer <token>`.",
        secret=True,
    ),
    Option(
        "webhook.username",
        None,
        checks.optional(checks.text),
        "Expected user name of HTTP basic authentication.",
    ),
    Option(
        "webhook.password",
        None,
        checks.optional(checks.secret),
        "Expected password of HTTP basic authentication.",
        secret=True,
    ),
    Option(
        "webhook.ssl_crt",
        None,
        checks.optional(checks.file),
        "Certificate (chain) of the listener; both or neither.",
    ),
    Option(
        "webhook.ssl_key", None, checks.optional(checks.file), "Key of the listener's certificate."
    ),
    Option(
        "webhook.insecure",
        False,
        checks.flag,
        "Accept a listener without TLS on an address that is not loopback.",
    ),
    Option(
        "webhook.max_body", 1048576, checks.whole(1024, 16777216), "Largest notification, in bytes."
    ),
    Option("webhook.keys", {}, checks.names, "Key names of a custom payload, by what they hold."),
    Option(
        "feedback.comment",
        True,
        checks.flag,
        "Comment on the problem what was done and what came of it.",
    ),
    Option(
        "feedback.event",
        False,
        checks.flag,
        "Put a CUSTOM_INFO event on each process that was acted on; needs the scope events.ingest.",
    ),
    Option(
        "feedback.close",
        False,
        checks.flag,
        "Close a problem that is still open `close_after` it was healed.",
    ),
    Option(
        "feedback.close_after",
        900,
        checks.number(60, 86400),
        "Seconds that Dynatrace has to close a healed problem by itself.",
    ),
    Option("policy.dry_run", False, checks.flag, "Decide and report, but let nothing be acted on."),
    Option(
        "policy.act_on",
        ["host_id", "property"],
        checks.steps,
        "How a minion must have been found to be acted on; `name` and `address` are hearsay.",
    ),
    Option("policy.allow", ["*"], checks.globs, "Minions that may be acted on."),
    Option("policy.deny", [], checks.globs, "Minions that never may; wins over `allow`."),
    Option(
        "policy.cooldown",
        300,
        checks.number(0, 86400),
        "Seconds between two attempts on one minion and process.",
    ),
    Option(
        "policy.max_attempts",
        3,
        checks.whole(1, 100),
        "Attempts on one minion and process in `attempt_window`.",
    ),
    Option(
        "policy.attempt_window",
        3600,
        checks.number(1, 604800),
        "Seconds over which attempts are counted.",
    ),
    Option(
        "policy.outcome_timeout",
        120,
        checks.number(1, 3600),
        "Seconds after which a job without return is lost.",
    ),
    Option(
        "policy.max_minions",
        10,
        checks.share,
        "Minions being healed at once: a number, or a share of those accepted.",
    ),
    Option(
        "policy.hold_in_maintenance",
        True,
        checks.flag,
        "Hold problems that Dynatrace says are under maintenance.",
    ),
)
