"""
Gets the OneAgent installer from the tenant, and runs it only when Dynatrace has signed it.

The tenant is asked with ``dynatrace:installer_token``, which comes by no other way. What is downloaded
lies in a directory that only the minion's user can enter, and the file that was verified is the file
that is run. Windows follows the documentation and is untested.
"""

import contextlib
import os
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
from .options import VERSION

MAX_INSTALLER_BYTES = 1024 * 1024 * 1024
# What a killed run left behind is removed when it is older than any run.
STALE_S = 6 * 3600
# No comment holds more of an output.
LAST_LINES = 10
ARCHITECTURES = {
    "x86_64": "x86",
    "amd64": "x86",
    "aarch64": "arm",
    "arm64": "arm",
    "ppc64le": "ppcle",
    "s390x": "s390",
}
SCOPE = "InstallerDownload"


def lacking():
    """
    Return why no installer can be downloaded, or None when URL and token are there.
    """
    keys = ("dynatrace:environment_url", "dynatrace:installer_token")
    missing = [key for key in keys if not __salt__["config.get"](key, None)]
    return f"{' and '.join(missing)} not set" if missing else None


def latest(want):
    """
    Return the version that the tenant calls the latest for this minion.
    """
    path = _path("latest/metainfo")
    answer = tenant_http.call("GET", path, SCOPE, patient=True, **_how(want))
    version = answer.get("latestAgentVersion") if isinstance(answer, dict) else None
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise CommandExecutionError(
            f"GET {path}: the answer names no OneAgent version; {tenant_answer.ASK}"
        )
    return version


def run(want, arguments):
    """
    Download the installer of the wanted version, verify it, run it, and remove it.
    """
    # Before anything is downloaded: without it nothing may be run.
    authority = signature.authority(want)
    version = want["version"]
    path = _path("latest" if version == "latest" else f"version/{version}")
    with _private_directory() as directory:
        file = os.path.join(directory, "installer.exe" if _windows() else "installer.sh")
        if not tenant_http.download(path, SCOPE, file, MAX_INSTALLER_BYTES, **_how(want)):
            raise CommandExecutionError(f"GET {path} answered 404; is there such a version?")
        signature.verify(file, authority)
        _run(file, arguments, float(want["install_timeout"]))


def _windows():
    return salt.utils.platform.is_windows()


def _path(what):
    system = "windows" if _windows() else "unix"
    return f"/api/v1/deployment/installer/agent/{system}/default/{what}"


def _how(want):
    return {
        "token": "installer_token",
        "query": {"arch": want["arch"] or _architecture()},
        "attempts": int(want["download_attempts"]),
        "pause_s": float(want["download_pause"]),
    }


def _architecture():
    machine = str(__grains__.get("cpuarch", "")).lower()
    if machine not in ARCHITECTURES:
        raise CommandExecutionError(
            f"for a {machine or 'unknown'} processor no OneAgent is known; "
            "set dynatrace:oneagent:arch"
        )
    return ARCHITECTURES[machine]


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


def _run(path, arguments, timeout_s):
    command = [path, "--quiet", *arguments] if _windows() else ["/bin/sh", path, *arguments]
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
