"""
Gets the OneAgent installer from the tenant, and runs it only when Dynatrace has signed it.

The token is read here, from ``dynatrace:installer_token``, and goes into one HTTP header: it is no
argument, and no text of this module holds it. Redirects are refused, since they may lead to another
host. What is downloaded lies in a directory that only the minion's user can enter, and the file
that was verified is the file that is run.

Windows follows the documentation and is untested.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from urllib.parse import urlsplit

import salt.utils.platform
from salt.exceptions import CommandExecutionError

try:
    import requests
except ImportError:
    requests = None

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
DOWNLOAD_DEADLINE_S = 1800
RETRY_AFTER_CAP_S = 60
MAX_INSTALLER_BYTES = 1024 * 1024 * 1024
MAX_ANSWER_BYTES = 65536
CHUNK_BYTES = 1024 * 1024
# What a killed run left behind is removed when it is older than any run.
STALE_S = 6 * 3600
# No comment holds more of an output.
LAST_LINES = 10

VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){2}\.\d{8}-\d{6}")
TOKEN = re.compile(r"[!-~]{1,512}")
SECRETS = re.compile(r"dt0[a-z]\d{2}\.[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)?")
ARCHITECTURES = {
    "x86_64": "x86",
    "amd64": "x86",
    "aarch64": "arm",
    "arm64": "arm",
    "ppc64le": "ppcle",
    "s390x": "s390",
}
ASK = "check dynatrace:environment_url and what lies between this minion and the tenant"


class _Again(Exception):
    """
    It did not work this time, and waiting may help; ``wait_s`` is what the tenant asked for.
    """

    def __init__(self, message, wait_s=0):
        super().__init__(message)
        self.wait_s = wait_s


def __virtual__():
    if requests is None:
        return False, "dynatrace_installer needs requests"
    return "dynatrace_installer"


def lacking():
    """
    Return why no installer can be downloaded, or None when URL and token are there.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_installer.lacking
    """
    keys = ("dynatrace:environment_url", "dynatrace:installer_token")
    missing = [key for key in keys if not __salt__["config.get"](key, None)]
    return f"{' and '.join(missing)} not set" if missing else None


def latest():
    """
    Return the version that the tenant calls the latest for this minion.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_installer.latest
    """
    url, headers = _place("latest/metainfo")
    with tempfile.TemporaryFile() as stream:
        _download(url, headers, stream, MAX_ANSWER_BYTES)
        stream.seek(0)
        try:
            version = json.loads(stream.read())["latestAgentVersion"]
        except (ValueError, TypeError, KeyError, RecursionError):
            version = None
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise CommandExecutionError(
            f"GET {urlsplit(url).path}: the answer names no OneAgent version; {ASK}"
        )
    return version


def run(version, arguments):
    """
    Download the installer of a version (or ``latest``), verify it, run it, and remove it.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_installer.run latest '["--set-host-group=web"]'
    """
    if version != "latest" and not VERSION.fullmatch(str(version)):
        raise CommandExecutionError(f"{version} is no version such as 1.155.275.20181112-084458")
    # Before anything is downloaded: without it nothing may be run.
    authority = __salt__["dynatrace_signature.authority"]()
    url, headers = _place("latest" if version == "latest" else f"version/{version}")
    with _private_directory() as directory:
        path = os.path.join(directory, "installer.exe" if _windows() else "installer.sh")
        with _new_file(path) as stream:
            _download(url, headers, stream, MAX_INSTALLER_BYTES)
        __salt__["dynatrace_signature.verify"](path, authority)
        _run(path, arguments)


def _windows():
    return salt.utils.platform.is_windows()


def _option(name, default):
    value = __salt__["config.get"](f"dynatrace:oneagent:{name}", None)
    return default if value is None else value


# -- download


def _place(what):
    """
    Return URL and headers of a call of the deployment API.
    """
    token = __salt__["config.get"]("dynatrace:installer_token", "")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise CommandExecutionError("dynatrace:installer_token is no token")
    if token.startswith("sdb://"):
        raise CommandExecutionError("dynatrace:installer_token: its sdb profile is not known here")
    base = __salt__["dynatrace_tenant_http.environment"]()
    system = "windows" if _windows() else "unix"
    architecture = _option("arch", None) or _architecture()
    path = f"/api/v1/deployment/installer/agent/{system}/default/{what}?arch={architecture}"
    if (urlsplit(base).hostname or "").endswith(".apps.dynatrace.com"):
        path = path.replace("/api/", "/platform/classic/environment-api/", 1)
    scheme = "Bearer" if token.startswith("dt0s") else "Api-Token"
    return base + path, {"Authorization": f"{scheme} {token}"}


def _architecture():
    machine = str(__grains__.get("cpuarch", "")).lower()
    if machine not in ARCHITECTURES:
        raise CommandExecutionError(
            f"for a {machine or 'unknown'} processor no OneAgent is known; "
            "set dynatrace:oneagent:arch"
        )
    return ARCHITECTURES[machine]


def _download(url, headers, stream, limit):
    """
    Write the answer into the stream, trying again when that may help.
    """
    attempts = int(_option("download_attempts", 5))
    for attempt in range(1, attempts + 1):
        try:
            stream.seek(0)
            stream.truncate()
            _fetch(url, headers, stream, limit)
            stream.flush()
            return
        except _Again as err:
            if attempt >= attempts:
                raise CommandExecutionError(f"{err} ({attempts} times); {ASK}") from None
            wait_s = max(float(_option("download_pause", 10)), err.wait_s)
            log.info("dynatrace: %s; trying again in %g s", err, wait_s)
        time.sleep(wait_s)


def _fetch(url, headers, stream, limit):
    what = f"GET {urlsplit(url).path}"
    try:
        # The texts of these errors may hold the proxy's password, and nothing that helps more.
        with _session() as session, _open(session, url, headers) as answer:
            _check_answer(what, answer, headers)
            _copy(what, answer, stream, limit)
    except requests.exceptions.SSLError:
        raise CommandExecutionError(
            f"{what}: the certificate of {urlsplit(url).hostname} is not trusted; "
            "set dynatrace:ca_bundle to the file of its authority"
        ) from None
    except requests.exceptions.Timeout:
        raise _Again(f"{what} at {urlsplit(url).hostname} timed out") from None
    except requests.exceptions.ChunkedEncodingError:
        raise _Again(f"{what}: the answer is truncated") from None
    except requests.exceptions.RequestException as err:
        raise _Again(f"{what} at {urlsplit(url).hostname} failed: {type(err).__name__}") from None


def _session():
    session = requests.Session()
    # The environment's .netrc would replace the token, and its proxies are not this tenant's.
    session.trust_env = False
    proxy = __salt__["config.get"]("dynatrace:proxy", None)
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    bundle = __salt__["config.get"]("dynatrace:ca_bundle", None)
    if bundle and not os.path.isfile(bundle):
        raise CommandExecutionError(f"dynatrace:ca_bundle: there is no file {bundle}")
    session.verify = bundle or True
    return session


def _open(session, url, headers):
    return session.get(
        url,
        # The length that is announced shall be that of the file.
        headers={"Accept-Encoding": "identity", "User-Agent": "salt-dynatrace", **headers},
        timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        stream=True,
        allow_redirects=False,
    )


def _check_answer(what, answer, headers):
    status = answer.status_code
    if status == 200:
        return
    if 300 <= status < 400:
        raise CommandExecutionError(
            f"{what} was redirected ({status}), and no redirect is followed with a token; {ASK}"
        )
    if status in (401, 403) and headers:
        raise CommandExecutionError(
            f"Dynatrace rejected dynatrace:installer_token ({status}) on {what}: it needs the "
            "scope InstallerDownload"
        )
    if status == 429 or status >= 500:
        after = answer.headers.get("Retry-After", "")
        wait_s = int(after) if re.fullmatch(r"\d{1,9}", after) else 0
        raise _Again(f"{what} answered {status}", min(wait_s, RETRY_AFTER_CAP_S))
    hint = "; is there such a version?" if status == 404 else ""
    raise CommandExecutionError(f"{what} answered {status}{hint}")


def _copy(what, answer, stream, limit):
    announced = answer.headers.get("Content-Length", "")
    announced = int(announced) if re.fullmatch(r"\d{1,15}", announced) else None
    until = time.monotonic() + DOWNLOAD_DEADLINE_S
    received = 0
    for chunk in answer.iter_content(CHUNK_BYTES):
        received += len(chunk)
        if received > limit or (announced or 0) > limit:
            raise CommandExecutionError(f"{what}: the answer is larger than {limit} bytes; {ASK}")
        if time.monotonic() > until:
            raise CommandExecutionError(f"{what} took longer than {DOWNLOAD_DEADLINE_S} s")
        stream.write(chunk)
    if announced is not None and received != announced:
        raise _Again(f"{what}: the answer is truncated, {received} of {announced} bytes")


# -- the private directory


@contextlib.contextmanager
def _private_directory():
    home = os.path.join(__opts__["cachedir"], "dynatrace", "oneagent")
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    for entry in os.scandir(home):
        if entry.name.startswith("installer-") and time.time() - entry.stat().st_mtime > STALE_S:
            shutil.rmtree(entry.path, ignore_errors=True)
    # 0700 whatever the umask is.
    directory = tempfile.mkdtemp(prefix="installer-", dir=home)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _new_file(path):
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


# -- running


def _run(path, arguments):
    command = [path, "--quiet", *arguments] if _windows() else ["/bin/sh", path, *arguments]
    timeout_s = float(_option("install_timeout", 900))
    ran = __salt__["cmd.run_all"](
        command,
        python_shell=False,
        timeout=timeout_s,
        ignore_retcode=True,
        # An installer carries secrets of the tenant; nobody promises that it does not print them.
        output_loglevel="quiet",
    )
    if ran.get("retcode") != 0:
        lines = f"{ran.get('stdout', '')}\n{ran.get('stderr', '')}".strip().splitlines()
        said = SECRETS.sub("(a token)", "\n".join(lines[-LAST_LINES:]))
        raise CommandExecutionError(
            f"The installer ended with {ran.get('retcode')} (it may take {timeout_s:g} s); "
            f"its last lines:\n{said}"
        )
