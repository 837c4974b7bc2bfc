"""
Breaks a service on this minion on purpose, measures the outage, and ends it if nobody else does.

It is what ``dynatrace.orch.chaos`` runs, after the engine was asked. What it has to know of the
service (what to ask, whose processes they are) it takes from the service's own remedy.

Whoever may publish it can break services, so it refuses where the minion's own file does not allow
it: ``dynatrace_chaos: true`` in ``/etc/salt/minion.d``. Neither pillar nor grains count, nor
anything else that a job or the master gives.
"""

import contextlib
import os
import signal
import threading
import time
from functools import partial

from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __grains__, __opts__, __pillar__, __salt__
from ..service import control
from . import proofs, settings

try:
    import psutil
except ImportError:
    psutil = None

ALLOWED = "dynatrace_chaos"
WAYS = ("stop", "kill")
# Of the settings that an order brings; none of them runs anything.
GIVEN = (
    *("service", "executable", "pid_file", "ports", "config", "proof", "url", "host", "statuses"),
    *("stays", "timeout", "deadline", "starts_within", "beyond_loopback", "service_timeout"),
)
# Seconds within which a service that was stopped does not answer any more.
GOES_S = 15
POLL_S = 0.02
# For a command of the service manager, as in the remedy; to read the remedy; and to apply it, with the
# state runs before it, after which the service is at least started.
SERVICE_S, READ_S, RESTORE_S = 100, 60, 300
# With a number of runs that may wait, Salt waits in this job. With True it only leaves a file for the
# minion, which knows nothing of what is called here.
QUEUE = 100
LONGEST_REQUEST_S = 10
SHORTEST_S, LONGEST_S = 1, 1800


def outage(remedy, how, timeout, order=None):
    """
    Break the service of a remedy and wait until it serves again: see ``dynatrace.outage``.
    """
    try:
        pillar = _pillar(order)
        service, serves = _prepared(remedy, how, timeout, pillar)
    except CommandExecutionError as err:
        return {"refused": f"nothing has been done: {err}"}
    until = time.monotonic() + min(max(timeout, SHORTEST_S), LONGEST_S)
    watch = _Watch(serves)
    watch.start()
    try:
        _break(service, how)
        if not bounded.wait(lambda: watch.down_at, GOES_S):
            raise CommandExecutionError(
                f"{service['service']} still serves {GOES_S} s after the {how}"
            )
        healed = bounded.wait(lambda: watch.up_at, until - time.monotonic())
        said = None if healed else _restored(service, remedy, timeout, serves, pillar)
        ended = watch.up_at or time.monotonic()
    except BaseException:
        # Whatever went wrong, it may not leave a service down that was up.
        with contextlib.suppress(Exception):
            _bounded(SERVICE_S, "service.start", service["service"])
        raise
    finally:
        watch.stop()
    return {
        "service": service["service"],
        "seconds": round(ended - watch.down_at, 2),
        "healed": healed,
        "serves": serves(),
        "restored": said,
    }


def _prepared(remedy, how, timeout, pillar):
    """
    Return the service with the question whether it serves; raises while nothing has been done yet.
    """
    if __opts__.get(ALLOWED) is not True:
        raise CommandExecutionError(
            f"this minion does not allow chaos; it would by `{ALLOWED}: true` in its own "
            "configuration, /etc/salt/minion.d/chaos.conf, and a restart of the salt-minion"
        )
    if how not in WAYS:
        raise CommandExecutionError(f"`how` is one of {', '.join(WAYS)}")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise CommandExecutionError("`timeout` is a number of seconds")
    if control.lacking():
        raise CommandExecutionError(f"this minion lacks {control.lacking()}")
    service = _settings(remedy, pillar)
    serves = _question(service)
    if not serves():
        raise CommandExecutionError(f"{service['service']} does not serve now")
    return service, serves


class _Watch(threading.Thread):
    """
    Asks all the time and keeps when the service went and came back, by the monotonic clock.

    It runs beside the stop command, which may end only when a healer has been faster.
    """

    def __init__(self, serves):
        super().__init__(name="dynatrace chaos probe", daemon=True)
        self.down_at = self.up_at = None
        self._serves = serves
        self._stopping = threading.Event()

    def run(self):
        while self.up_at is None and not self._stopping.wait(POLL_S):
            asked = time.monotonic()
            serves = self._serves()
            if self.down_at is None and not serves:
                self.down_at = asked
            elif self.down_at is not None and serves:
                self.up_at = time.monotonic()

    def stop(self):
        self._stopping.set()
        self.join(LONGEST_REQUEST_S)


def _restored(service, remedy, timeout, serves, pillar):
    """
    Apply the remedy, or at least start the service; return what was done and what came of it.
    """
    try:
        given = {"pillar": pillar} if pillar else {}
        states = _bounded(RESTORE_S, "state.apply", remedy, queue=QUEUE, **given)
    except CommandExecutionError as err:
        states = str(err)
    lines = list(states.values()) if isinstance(states, dict) else [states]
    comments = " ".join(
        str(line.get("comment") if isinstance(line, dict) else line) for line in lines
    )
    if not serves():
        _bounded(SERVICE_S, "service.start", service["service"])
    if bounded.wait(serves, GOES_S):
        return f"not healed within {timeout:g} s; the remedy was applied: {comments}"
    return f"not healed within {timeout:g} s, and the remedy does not bring it back: {comments}"


def _pillar(order):
    """
    Return the pillar that a remedy of the catalogue gets, without what could run a command.

    Who may call this may not run every state, and what a job gives must not be more than it looks like.
    """
    if order is None:
        return {}
    settings_ = order.get("settings") if isinstance(order, dict) else None
    if not isinstance(settings_, dict) or settings_.get("sls") or settings_.get("container"):
        raise CommandExecutionError("`order` names no service, which alone can be broken")
    families = settings_.get("os_family")
    told = {key: value for key, value in settings_.items() if key in GIVEN}
    if isinstance(families, dict):
        told["os_family"] = {
            family: {key: value for key, value in own.items() if key in GIVEN}
            for family, own in families.items()
            if isinstance(own, dict)
        }
    return {"dynatrace_remedy": {"name": order.get("name"), "settings": told}}


def _settings(remedy, pillar):
    """
    Return what a remedy knows of its service on this minion: its own settings, its family's, and the pillar's.
    """
    # It is only read, so whatever else runs is in nobody's way.
    low = _bounded(READ_S, "state.show_low_sls", remedy, concurrent=True)
    # Errors come as a list too, of texts.
    chunks = [chunk for chunk in low if isinstance(chunk, dict)] if isinstance(low, list) else []
    wanted = ("dynatrace", "healed")
    chunk = next((one for one in chunks if (one.get("state"), one.get("fun")) == wanted), None)
    if chunk is None:
        raise CommandExecutionError(
            f"{remedy} does not tell what to ask: it has no state dynatrace.healed"
        )
    family = __grains__.get("os_family")
    service = settings.settled_chunk(chunk, {**__pillar__, **pillar}, family)
    if any(proof["kind"] == "command" for proof in proofs.read(service)) and pillar:
        raise CommandExecutionError("its proof is a command, which only its remedy may run")
    if not service["service"]:
        raise CommandExecutionError(f"{remedy} is about no service, which alone can be broken")
    return {**service, "timeout": min(service["timeout"], LONGEST_REQUEST_S)}


def _bounded(seconds, function, *args, **kwargs):
    try:
        return bounded.call(seconds, __salt__[function], *args, **kwargs)
    except TimeoutError as err:
        raise CommandExecutionError(str(err)) from None


def _break(service, how):
    if how == "stop":
        _bounded(SERVICE_S, "service.stop", service["service"])
    else:
        _kill(service)


def _kill(service):
    """
    Do what ``kill -9`` does to all of its processes; a pid file stays behind.
    """
    main = control.look(control.place(service))["main"]
    if main is None:
        raise CommandExecutionError(f"{service['service']} has no main process that can be killed")
    process = psutil.Process(main)
    # The main process first, or it starts new ones for those that go.
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)


def _question(service):
    # Looked up here: the thread that asks has no dunders.
    look = partial(control.look, control.place(service))

    def serves():
        seen = look()
        return bool(seen["main"]) and proofs.ask(service, look, seen)["verdict"] == "serves"

    return serves
