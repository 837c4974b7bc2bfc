"""
What the user of a service may prepare on the machine, and what a remedy, which runs as root, makes of it.
"""

from __future__ import annotations

from tests.functional.services.services import Services

HOME = "/srv/hostile"
#: A program that is called as a JVM is, and beside it what should be the JVM's own tool.
TOOL = f"#!/bin/sh\n/usr/bin/id -u > {HOME}/ran-as\n/usr/bin/env > {HOME}/environment\n"
UNIT = f"[Service]\nUser=daemon\nExecStart={HOME}/java infinity\n"


def prepared(services: Services) -> Services:
    """
    Give a service's user a directory of its own, and the service.
    """
    machine = services.machine
    machine.run("mkdir", "-p", HOME)
    machine.run("cp", "/bin/sleep", f"{HOME}/java")
    machine.run("chown", "daemon", HOME)
    machine.write("/etc/systemd/system/hostile.service", UNIT)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "hostile")
    return services


def test_a_tool_beside_a_program_runs_with_its_user_s_rights(services: Services) -> None:
    """Else whoever takes over a service becomes root when it is healed."""
    machine = prepared(services).machine
    machine.write(f"{HOME}/jcmd", TOOL, 0o755)
    settings = {"service": "hostile", "proof": ["false"], "starts_within": 1, "deadline": 1}
    told = services.ordered(settings, by="process")
    assert told["changes"] == {"hostile": "restarted"}, told
    assert machine.output("cat", f"{HOME}/ran-as") == machine.output("id", "-u", "daemon")
    assert "HOME=" not in machine.output("cat", f"{HOME}/environment")


def test_no_tool_out_of_another_file_system_runs_as_root(services: Services) -> None:
    """A service of root may be shut in there: who took it over has not taken the machine."""
    machine, home = services.machine, "/srv/shut-in"
    machine.run("mkdir", "-p", home)
    machine.run("cp", "/bin/sleep", f"{home}/java")
    machine.write(f"{home}/jcmd", TOOL.replace(HOME, home), 0o755)
    unit = f"[Service]\nPrivateTmp=yes\nExecStart={home}/java infinity\n"
    machine.write("/etc/systemd/system/shut-in.service", unit)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "shut-in")
    settings = {"service": "shut-in", "proof": ["false"], "starts_within": 1, "deadline": 1}
    told = services.ordered(settings, by="process")
    assert told["changes"] == {"shut-in": "restarted"}, told
    machine.run("test", "!", "-e", f"{home}/ran-as")


def test_what_is_no_pid_file_is_not_removed(services: Services) -> None:
    """A wrong setting, or one that somebody gives who may only break services."""
    machine = services.machine
    machine.write("/etc/precious", "127.0.0.1 localhost\n")
    machine.run("systemctl", "stop", "plain")
    settings = {"service": "plain", "executable": "/usr/bin/sleep", "pid_file": "/etc/precious"}
    told = services.ordered(settings, by="process")
    assert told["changes"] == {"plain": "started"}, told
    assert machine.output("cat", "/etc/precious") == "127.0.0.1 localhost"


def test_a_secret_in_the_words_of_a_service_is_not_shown(services: Services) -> None:
    """The comment goes to the problem in Dynatrace."""
    machine = services.machine
    words = "cannot connect: postgres://app:hunter2@db/app, password=hunter2"
    machine.write("/usr/local/bin/telling", f"#!/bin/sh\necho '{words}'\nexit 3\n", 0o755)
    machine.write(
        "/etc/systemd/system/telling.service", "[Service]\nExecStart=/usr/local/bin/telling\n"
    )
    machine.run("systemctl", "daemon-reload")
    settings = {"service": "telling", "starts_within": 1, "deadline": 1}
    told = services.ordered(settings, by="process")
    assert told["dynatrace"]["outcome"] == "failed", told
    assert "cannot connect: postgres://" in told["comment"]
    assert "hunter2" not in told["comment"]
