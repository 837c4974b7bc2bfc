"""
The troubles that apache2 gets into under systemd, each as one word; it returns when the trouble is there.
"""

from __future__ import annotations

import sys

from tests.functional.systemd.apache import URL, Apache

CONF = "/etc/apache2"
BROKEN = f"{CONF}/conf-enabled/zz-broken.conf"
PID_FILE = "/run/apache2/apache2.pid"
#: Outside of /tmp, of which a unit may have its own.
RELEASED = "/run/released"
#: Accepts, and never answers.
DEAF = (
    "import socket, time; s = socket.create_server(('0.0.0.0', {port})); print(s); time.sleep(9999)"
)
#: More than systemd allows in ten seconds.
STARTS = 10


class Troubled(Apache):
    """
    An apache2 that can be got into trouble.
    """

    def start(self) -> int:
        """
        Start it as the machine's boot does; return its main process.
        """
        self.machine.run("systemctl", "start", self.unit)
        return self.main

    def stop(self) -> None:
        """
        Stop it as a person does.
        """
        self.machine.run("systemctl", "stop", self.unit)

    def start_outside(self, url: str = URL) -> int:
        """
        Start it by its own command and not by its unit; return its main process.
        """
        # Without this variable Debian's apache2ctl has systemd start the unit.
        self.machine.run("env", "APACHE_STARTED_BY_SYSTEMD=true", "apache2ctl", "start")
        self.machine.wait_for(lambda: self.serves(url))
        return int(self.machine.output("cat", PID_FILE))

    def kill(self) -> None:
        """
        Kill all its processes, and keep systemd from starting it again by itself.
        """
        self.drop_in("[Service]\nRestart=no\n")
        self._signal("KILL")
        self.machine.wait_for(lambda: self.state == "failed/failed")

    def leave_orphans(self, url: str = URL) -> list[int]:
        """
        Leave workers without a main process, which hold the port and answer; return them.

        They began outside of the unit: in it systemd ends them with their main process.
        """
        main = self.start_outside(url)
        self.machine.run("kill", "-KILL", str(main))
        self.machine.wait_for(lambda: main not in self.pids)
        assert self.pids
        return self.pids

    def take_port(self, port: int = 80, answers: bool = True) -> int:
        """
        Let another program listen on the port, and answer or not; return its process.
        """
        server = ["-m", "http.server", str(port), "--bind", "0.0.0.0"]
        command = server if answers else ["-c", DEAF.format(port=port)]
        unit = f"taker-{port}"
        self.machine.run("systemd-run", "--quiet", f"--unit={unit}", sys.executable, *command)
        taken = ("ss", "-Hltn", f"sport = :{port}")
        self.machine.wait_for(lambda: self.machine.output(*taken))
        return Apache(self.machine, unit).main

    def break_configuration(self) -> None:
        """
        Give it a configuration that it does not start with.
        """
        self.machine.write(BROKEN, "NoSuchDirectiveOfTheTest on\n")

    def listen_nowhere(self) -> None:
        """
        Let it listen on an address that the machine has not: the test of the configuration finds nothing.
        """
        self.machine.write(f"{CONF}/ports.conf", "Listen 192.0.2.1:80\n")

    def mask(self) -> None:
        """
        Mask the unit, as who wants it never to start.
        """
        self.machine.run("systemctl", "mask", self.unit)

    def remove_unit(self) -> None:
        """
        Have no such unit, as when the package is another.
        """
        self.machine.run("rm", "/lib/systemd/system/apache2.service", "/etc/init.d/apache2")
        self._reload()

    def drop_in(self, text: str, name: str = "test") -> None:
        """
        Give the unit settings of the site's.
        """
        self.machine.write(f"/etc/systemd/system/{self.unit}.service.d/{name}.conf", text)
        self._reload()

    def hit_start_limit(self) -> None:
        """
        Let it fail until systemd refuses to start it, and repair what was broken.
        """
        self.break_configuration()
        for _ in range(STARTS):
            self.machine.run("systemctl", "start", self.unit, status=None)
        # `Result` is still that of the last start that failed by itself.
        assert "Start request repeated too quickly" in self.journal()
        self.machine.run("rm", BROKEN)

    def await_auto_restart(self, seconds: int = 60) -> None:
        """
        Let it die, with systemd going to start it again in so many seconds.
        """
        self.drop_in(f"[Service]\nRestart=always\nRestartSec={seconds}\n")
        self.start()
        self._signal("KILL")
        self.machine.wait_for(lambda: self.state == "activating/auto-restart")

    def freeze(self) -> int:
        """
        Stop all its processes (SIGSTOP); return the main one.
        """
        main = self.main
        self._signal("STOP")
        self.machine.wait_for(lambda: all(map(self.is_stopped, self.pids)))
        return main

    def wedge(self) -> int:
        """
        Let it accept and never answer: its workers are stopped, its main process is not.
        """
        main = self.main
        self.machine.run("pkill", "-STOP", "--parent", str(main))
        workers = [pid for pid in self.pids if pid != main]
        self.machine.wait_for(lambda: all(map(self.is_stopped, workers)))
        return main

    def hang_stop(self, seconds: str = "infinity") -> None:
        """
        Let its stop command take so long.
        """
        self.drop_in(f"[Service]\nExecStop=\nExecStop=/bin/sleep {seconds}\n", "stop")

    def hold_stop(self) -> None:
        """
        Let its stop command take until `release_stop`.
        """
        wait = f"until [ -e {RELEASED} ]; do sleep 0.05; done"
        self.drop_in(f"[Service]\nExecStop=\nExecStop=/bin/sh -c '{wait}'\n", "stop")

    def release_stop(self) -> None:
        """
        Let a stop that is held go on.
        """
        self.machine.run("touch", RELEASED)

    def hang_start(self, seconds: str = "infinity") -> None:
        """
        Let its start take so long before apache2 begins.
        """
        self.drop_in(f"[Service]\nExecStartPre=/bin/sleep {seconds}\n", "start")

    def second_instance(self, suffix: str = "foo", port: int = 8081) -> Troubled:
        """
        Set up the instance `/etc/apache2-<suffix>`; return it, not running.
        """
        self.machine.run("cp", "--archive", CONF, f"{CONF}-{suffix}")
        self.machine.run("mkdir", f"/var/log/apache2-{suffix}")
        self.machine.write(f"{CONF}-{suffix}/ports.conf", f"Listen {port}\n")
        return Troubled(self.machine, f"apache2@{suffix}")

    def serve_tls_only(self) -> None:
        """
        Let it listen on 443 alone, with a certificate that nobody else has signed.
        """
        key, crt = f"{CONF}/test.key", f"{CONF}/test.crt"
        new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=web01.example.com"
        self.machine.run(*new.split(), "-keyout", key, "-out", crt)
        self.machine.run("a2enmod", "--quiet", "ssl")
        self.machine.run("a2dissite", "--quiet", "000-default")
        self.machine.write(f"{CONF}/ports.conf", "Listen 443\n")
        site = f"SSLEngine on\nSSLCertificateFile {crt}\nSSLCertificateKeyFile {key}\n"
        site = f"<VirtualHost *:443>\nDocumentRoot /var/www/html\n{site}</VirtualHost>\n"
        self.machine.write(f"{CONF}/sites-enabled/tls.conf", site)

    def _signal(self, name: str) -> None:
        self.machine.run("pkill", f"-{name}", "--exact", "apache2")

    def _reload(self) -> None:
        self.machine.run("systemctl", "daemon-reload")
