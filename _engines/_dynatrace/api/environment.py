"""
The URLs of an environment: where each of its APIs is, and where a person sees a problem.
"""

from __future__ import annotations

from urllib.parse import urlsplit

CLASSIC = "/api/v2"
GATEWAY = "/platform/classic/environment-api/v2"
QUERIES = "/platform/storage/query/v1"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_HOSTED = (".dynatrace.com", ".dynatracelabs.com")


def is_platform(environment_url: str) -> bool:
    """
    Tell whether a URL is that of a platform environment: ``abc12345.apps.dynatrace.com`` and alike.

    A test's tenant on a loopback address has no name of its own: there the path begins with ``/apps/``.
    """
    parts = urlsplit(environment_url)
    host = parts.hostname or ""
    if host in _LOOPBACK:
        return parts.path.startswith("/apps/")
    # A test may give the loopback address such a name.
    return ".apps." in host and host.endswith((*_HOSTED, ".localhost"))


def is_hosted(environment_url: str) -> bool:
    """
    Tell whether Dynatrace hosts an environment, by its URL; one behind an ActiveGate cannot be told from a Managed one.
    """
    return (urlsplit(environment_url).hostname or "").endswith(_HOSTED)


def classic_base(environment_url: str) -> str:
    """
    Return the base of the classic API v2 for SaaS, Managed, ActiveGate or the platform's gateway, without a last slash.
    """
    url = environment_url.rstrip("/")
    return url + (GATEWAY if is_platform(url) else CLASSIC)


def ingest_base(environment_url: str) -> str | None:
    """
    Return the base of the API v2 on the classic host of a platform environment, without a last slash; else None.

    Documentation names it for business events of platform tokens, which the gateway takes of access tokens alone.
    """
    parts = urlsplit(environment_url.rstrip("/"))
    if not is_platform(environment_url):
        return None
    if parts.hostname in _LOOPBACK:
        return f"{parts.scheme}://{parts.netloc}{CLASSIC}"
    classic = ".live." if (parts.hostname or "").endswith(".apps.dynatrace.com") else "."
    return f"{parts.scheme}://{parts.netloc.replace('.apps.', classic)}{CLASSIC}"


def query_base(environment_url: str) -> str:
    """
    Return the base of the API of Grail's queries, without a last slash; only platform environments have it.
    """
    return environment_url.rstrip("/") + QUERIES


def problem_url(environment_url: str, problem_id: str) -> str:
    """
    Return where a person sees a problem.
    """
    url = environment_url.rstrip("/")
    if is_platform(url):
        return f"{url}/ui/apps/dynatrace.davis.problems/problem/{problem_id}"
    return f"{url}/#problems/problemdetails;pid={problem_id}"
