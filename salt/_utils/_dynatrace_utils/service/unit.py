"""
A unit as systemd knows it, read by one ``systemctl show``.

Nothing here changes anything. Each question is bounded: a PID 1 that hangs must not hang the job.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import subprocess

from salt.exceptions import CommandExecutionError

BOOTED = "/run/systemd/system"
ASK_S = 5
# Where its tools are, for a minion that was started with another PATH.
PLACES = ":".join(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
SUFFIXES = (
    *("service", "socket", "target", "mount", "automount", "timer", "path"),
    *("slice", "scope", "swap", "device"),
)
UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
COMMAND = r"\{ path=(/\S+) ;"
SPAN = re.compile(r"([0-9.]+)\s*(y|month|w|d|h|min|s|ms|us)(?=\s|$)")
SECONDS = {
    "y": 31557600,
    "month": 2629800,
    "w": 604800,
    "d": 86400,
    "h": 3600,
    "min": 60,
    "s": 1,
    "ms": 0.001,
    "us": 0.000001,
}
PROPERTIES = (
    "Id",
    "LoadState",
    "LoadError",
    "ActiveState",
    "SubState",
    "Result",
    "Job",
    "MainPID",
    "ControlPID",
    "ExecMainStatus",
    "ControlGroup",
    "InactiveEnterTimestampMonotonic",
    "InvocationID",
    "FreezerState",
    "KillMode",
    "RestartUSec",
    "TimeoutStartUSec",
    "TimeoutStopUSec",
    "SendSIGKILL",
    "ConditionResult",
    "NeedDaemonReload",
    "Type",
    "ExecStart",
    "CanReload",
    "FragmentPath",
    "SourcePath",
    "ConsistsOf",
)
# A unit that nothing is going on with: what lives in its cgroup is left over.
AT_REST = ("inactive", "failed")
BUSY = ("activating", "deactivating", "reloading", "refreshing", "maintenance")
# Where a unit that ends takes with it all that it has; else it leaves them, as containers or sessions.
TAKES_ALL = ("control-group", "mixed")
FREEZING = ("frozen", "freezing", "frozen-by-parent")
# Its command ends, and what that left behind systemd does not follow.
ONESHOT = "oneshot"
# The same service has other names in other distributions.
KIN = {"apache2": ["httpd"], "httpd": ["apache2"], "mysql": ["mariadb"], "mariadb": ["mysql"]}
NEAR = 5
STATES = {
    "masked": "is masked: somebody has forbidden to start it; `systemctl unmask {unit}` allows it",
    "not-found": "is not known to systemd",
}


def is_booted():
    """
    Tell whether systemd is the service manager, as sd_booted() does.
    """
    return os.path.isdir(BOOTED)


def systemctl(*arguments, seconds=ASK_S):
    """
    Return what systemctl ended with and said; raise when systemd does not answer in time.
    """
    return ask("systemctl", "--no-pager", "--no-ask-password", *arguments, seconds=seconds)


def ask(*command, seconds):
    """
    Return a command that has ended, with its output; raise when it does not end in time.
    """
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=max(seconds, 0.1),
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired as err:
        words = " ".join(word for word in command if not word.startswith("--no-"))
        raise CommandExecutionError(f"{words} does not answer within {seconds:g} s") from err
    except OSError as err:
        raise CommandExecutionError(f"{command[0]} cannot be run: {err}") from err


@contextlib.contextmanager
def client(verb, name):
    """
    Give systemd an order by a client that waits for its job; one that waits still is ended, and its job is not.
    """
    process = subprocess.Popen(
        ["systemctl", "--no-pager", "--no-ask-password", verb, name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        is_over(process, 1)
        process.stderr.close()


def is_over(process, seconds):
    """
    Tell whether a process ends within so many seconds.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    return process.returncode is not None


def tools_path():
    """
    Return the PATH by which the tools of the system are found.
    """
    return ":".join(filter(None, [os.environ.get("PATH"), PLACES]))


def read(service):
    """
    Return what systemd says of a unit, by the names of its properties.
    """
    ran = systemctl("show", "--property", ",".join(PROPERTIES), "--", full_name(service))
    found = dict.fromkeys(PROPERTIES, "")
    if ran.returncode or not ran.stdout.strip():
        raise CommandExecutionError(f"systemd does not tell of {service}: {ran.stderr.strip()}")
    for line in ran.stdout.splitlines():
        key, _, value = line.partition("=")
        if key in found and not found[key]:
            found[key] = value
    return found


def program(found):
    """
    Return the full path of what a unit starts, or None when it is not told.
    """
    command = re.match(COMMAND, found["ExecStart"])
    return command[1] if command else None


def full_name(service):
    """
    Return the name of the unit that systemctl means by a service's name.
    """
    name = str(service)
    if not UNIT.fullmatch(name) or name.startswith("-"):
        raise CommandExecutionError(f"{name[:80]!r} cannot be the name of a unit")
    return name if name.rpartition(".")[2] in SUFFIXES else f"{name}.service"


def seconds(text):
    """
    Return a time span of systemd's in seconds; None for one without an end.
    """
    parts = SPAN.findall(text)
    if not parts:
        return 0.0 if text == "0" else None
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def number(text):
    """
    Return a pid or id of systemd's, which gives 0 for none.
    """
    word = text.split()[0] if text.split() else ""
    return int(word) if word.isdecimal() and int(word) else None


def job(found):
    """
    Return the job that waits or runs for a unit: its id and type.
    """
    mine = number(found["Job"])
    if mine is None:
        return None
    for line in systemctl("list-jobs", "--no-legend", "--plain").stdout.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0] == str(mine):
            return {"id": mine, "type": words[2]}
    return None


def refusal(found):
    """
    Return why nothing may be done with a unit, or None.
    """
    state, unit = found["LoadState"], found["Id"]
    if state == "loaded":
        return None
    why = STATES.get(state, f"cannot be loaded ({state})").format(unit=unit)
    error = found["LoadError"].strip('" ') if state not in STATES else ""
    near = _near(unit) if state == "not-found" else []
    return (
        f"the unit {unit} {why}"
        + (f": {error}" if error else "")
        + (f"; near it are {', '.join(near)}" if near else "")
    )


def processless(found):
    """
    Return why a unit has no process to bring back, or None.
    """
    if found["Type"] != ONESHOT:
        return None
    those = found["ConsistsOf"].split()[:NEAR]
    return f"the unit {found['Id']} has no process of its own (oneshot)" + (
        f": name the unit that has, such as {', '.join(those)}" if those else ""
    )


def default_stop_s():
    """
    Return how long systemd lets a unit stop that asks for nothing else.
    """
    said = systemctl("show", "--property", "DefaultTimeoutStopUSec").stdout
    return seconds(said.strip().partition("=")[2]) or 90.0


def environment():
    """
    Return the environment of the tools of the system: they speak English, without colours.
    """
    return {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "PATH": tools_path()}


def _near(unit):
    stem = unit.rpartition(".")[0].partition("@")[0]
    said = systemctl("list-unit-files", "--no-legend", "--plain", "--type", "service").stdout
    there = {line.split()[0].rpartition(".")[0] for line in said.splitlines() if line.split()}
    alike = [name for name in sorted(there) if stem in name or name in KIN.get(stem, [])]
    close = difflib.get_close_matches(stem, sorted(there), n=NEAR, cutoff=0.75)
    return [f"{name}.service" for name in dict.fromkeys([*close, *alike])][:NEAR]
