"""
The endpoints that give out OneAgent installers, and the one that installed stubs report to.

Paths, parameters, codes, ETag and bodies of the former are Dynatrace documentation's; the texts of
the 404 and the latter are synthetic. There are installers for Linux (`unix/default`) only, one for
all architectures.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from tests.tenant.deployment import REPORTS
from tests.tenant.errors import ApiError, violated
from tests.tenant.faults import LOGIN
from tests.tenant.wire import Answer, Request, Route

if TYPE_CHECKING:
    from tests.tenant.tenant import Tenant

_SYSTEMS = ("windows", "unix", "aix", "solaris", "zos")
_TYPES = ("default", "default-unattended", "mainframe", "paas", "paas-sh")
_ARCHITECTURES = ("all", "x86", "ppc", "ppcle", "sparc", "arm", "s390")
_FLAVORS = ("default", "multidistro", "musl")
_BITNESS = ("32", "64", "all")
_VERSION = re.compile(r"\d+\.\d+\.\d+\.\d{8}-\d{6}")
_REPORT = (
    "hostId",
    "hostName",
    "hostGroup",
    "networkZone",
    "version",
    "tags",
    "properties",
    "gone",
)


def routes() -> list[Route]:
    """
    Give the endpoints of this module.
    """
    agent = r"/api/v1/deployment/installer/agent"
    kind = r"/(?P<osType>[^/]+)/(?P<installerType>[^/]+)"
    meta = frozenset({"arch", "flavor", "bitness"})
    file = meta | {"include", "skipMetadata", "networkZone"}
    scope = "InstallerDownload"
    return [
        Route("GET", f"{agent}/versions{kind}", scope, versions, meta),
        Route("GET", f"{agent}{kind}/latest/metainfo", scope, latest, meta),
        Route("GET", f"{agent}{kind}/latest", scope, download, file),
        Route("GET", f"{agent}{kind}/version/(?P<version>[^/]+)", scope, download, file),
        # Asked by an installed stub with a secret of its own, not with a token of the API.
        Route("POST", REPORTS, "", report),
    ]


def versions(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET …/versions/{osType}/{installerType}.
    """
    known = sorted(tenant.installers, key=_order) if _has_any(request) else []
    return Answer(200, {"availableVersions": known})


def latest(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET …/latest/metainfo.
    """
    if not _has_any(request) or not tenant.latest_version:
        raise ApiError(404, "There is no installer of this kind.")
    return Answer(200, {"latestAgentVersion": tenant.latest_version})


def download(tenant: Tenant, request: Request) -> Answer:
    """
    Answer GET …/latest and GET …/version/{version}: the file, or 304 for one that is had already.
    """
    version = request.parts.get("version", tenant.latest_version)
    if "version" in request.parts and not _VERSION.fullmatch(version):
        raise violated("version", "Invalid format.", "PATH")
    file = tenant.installers.get(version) if _has_any(request) else None
    if file is None:
        raise ApiError(404, f"There is no installer of version '{version}'.")
    if tenant.faults.take("installer_html", request.method, request.path):
        return Answer(200, LOGIN, content_type="text/html; charset=utf-8")
    file = _spoiled(tenant, request, file)
    etag = f'"{hashlib.sha256(file).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == etag:
        return Answer(304, None, {"ETag": etag})
    disposition = f"attachment; filename=Dynatrace-OneAgent-Linux-{version}.sh"
    headers = {"ETag": etag, "Content-Disposition": disposition}
    return Answer(200, file, headers, "application/octet-stream")


def report(tenant: Tenant, request: Request) -> Answer:
    """
    Take what an installed stub says.
    """
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Tenant-Token {tenant.agent_secret}".encode()):
        raise ApiError(401, "The tenant token is not known.")
    body = request.json()
    if any(name not in body for name in _REPORT):
        raise ApiError(400, "The report is not complete.", noted=True)
    return Answer(200, {"hostId": tenant.agent_reported(body)})


def _spoiled(tenant: Tenant, request: Request, file: bytes) -> bytes:
    asked = request.method, request.path
    if tenant.faults.take("installer_bad_signature", *asked):
        # What is run differs from what was signed.
        file = file.replace(b"\nexit 0\n", b"\nexit 1\n", 1)
    if tenant.faults.take("installer_truncated", *asked):
        file = file[: len(file) // 2]
    if fault := tenant.faults.take("installer_altered", *asked):
        file = fault.options["change"](file)
    return file


def _has_any(request: Request) -> bool:
    kind = request.parts["osType"], request.parts["installerType"]
    for name, value, allowed, where in (
        ("osType", kind[0], _SYSTEMS, "PATH"),
        ("installerType", kind[1], _TYPES, "PATH"),
        ("arch", request.query.get("arch", "x86"), _ARCHITECTURES, "QUERY"),
        ("flavor", request.query.get("flavor", "default"), _FLAVORS, "QUERY"),
        ("bitness", request.query.get("bitness", "all"), _BITNESS, "QUERY"),
    ):
        if value not in allowed:
            raise violated(name, f"must be one of {', '.join(allowed)}", where)
    return kind == ("unix", "default")


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
