"""
The table of the engine's options: the only place that knows names, defaults, ranges and meanings.

``docs/reference/configuration.md`` and ``master.d/dynatrace.conf`` are tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import validator as rules


@dataclass(frozen=True)
class Option:
    """
    One key of the configuration: dotted name, default, rule, and its meaning in one line.

    ``nullable`` matters only for an option whose default is null.
    """

    name: str
    default: Any
    rule: rules.Rule
    meaning: str
    secret: bool = False
    nullable: bool = True

    def check(self, value: Any) -> str | None:
        """
        Return what is allowed if the value is not, else None.
        """
        nullable = self.nullable and self.default is None
        if self.rule.accepts(value) or (nullable and value is None):
            return None
        return f"{self.rule.allowed}, or null" if nullable else self.rule.allowed


OPTIONS: tuple[Option, ...] = (
    Option("environment_url", None, rules.ENVIRONMENT_URL, "Needed with `api_token` and `oauth`."),
    # Null is what Salt makes of an sdb:// URL whose file is missing: it must not turn polling off.
    Option(
        "api_token",
        None,
        rules.SECRET,
        "Scopes problems.read, problems.write, entities.read; absent: notifications alone count.",
        secret=True,
        nullable=False,
    ),
    # An OAuth client in place of `api_token`.
    Option("oauth.client_id", None, rules.SECRET, "The client's id, dt0s02…."),
    Option("oauth.client_secret", None, rules.SECRET, "The client's secret.", secret=True),
    Option("oauth.token_url", None, rules.TOKEN_URL, "SSO; null: by `environment_url`."),
    Option("oauth.scope", None, rules.SCOPES, "Asked for; null: all that the client has."),
    Option("oauth.resource", None, rules.URN, "Account or environment; null: not sent."),
    Option("source", None, rules.SOURCE, "Of problems; null: by the URL and the credentials."),
    Option("ca_bundle", None, rules.FILE, "Certificates to verify the tenant with; null: certifi."),
    Option("proxy", None, rules.PROXY, "Proxy for requests to the tenant.", secret=True),
    Option("poll_interval", 30, rules.seconds(1, 3600, "never poll"), "Seconds between two polls."),
    Option("problem_selector", None, rules.TEXT, 'Added to `status("open")` when listing.'),
    Option("lookback", 86400, rules.seconds(0, 2592000), "First start: older ones are ignored."),
    Option(
        "calls_per_minute",
        None,
        rules.whole(10, 6000),
        "Most calls to the tenant in any minute; null: three quarters of the limit that it reports.",
    ),
    Option("ledger", None, rules.PATH, "Default <cachedir>/dynatrace/<instance>/ledger.db."),
    # Any accepted minion can fire it.
    Option("hook_tag", None, rules.TAG, "Event tag of salt-api's hook; null: not used."),
    Option("webhook.address", "127.0.0.1", rules.TEXT, "Address that the listener binds."),
    Option("webhook.port", 8765, rules.whole(1, 65535), "Port that the listener binds."),
    Option("webhook.path", "/dynatrace", rules.URL_PATH, "Path of the notifications."),
    Option("webhook.token", None, rules.SECRET, "Expected bearer token.", secret=True),
    Option("webhook.username", None, rules.TEXT, "Expected user of HTTP basic authentication."),
    Option("webhook.password", None, rules.SECRET, "Expected password of that user.", secret=True),
    Option("webhook.ssl_crt", None, rules.FILE, "Certificate (chain); both or neither."),
    Option("webhook.ssl_key", None, rules.FILE, "Key of the certificate."),
    Option("webhook.insecure", False, rules.FLAG, "Accept any address without TLS."),
    Option("webhook.max_body", 1048576, rules.whole(1024, 16777216), "Largest body, in bytes."),
    Option("webhook.page", False, rules.FLAG, "Serve the status page at /."),
    Option("webhook.keys", {}, rules.KEY_NAMES, "Key names of a custom payload."),
    # There is no secret in them.
    Option(
        "metrics.address", "127.0.0.1", rules.TEXT, "Address of GET /metrics without the webhook."
    ),
    Option(
        "metrics.port", 9765, rules.whole(1, 65535), "Port of GET /metrics without the webhook."
    ),
    Option("feedback.comment", True, rules.FLAG, "Comment on the problem what was done."),
    # Needs the scope events.ingest.
    Option("feedback.event", False, rules.FLAG, "Put a CUSTOM_INFO event on each healed process."),
    Option("feedback.close", False, rules.FLAG, "Close a healed problem that stays open."),
    Option("feedback.close_after", 900, rules.seconds(60, 86400), "Seconds until it is closed."),
    Option("policy.dry_run", False, rules.FLAG, "Decide and report, but act on nothing."),
    # `name` and `address` are no proof of identity.
    Option(
        "policy.act_on", ["host_id", "property"], rules.MATCH_STEPS, "Matches that are acted on."
    ),
    Option("policy.allow", ["*"], rules.GLOBS, "Minions that may be acted on."),
    Option("policy.deny", [], rules.GLOBS, "Minions that never may; wins over `allow`."),
    Option("policy.cooldown", 300, rules.seconds(0, 86400), "Seconds between two attempts."),
    Option("policy.max_attempts", 3, rules.whole(1, 100), "Attempts in `attempt_window`."),
    Option("policy.attempt_window", 3600, rules.seconds(1, 604800), "Seconds that are counted."),
    Option("policy.outcome_timeout", 120, rules.seconds(1, 3600), "Seconds until a job is lost."),
    Option("policy.max_minions", 10, rules.SHARE, "Minions being healed at once, or their share."),
    Option("policy.hold_in_maintenance", True, rules.FLAG, "Hold problems under maintenance."),
    Option(
        "policy.escalate_without_remedy", False, rules.FLAG, "Call a person to what none takes."
    ),
)
