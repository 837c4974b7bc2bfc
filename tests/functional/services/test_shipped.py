"""
Entries of the shipped catalogue as the engine orders them, on the real programs, in what only these can get into.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.functional.services.services import FULL, Services, lacking, shipped
from tests.functional.services.services import PROXY as CONFIG
from tests.functional.services.test_orders import outcome

PROXY = "/usr/sbin/haproxy"
MORE = """
listen more
  mode http
  bind 127.0.0.1:8102
  timeout client 9s
  timeout server 9s
  timeout connect 9s
"""
HANGS = "<% Thread.sleep(3600000); %>\n"
PAGES = "/var/lib/{unit}/webapps/ROOT/hangs.jsp"
NARROW = 's/<Connector port="8080"/& maxThreads="2" minSpareThreads="2"/'
#: It fails where nothing is said for so many seconds.
ASKS = "import sys, urllib.request as web; web.urlopen(sys.argv[1], timeout=float(sys.argv[2]))"
ASK = (sys.executable, "-c", ASKS, "http://127.0.0.1:8080/")


def needs(name: str) -> Any:
    return pytest.mark.skipif(bool(lacking(name)), reason=lacking(name) or "")


def proxy(services: Services) -> dict[str, Any]:
    """
    Have a HAProxy that runs; return what Dynatrace tells of it.
    """
    services.machine.run("systemctl", "start", "haproxy")
    line = services.machine.output("ps", "-o", "args=", "-p", str(services.main("haproxy")))
    return {"by": "technology", "executable": PROXY, "command_line": line, "ports": [8100]}


@needs("haproxy")
def test_a_proxy_with_a_broken_configuration_is_not_stopped(services: Services) -> None:
    """What is wrong with it is told; made right again, it is healed."""
    machine, told_of = services.machine, proxy(services)
    main = services.main("haproxy")
    machine.run("systemctl", "kill", "--signal=STOP", "haproxy")
    machine.write("/etc/haproxy/haproxy.cfg", CONFIG + "nonsense yes\n")
    told = services.ordered(shipped("haproxy"), **told_of)
    assert (outcome(told), told["changes"]) == ("failed", {}), told
    assert "Nothing has been stopped" in told["comment"]
    assert "unknown keyword 'nonsense'" in told["comment"]
    assert services.main("haproxy") == main
    machine.write("/etc/haproxy/haproxy.cfg", CONFIG)
    told = services.ordered(shipped("haproxy"), **told_of)
    assert outcome(told) == "healed", told


@needs("haproxy")
def test_a_proxy_with_a_second_configuration_is_the_service(services: Services) -> None:
    """As the unit of Fedora and Red Hat begins it; one with another first configuration is not."""
    machine = services.machine
    machine.run("systemctl", "stop", "haproxy")
    machine.write("/etc/haproxy/conf.d/more.cfg", MORE)
    machine.write("/etc/default/haproxy", "EXTRAOPTS=-f /etc/haproxy/conf.d\n")
    told_of = proxy(services)
    assert told_of["command_line"].count(" -f ") == 2
    machine.run("systemctl", "stop", "haproxy")
    other = told_of["command_line"].replace("haproxy.cfg", "other.cfg")
    told = services.ordered(shipped("haproxy"), **{**told_of, "command_line": other})
    assert (outcome(told), told["changes"]) == ("refused", {}), told
    told = services.ordered(shipped("haproxy"), **told_of)
    assert outcome(told) == "healed", told


@pytest.mark.parametrize("name", ["haproxy", "php-fpm"])
def test_a_main_process_whose_workers_are_all_stopped_does_not_serve(
    services: Services, name: str
) -> None:
    """It lives, and its unit is active; one worker of several that is stopped is no outage."""
    if reason := lacking(name):
        pytest.skip(reason)
    machine, unit = services.machine, services.unit(name)
    machine.run("systemctl", "restart", unit)
    main = services.main(name)
    workers = machine.output("pgrep", "-P", str(main)).split()
    settings = shipped(name)
    for worker in workers:
        told = services.ordered(settings, by="unit", unit=unit)
        assert (outcome(told), services.main(name)) == ("healthy", main), told
        machine.run("kill", "-STOP", worker)
    told = services.ordered(settings, by="unit", unit=unit)
    assert outcome(told) == "healed" and "has workers, all of which are stopped" in told["comment"]
    assert services.main(name) not in (0, main)


@needs("tomcat")
def test_a_tomcat_that_hangs_is_restarted_and_its_threads_are_kept(services: Services) -> None:
    """All its threads wait; its own user may ask it, in the place where it has its ``/tmp``."""
    machine, unit = services.machine, services.unit("tomcat")
    machine.write(PAGES.format(unit=unit), HANGS)
    machine.run("sed", "--in-place", NARROW, f"/etc/{unit}/server.xml")
    machine.run("systemctl", "restart", unit)
    machine.wait_for(lambda: machine.run(*ASK, "5", status=None).returncode == 0, 60)
    quiet = {"stderr": subprocess.DEVNULL}
    asking = [machine.popen(*ASK[:-1], f"{ASK[-1]}hangs.jsp", "600", **quiet) for _ in range(4)]
    machine.wait_for(lambda: machine.run(*ASK, "5", status=None).returncode, 60)
    settings = {**shipped("tomcat"), "timeout": 2, "starts_within": 1, "deadline": 90}
    told = services.ordered(settings, by="unit", unit=f"{unit}.service")
    for one in asking:
        one.communicate(timeout=60)
    assert outcome(told) == "healed" and "is stuck" in told["comment"], told
    threads = machine.output("cat", f"{told['dynatrace']['evidence']['path']}/threads.txt")
    assert "hangs_jsp._jspService" in threads


@needs("rabbitmq")
@pytest.mark.skipif(not FULL, reason="only with FULL=1")
def test_a_broker_that_lost_its_main_process_is_started(services: Services) -> None:
    """As the kernel ends it when memory runs out; the port mapper of Erlang is another unit, and stays."""
    machine = services.machine
    machine.run("systemctl", "start", "rabbitmq-server")
    machine.run("kill", "-KILL", str(services.main("rabbitmq")))
    mapper = services.show("epmd", "MainPID")
    told = services.ordered(shipped("rabbitmq"), by="unit", unit="rabbitmq-server.service")
    assert (outcome(told), told["changes"]) == ("healed", {"rabbitmq-server": "started"}), told
    assert services.show("epmd", "MainPID") == mapper != "0"
    machine.run("rabbitmq-diagnostics", "--quiet", "ping")
