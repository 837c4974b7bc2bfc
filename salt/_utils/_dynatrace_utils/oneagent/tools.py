"""
Runs the programs that a OneAgent brings: ``oneagentctl``, and its uninstaller.

``want`` is what is wanted of the OneAgent; of it only ``install_path`` counts here. Windows follows the
documentation and is untested.
"""

import os
import re

import salt.utils.platform
from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __salt__

TIMEOUT_S = 30
UNINSTALL_TIMEOUT_S = 600
# No comment holds more of an output.
LAST_LINES = 10


def default_home():
    """
    Return where a OneAgent is installed that has no place of its own.
    """
    if salt.utils.platform.is_windows():
        programs = os.environ.get("PROGRAMFILES", r"C:\Program Files")
        return os.path.join(programs, "dynatrace", "oneagent")
    return "/opt/dynatrace/oneagent"


def path(want):
    """
    Return the path of ``oneagentctl``, whether it is there or not.
    """
    name = "oneagentctl.exe" if salt.utils.platform.is_windows() else "oneagentctl"
    return os.path.join(want["install_path"] or default_home(), "agent", "tools", name)


def ask(want, getter):
    """
    Return what ``oneagentctl`` answers; raises when it fails.
    """
    ran = run(want, [getter])
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"{path(want)} {getter} failed: {ran['said']}")
    return ran["stdout"]


def run(want, arguments, timeout_s=TIMEOUT_S):
    """
    Run ``oneagentctl`` and return ``{"retcode": 0, "stdout": …, "said": …}``; -1 is a timeout.

    ``said`` are code and last lines, for a message.
    """
    return _run([path(want), *arguments], timeout_s)


def run_uninstaller(want):
    """
    Run Dynatrace's uninstaller; raises when it fails.
    """
    command = _uninstaller(want)
    ran = _run(command, UNINSTALL_TIMEOUT_S)
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"{' '.join(command)} failed: {ran['said']}")


def _run(command, timeout_s):
    try:
        ran = bounded.call(
            timeout_s, __salt__["cmd.run_all"], command, python_shell=False, ignore_retcode=True
        )
    except TimeoutError as err:
        return {"retcode": -1, "stdout": "", "said": str(err)}
    code = -1 if ran.get("retcode") is None else ran["retcode"]
    stdout, stderr = ran.get("stdout") or "", ran.get("stderr") or ""
    last = " / ".join(f"{stdout}\n{stderr}".strip().splitlines()[-LAST_LINES:])
    return {"retcode": code, "stdout": stdout, "said": f"it ended with {code}: {last}"}


def _uninstaller(want):
    if not salt.utils.platform.is_windows():
        agent = os.path.dirname(os.path.dirname(path(want)))
        return ["/bin/sh", os.path.join(agent, "uninstall.sh")]
    # As Dynatrace documents it; untested.
    find = "(Get-WmiObject win32_product -filter \"Name like 'Dynatrace OneAgent'\")"
    ask_windows = ["powershell.exe", "-NoProfile", "-Command", f"{find}.IdentifyingNumber"]
    product = _run(ask_windows, TIMEOUT_S)["stdout"].strip()
    if not re.fullmatch(r"\{[0-9A-Fa-f-]{36}\}", product):
        raise CommandExecutionError("Windows knows no product named Dynatrace OneAgent")
    return ["msiexec.exe", "/x", product, "/quiet", "/norestart"]
