"""
Runs the programs that a OneAgent brings: ``oneagentctl``, and its uninstaller.

Windows follows the documentation and is untested.
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
    Return where a OneAgent is installed unless ``dynatrace:oneagent:install_path`` says otherwise.
    """
    if salt.utils.platform.is_windows():
        programs = os.environ.get("PROGRAMFILES", r"C:\Program Files")
        return os.path.join(programs, "dynatrace", "oneagent")
    return "/opt/dynatrace/oneagent"


def path():
    """
    Return the path of ``oneagentctl``, whether it is there or not.
    """
    home = __salt__["config.get"]("dynatrace:oneagent:install_path", None) or default_home()
    name = "oneagentctl.exe" if salt.utils.platform.is_windows() else "oneagentctl"
    return os.path.join(home, "agent", "tools", name)


def ask(getter):
    """
    Return what ``oneagentctl`` answers; raises when it fails.
    """
    ran = run([getter])
    if ran["retcode"] != 0:
        raise CommandExecutionError(f"{path()} {getter} failed: {ran['said']}")
    return ran["stdout"]


def run(arguments, timeout_s=TIMEOUT_S):
    """
    Run ``oneagentctl`` and return ``{"retcode": 0, "stdout": …, "said": …}``; -1 is a timeout.

    ``said`` are code and last lines, for a message.
    """
    return _run([path(), *arguments], timeout_s)


def run_uninstaller():
    """
    Run Dynatrace's uninstaller; raises when it fails.
    """
    command = _uninstaller()
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


def _uninstaller():
    if not salt.utils.platform.is_windows():
        agent = os.path.dirname(os.path.dirname(path()))
        return ["/bin/sh", os.path.join(agent, "uninstall.sh")]
    # As Dynatrace documents it; untested.
    find = "(Get-WmiObject win32_product -filter \"Name like 'Dynatrace OneAgent'\")"
    ask_windows = ["powershell.exe", "-NoProfile", "-Command", f"{find}.IdentifyingNumber"]
    product = _run(ask_windows, TIMEOUT_S)["stdout"].strip()
    if not re.fullmatch(r"\{[0-9A-Fa-f-]{36}\}", product):
        raise CommandExecutionError("Windows knows no product named Dynatrace OneAgent")
    return ["msiexec.exe", "/x", product, "/quiet", "/norestart"]
