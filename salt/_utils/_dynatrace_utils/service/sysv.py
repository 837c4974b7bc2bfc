"""
Brings a service back by its init script, or by whatever else Salt has for it.

What the script says on its standard output and error is kept: Debian's calls a failed start of
apache2 a good one, and only there stands why.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from .. import bounded
from . import processes, sight, unit, words

SCRIPTS = "/etc/init.d"
# Of Salt's modules for services, those that run such a script.
RUN_SCRIPTS = ("debian_service", "rh_service")
PAUSE_S = 0.05
SAID = 16384


def bring_back(place, how, until, manage):
    """
    Start, restart or reload a service; return whether it lives, what was done, and what was in the way.
    """
    course = _Course(place, until, manage)
    try:
        main = course.main()
        if how == "start" and main:
            return course.told(ok=True)  # It came back meanwhile, by itself or by somebody.
        if how == "reload":
            return course.reloaded(main)
        return course.restarted(main) if main else course.started()
    except TimeoutError as err:
        # No force after it: whose stop hangs may be busy with what a kill would destroy.
        return course.failed(str(err))
    except processes.ERRORS as err:
        return course.failed(str(err))


class _Course:
    """
    One bringing back: of what, until when, and what was done so far.
    """

    def __init__(self, place, until, manage):
        self._place, self._until, self._manage = place, until, manage
        self._where = sight.where(place)
        self._marks = words.marks(place.get("logs"))
        self._said = ""
        self._tried = None
        self._done = {}

    def main(self):
        """
        Return the pid of the main process, or None.
        """
        return processes.main_process(**self._where)

    def reloaded(self, main):
        """
        Reload a service, where there is a way to.
        """
        if "reload" not in self._manage:
            return self.failed("it cannot be reloaded")
        ok = self._managed("reload", main)
        return self.told(ok=True) if ok else self.failed("its reload failed")

    def restarted(self, main):
        """
        Restart a service that lives; one that does not obey its stop is ended and started.
        """
        thawed = processes.thaw(processes.led_by(main, self._where["executable"]))
        if thawed:
            self._done["stopped processes resumed"] = thawed
        if self._managed("restart", main) and self._appears():
            return self.told(ok=True)
        if self.main() == main:
            workers = processes.led_by(main, self._where["executable"])
            # The main process first, or it starts new workers for those that go.
            self._done["ended"] = processes.end(workers[:1]) + processes.end(workers[1:])
        return self.started()

    def started(self):
        """
        Start a service that is dead, after what it left is out of the way.
        """
        left = processes.leftovers(**self._where)
        if left:
            self._done["orphans ended"] = processes.end(left)
        if processes.forget_stale_pid_file(self._where["executable"], self._where["pid_file"]):
            self._done["stale pid file removed"] = self._where["pid_file"]
        if self._managed("start", None) and self._appears():
            return self.told(ok=True)
        return self.failed("it does not start")

    def failed(self, why):
        """
        Return the bad end of it, with who holds the ports and what the service said.
        """
        main = self.main() if self._where["executable"] else None
        led = processes.led_by(main, self._where["executable"]) if main else []
        parts = [why, *processes.holders(self._where["ports"], {one.pid for one in led})]
        why = words.added(parts, self._said, self._place.get("logs"), self._marks)
        return self.told(why=why)

    def told(self, ok=False, why=None):
        """
        Return the end of it, with what was done.
        """
        if self._tried:
            tried = self._tried
            self._done[self._place["service"]] = f"{tried}ed" if ok else f"{tried} tried"
        return {"ok": ok, "refused": False, "by_others": False, "done": self._done, "why": why}

    def _managed(self, action, before):
        """
        Have the service started or restarted; raise TimeoutError when that hangs.

        What hangs after its work was done, for instance since the daemon of an init script keeps
        the script's output open, is no failure: then there is another main process than before.
        """
        self._tried = "restart" if "restart" in (self._tried, action) else action
        left = self._until - time.monotonic()
        try:
            return bounded.call(left, *self._command(action), spare=self.main)
        except TimeoutError:
            if self.main() in (None, before):
                raise
            return True

    def _command(self, action):
        name, function = self._place["service"], self._manage[action]
        script = os.path.join(SCRIPTS, name)
        module = getattr(function, "__module__", "").rpartition(".")[2]
        if module in RUN_SCRIPTS and "/" not in name and os.access(script, os.X_OK):
            return self._run_script, script, action
        return function, name

    def _run_script(self, script, action):
        """
        Run the init script as ``service`` does, and keep what it says; tell whether it ended well.
        """
        left = self._until - time.monotonic()
        environment = {"PATH": unit.tools_path(), "LANG": "C"}
        # A file and no pipe: the daemon may keep it open.
        with tempfile.TemporaryFile() as output:
            ran = subprocess.run(
                [script, action],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=max(left, 0.1) + 60,
                check=False,
            )
            output.seek(0)
            self._said = words.clean(output.read(SAID).decode("utf-8", "replace"))
        return ran.returncode == 0

    def _appears(self):
        # An init script may call a failed start a good one.
        left = min(self._until - time.monotonic(), self._place["starts_within"])
        return bounded.wait(lambda: self.main() is not None, left, PAUSE_S)
