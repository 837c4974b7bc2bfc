"""
Saves what a restart destroys, before a service is touched: for the person who asks in the morning why it failed.

All of it takes at most ``SECONDS`` and ``MOST`` bytes, in ``<cachedir>/dynatrace/evidence/<attempt>``, for the minion's
user alone. Nothing is raised, and nothing that goes wrong is a reason not to heal: it is told in place of the part.
Whatever a command says comes from outside; it is bounded, and what looks like a secret is taken out.
"""

import contextlib
import functools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from ..dunders import __opts__
from ..service import jvm, unit, words
from . import host

SECONDS = 5
MOST = 2**20
# Of one service so many are kept.
KEPT = 10
# Of each of the seven parts, from its end; all together stay below MOST.
PART = 145_000
LINES = 200
ABOUT = "about.json"
log = logging.getLogger(__name__)
NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


class Evidence:
    """
    What is kept of a failure: ``begin`` collects, ``wait`` ends when what a restart destroys is there, ``rest`` collects what
    can wait, and ``told`` tells of it.
    """

    def __init__(self, attempt, service, seen):
        self.path = os.path.join(home(), attempt)
        self._service, self._seen = service, seen
        self._left, self._until = SECONDS, None
        self._waiting, self._threads, self._texts, self._commands = {}, {}, {}, []
        self._closed = self._written = False

    def begin(self):
        """
        Start to collect what the next step changes, side by side.
        """
        with contextlib.suppress(OSError):
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            os.chmod(os.path.dirname(self.path), 0o700)
        parts = {name: functools.partial(self._keep, name, act) for name, act in self._parts()}
        # Beside the rest, since a disk may hang as everything else may.
        self._waiting = {"about": self._note, **parts}
        self._start(self._waiting if self._lives() else ("unit",))
        return self

    def wait(self):
        """
        Return when what the next step destroys is kept, or the time is over.

        Of a service of which nothing lives that is only what systemd says of it: the rest is as it is a second later.
        """
        begun = time.monotonic()
        lives = ("unit", "processes", "listeners", "memory", "threads")
        self._join(lives if self._lives() else ("unit",))
        self._left -= time.monotonic() - begun

    def rest(self):
        """
        Start to collect what can wait until the service was started, which it would only slow down before.
        """
        self._start(self._waiting)

    def told(self):
        """
        Return ``path``, None where nothing could be kept, and ``lines``, the most telling ones; ends what takes too long.
        """
        self.rest()
        self._join(self._threads)
        self._closed = True
        for process in list(self._commands):
            _kill(process)
        from . import excerpts

        kernel = excerpts.of_the_kernel(self._texts.get("kernel", ""))
        said = [kernel, *(self._texts.get(name, "") for name in ("log", "journal"))]
        return {"path": self.path if self._written else None, "lines": excerpts.telling(said)}

    def _lives(self):
        # What an SLS of the site's own does to a host, nobody knows before.
        return self._seen["main"] or self._seen["orphans"] or self._service.get("sls")

    def _start(self, names):
        self._until = time.monotonic() + self._left
        for name in [one for one in names if one in self._waiting]:
            act = self._waiting.pop(name)
            thread = threading.Thread(target=act, name=f"dynatrace evidence {name}", daemon=True)
            self._threads[name] = thread
            thread.start()

    def _join(self, names):
        for name in names:
            if name in self._threads:
                self._threads[name].join(max(self._until - time.monotonic(), 0))

    def _parts(self):
        name = self._seen["unit"]
        if name:
            status = ["systemctl", "status", "--no-pager", "--full", "--lines=0", "--", name]
            yield "unit", lambda: self._said(*status)
            journal = ["journalctl", "--no-pager", "--quiet", "--output=short-iso"]
            yield "journal", lambda: self._said(*journal, f"--lines={LINES}", f"--unit={name}")
        if self._service.get("logs"):
            yield "log", self._logs
        yield from (
            ("listeners", host.listeners),
            ("processes", host.processes),
            ("memory", host.memory),
        )
        yield "kernel", lambda: self._said("dmesg", "--ctime") or self._said("dmesg")
        dump = None if self._seen["stopped"] else jvm.thread_dump(self._seen)
        if dump:
            yield "threads", lambda: self._said(*dump[0], **dump[1])

    def _keep(self, name, part):
        # Its patterns are compiled while the service is down, so beside what brings it back.
        from . import excerpts

        try:
            text = excerpts.clean(part(), PART)
        except Exception as err:  # noqa: BLE001 - Whatever a host in trouble raises is told, and heals nobody's service.
            text = f"this could not be had: {type(err).__name__}: {err}\n"
        if self._closed:
            return  # The remedy is over, and has told what there is.
        self._texts[name] = text
        with contextlib.suppress(OSError):
            _write(os.path.join(self.path, f"{name}.txt"), text)
            self._written = True

    def _note(self):
        """
        Note whose evidence it is, and remove the oldest of the same service.
        """
        service = self._service.get("service")
        with contextlib.suppress(OSError):
            _write(os.path.join(self.path, ABOUT), json.dumps({"service": service}))
            _prune(os.path.dirname(self.path), service)

    def _said(self, *command, **options):
        """
        Return the end of what a command says; it is killed, with all that it began, when the time is over.
        """
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **{"env": unit.environment(), **options},
        ) as process:
            self._commands.append(process)
            killer = threading.Timer(max(self._until - time.monotonic(), 0), _kill, [process])
            killer.daemon = True
            killer.start()
            try:
                return _end_of(process.stdout)
            finally:
                killer.cancel()
                _kill(process)
                self._commands.remove(process)

    def _logs(self):
        from . import excerpts

        told = []
        for path in self._service["logs"]:
            with words.opened(path) as stream:
                # One more than is kept tells that something was cut.
                stream.seek(max(os.fstat(stream.fileno()).st_size - PART - 1, 0))
                text = _last(stream.read(PART + 1)).decode("utf-8", "replace")
                lines = text.splitlines()[-LINES:]
            told += [excerpts.HEAD.format(path), *lines]
        return "\n".join(told)


def keep(story, service, order, seen):
    """
    Keep what the next step destroys, and begin to keep the rest, which ``story.evidence`` tells in the end.
    """
    # States that run in parallel have processes of their own.
    by_hand = time.strftime(f"hand-%Y%m%d%H%M%S-{os.getpid()}", time.gmtime())
    name = order["id"] if order else by_hand
    try:
        evidence = Evidence(name, service, seen).begin()
        evidence.wait()
        story.evidence = evidence
    except Exception as err:  # noqa: BLE001 - It is no reason not to heal.
        log.warning("dynatrace: no evidence is kept of %s: %r", name, err)


def sentence(told):
    """
    Return what a comment says of what is kept.
    """
    where = f"Evidence is kept in {told['path']}" if told["path"] else "No evidence could be kept"
    lines = "".join(f"\n> {line}" for line in told["lines"])
    return f"{where}{':' if lines else ''}{lines}"


def home():
    """
    Return the directory of all evidence.
    """
    return os.path.join(__opts__["cachedir"], "dynatrace", "evidence")


def kept(attempt):
    """
    Return what is kept of an attempt, text by part; None where there is nothing.
    """
    if not isinstance(attempt, str) or not NAME.fullmatch(attempt):
        return None
    found = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in sorted(os.listdir(os.path.join(home(), attempt))):
            if entry.endswith(".txt"):
                with open(os.path.join(home(), attempt, entry), encoding="utf-8") as stream:
                    found[entry.removesuffix(".txt")] = stream.read(PART)
    return found or None


def _end_of(stream):
    end = b""
    while piece := stream.read1(65536):
        end = _last(end + piece)
    return end.decode("utf-8", "replace")


def _last(text):
    """
    Return the end of a text, from the beginning of a line: in the rest of one a secret has lost its name.
    """
    return text if len(text) <= PART else text[-PART:].partition(b"\n")[2]


def _kill(process):
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _write(path, text):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)


def _prune(directory, service):
    """
    Remove all but the latest of a service.
    """
    own = []
    for entry in os.scandir(directory):
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(entry.path, ABOUT), encoding="utf-8") as stream:
                about = json.loads(stream.read(PART))
            if isinstance(about, dict) and about.get("service") == service:
                own.append((entry.stat().st_mtime, entry.path))
    for _, path in sorted(own)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
