"""
Tells of which generation an engine's environment is, as far as its URL shows, and what of its use the next phase ends.

Dynatrace moves each environment through three phases. What phases 2 and 3 take away follows its upgrade guide, which
does not name every endpoint; nothing of it was tried with a real environment.
"""

from urllib.parse import urlsplit

MOVE = "see docs/how-to/move-to-the-platform.md"


def check(found, configs, engine):
    """
    Add what can be told of each engine's environment; ``configs`` are their configurations by name.
    """
    for name, config in configs.items():
        url = config.get("environment_url")
        if url and config.has_login:
            _check(found, name, config, engine["environment"])


def _check(found, name, config, environment):
    url = config.get("environment_url")
    host, platform = urlsplit(url).hostname or "", environment.is_platform(url)
    if not platform and not environment.is_hosted(url):
        what = f"{host} is a Managed cluster or an ActiveGate: the phases of the platform concern SaaS alone"
        found.add("ok", "tenant generation", what, instance=name)
        return
    kind = (
        "the platform's URL, which works in every phase"
        if platform
        else "a classic URL, of an environment in phase 1 or 2"
    )
    found.add("ok", "tenant generation", f"{host} is {kind}", instance=name)
    for wanted, what, fix in _ENDS:
        if wanted(config, platform):
            found.add("warn", "tenant generation", what, fix, name)


def _classic(config, platform):
    return not platform


def _token(config, platform):
    return str(config.get("api_token") or "").startswith("dt0c01.")


def _zones(config, platform):
    return "managementZone" in (config.get("problem_selector") or "")


def _event(config, platform):
    return bool(config.get("feedback.event"))


def _notified(config, platform):
    return config.has_webhook and not platform


#: Who uses it, what ends, and what to do.
_ENDS = (
    (
        _classic,
        "phase 3 closes classic URLs to much of the API",
        f"set `environment_url` to https://<id>.apps.dynatrace.com; {MOVE}",
    ),
    (
        _token,
        "phase 3 makes no new API tokens, and new integrations must use another login",
        "set `oauth` in place of `api_token`; see docs/how-to/log-in-to-dynatrace.md",
    ),
    (
        _zones,
        "phase 2 ends management zones, and `problem_selector` names one",
        "write it without: `policy:allow` and `deny` choose minions, `on` in the catalogue chooses services",
    ),
    (
        _event,
        "phase 3 ends the selector by which `feedback:event` finds its process",
        "set `feedback: true`: comments, or business events where comments are refused, say the same",
    ),
    (
        _notified,
        "new environments, and phase 3, have no problem notifications, by which the webhook may be called",
        "let a workflow call it; see docs/how-to/receive-notifications.md",
    ),
)
