"""
Where the tenant is, and by what credentials it is asked: its URL, addresses, and the header of a call.

Tokens are read here and go into one HTTP header: they are no argument, and no text holds one.
"""

import re
from urllib.parse import urlsplit

from salt.exceptions import CommandExecutionError

from ..dunders import __salt__
from . import oauth

TOKEN = re.compile(r"[!-~]{1,512}")
# The tokens that may go to the tenant, and what to do without one.
TOKENS = {
    "settings_token": "give this minion (and no other that does not need it) a token with the "
    "scopes settings.read, settings.write and entities.read, or dynatrace:oauth",
    "installer_token": "give this minion a token with the scope InstallerDownload and no other",
}
# What a call needs is called otherwise on the platform.
SCOPES = {
    "settings.read": "settings:objects:read",
    "settings.write": "settings:objects:write",
    "entities.read": "environment-api:entities:read",
    "credentialVault.read": "environment-api:credentials:read",
    "credentialVault.write": "environment-api:credentials:write",
}
CLASSIC = "/platform/classic/environment-api/"
# Of the environments that Dynatrace hosts: a Managed cluster may have a host such as dynatrace.apps.example.com.
HOSTED = (".dynatrace.com", ".dynatracelabs.com", ".localhost")


def environment():
    """
    Return the tenant's URL, as configured and checked.
    """
    url = __salt__["config.get"]("dynatrace:environment_url", "")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    good = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    if not (plain and good and parts.hostname):
        raise CommandExecutionError(
            "dynatrace:environment_url is no https:// URL such as "
            "https://abc12345.live.dynatrace.com (http:// only to a loopback address)"
        )
    return url.rstrip("/")


def is_platform():
    """
    Tell whether the tenant's URL is that of the platform: ``https://abc12345.apps.dynatrace.com``.
    """
    parts = urlsplit(environment())
    host = parts.hostname or ""
    hosted = ".apps." in host and host.endswith(HOSTED)
    return hosted or (_is_loopback(host) and parts.path.startswith("/apps/"))


def tenant():
    """
    Return what the tenant is called in records: the same by its classic URL and by the platform's.
    """
    base = environment()
    if not is_platform():
        return base
    classic = base.replace(".apps.dynatrace.com", ".live.dynatrace.com").replace(".apps.", ".")
    return re.sub(r"/apps/[^/]+$", "", classic)


def address(path):
    """
    Return the URL of a path as classic environments have it, or of one that only the platform has.
    """
    base = environment()
    if is_platform():
        return base + path.replace("/api/", CLASSIC, 1)
    if path.startswith("/platform/"):
        raise CommandExecutionError(
            f"{path} is of the platform: give dynatrace:environment_url the form "
            "https://abc12345.apps.dynatrace.com, with a platform token or dynatrace:oauth"
        )
    return base + path


def scope(name):
    """
    Return what a permission is called where the tenant is.
    """
    return SCOPES.get(name, name) if is_platform() else name


def used(key):
    """
    Return the key below ``dynatrace`` whose credentials go along for a token: itself, or ``oauth``.
    """
    return "oauth" if key == "settings_token" and oauth.is_given() else key


def headers(key):
    """
    Return the header Authorization with a token, or with one for the OAuth client in its place.
    """
    if key not in TOKENS:
        raise CommandExecutionError(f"{key} is no token for the tenant")
    token = __salt__["config.get"](f"dynatrace:{key}", None)
    if used(key) == "oauth":
        if token:
            raise CommandExecutionError(f"give dynatrace:oauth or dynatrace:{key}, and not both")
        return {"Authorization": f"Bearer {oauth.token(urlsplit(environment()).hostname)}"}
    if not token:
        raise CommandExecutionError(f"dynatrace:{key} is not set: {TOKENS[key]}")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise CommandExecutionError(f"dynatrace:{key} is no token")
    if token.startswith("sdb://"):
        raise CommandExecutionError(f"dynatrace:{key}: its sdb profile is not known here")
    scheme = "Bearer" if token.startswith("dt0s") else "Api-Token"
    return {"Authorization": f"{scheme} {token}"}


def listener_token():
    """
    Return the secret that the tenant sends with each notification.
    """
    secret = __salt__["config.get"]("dynatrace:webhook_token", None)
    good = isinstance(secret, str) and secret and secret.isprintable() and secret.isascii()
    if not good or " " in secret or len(secret) > 4096:
        raise CommandExecutionError(
            "dynatrace:webhook_token is not set, or is no token: it is the `token` of the engine's "
            "`webhook`, which the tenant sends with each notification"
        )
    if secret.startswith("sdb://"):
        raise CommandExecutionError("dynatrace:webhook_token: its sdb profile is not known here")
    return secret


def _is_loopback(host):
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host or ""))
