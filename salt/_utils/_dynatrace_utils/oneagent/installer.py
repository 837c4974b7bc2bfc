"""
Gets the OneAgent installer from the tenant, and runs it only when Dynatrace has signed it.

``_dynatrace_tenant_http`` asks the tenant, with ``dynatrace:installer_token``, which comes by no other
way. What is downloaded lies in a directory that only the minion's user can enter, and the file that
was verified is the file that is run.

Windows follows the documentation and is untested.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time

import salt.utils.platform
from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __grains__, __opts__, __salt__
from ..tenant import answer as tenant_answer
from ..tenant import http as tenant_http
from . import signature

MAX_INSTALLER_BYTES = 1024 * 1024 * 1024
# What a killed run left behind is removed when it is older than any run.
STALE_S = 6 * 3600
# No comment holds more of an output.
LAST_LINES = 10

VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){2}\.\d{8}-\d{6}")
ARCHITECTURES = {
    "x86_64": "x86",
    "amd64": "x86",
    "aarch64": "arm",
    "arm64": "arm",
    "ppc64le": "ppcle",
    "s390x": "s390",
}
SCOPE = "InstallerDownload"
ASK = "check dynatrace:environment_url and what lies between this minion and the tenant"


def lacking():
    """
    Return why no installer can be downloaded, or None when URL and token are there.
    """
    keys = ("dynatrace:environment_url", "dynatrace:installer_token")
    missing = [key for key in keys if not __salt__["config.get"](key, None)]
    return f"{' and '.join(missing)} not set" if missing else None


def latest():
    """
    Return the version that the tenant calls the latest for this minion.
    """
    path = _path("latest/metainfo")
    answer = tenant_http.call("GET", path, SCOPE, patient=True, **_how())
    version = answer.get("latestAgentVersion") if isinstance(answer, dict) else None
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise CommandExecutionError(f"GET {path}: the answer names no OneAgent version; {ASK}")
    return version


def run(version, arguments):
    """
    Download the installer of a version (or ``latest``), verify it, run it, and remove it.
    """
    if version != "latest" and not VERSION.fullmatch(str(version)):
        raise CommandExecutionError(f"{version} is no version such as 1.155.275.20181112-084458")
    # Before anything is downloaded: without it nothing may be run.
    authority = signature.authority()
    path = _path("latest" if version == "latest" else f"version/{version}")
    with _private_directory() as directory:
        file = os.path.join(directory, "installer.exe" if _windows() else "installer.sh")
        if not tenant_http.download(path, SCOPE, file, MAX_INSTALLER_BYTES, **_how()):
            raise CommandExecutionError(f"GET {path} answered 404; is there such a version?")
        signature.verify(file, authority)
        _run(file, arguments)


def _windows():
    return salt.utils.platform.is_windows()


def _option(name, default):
    value = __salt__["config.get"](f"dynatrace:oneagent:{name}", None)
    return default if value is None else value


# -- the deployment API


def _path(what):
    system = "windows" if _windows() else "unix"
    return f"/api/v1/deployment/installer/agent/{system}/default/{what}"


def _how():
    """
    Return which token, for which processor, and how patiently.
    """
    return {
        "token": "installer_token",
        "query": {"arch": _option("arch", None) or _architecture()},
        "attempts": int(_option("download_attempts", 5)),
        "pause_s": float(_option("download_pause", 10)),
    }


def _architecture():
    machine = str(__grains__.get("cpuarch", "")).lower()
    if machine not in ARCHITECTURES:
        raise CommandExecutionError(
            f"for a {machine or 'unknown'} processor no OneAgent is known; "
            "set dynatrace:oneagent:arch"
        )
    return ARCHITECTURES[machine]


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


# -- running


def _run(path, arguments):
    command = [path, "--quiet", *arguments] if _windows() else ["/bin/sh", path, *arguments]
    timeout_s = float(_option("install_timeout", 900))
    try:
        ran = bounded.call(
            timeout_s,
            __salt__["cmd.run_all"],
            command,
            python_shell=False,
            ignore_retcode=True,
            # An installer carries secrets of the tenant; nobody promises that it prints none.
            output_loglevel="quiet",
        )
    except TimeoutError as err:
        raise CommandExecutionError(f"The installer: {err}") from None
    if ran.get("retcode") != 0:
        lines = f"{ran.get('stdout', '')}\n{ran.get('stderr', '')}".strip().splitlines()
        said = "\n".join(map(tenant_answer.clean, lines[-LAST_LINES:]))
        raise CommandExecutionError(
            f"The installer ended with {ran.get('retcode')}; its last lines:\n{said}"
        )
