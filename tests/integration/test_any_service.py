"""
From an installed product to a healed service, as docs/how-to/heal-another-service.md says: on a real systemd, with a master, an engine and a minion.

The lines and the commands are the page's. The tenant is simulated; what its OneAgent sees is what systemd says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.harness import apache
from tests.harness import machine as machines
from tests.harness.listener import Event
from tests.harness.site import Site
from tests.tenant.problems import Problem
from tests.unit.docs.pages import REPO, blocks, commands

PAGE = REPO / "docs" / "how-to" / "heal-another-service.md"
LINE, *_ = blocks(PAGE, "yaml")
REMEDIES, CHECK, HEAL = [
    one for text in blocks(PAGE, "bash") for one in commands(text) if one.startswith("salt-run ")
]
REPORT, *_, FACTS = [
    one
    for text in blocks(PAGE.with_name("write-a-post-mortem.md"), "bash")
    for one in commands(text)
]
PLAIN = "[Service]\nExecStart=/bin/sleep infinity\n"
NGINX = "/usr/sbin/nginx"
SLEEP = {"EXE_NAME": "sleep", "EXE_PATH": "/usr/bin/sleep"}
SHIPPED = yaml.safe_load((REPO / "master.d" / "remedies.conf").read_text())["dynatrace_remedies"]
ENDS = ("healed", "failed", "escalated")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """
    The site with its services, the page's line in master.d, and a restarted master.
    """
    if lacking := machines.why_not() or why_not():
        pytest.skip(lacking)
    with Site() as site:
        site.machine.write("/etc/systemd/system/app-orders.service", PLAIN)
        site.machine.run("systemctl", "daemon-reload")
        site.machine.run("systemctl", "start", "app-orders", "nginx")
        site.salt.call("saltutil.sync_all")
        site.orders = site.tenant.add_process(site.host, "orders", "JAVA", build=SLEEP)
        site.tenant.add_os_service(site.host, "app-orders", site.orders)
        site.nginx = site.tenant.add_process(site.host, **apache.KNOWN["nginx"][2])
        [path] = re.findall(r"`(/etc/salt/master.d/[^`]+)`", PAGE.read_text())
        Path(site.shell.here(path)).write_text(LINE)
        site.restart_master()
        yield site


def why_not() -> str | None:
    """
    Return what is lacking beside a machine, or None.
    """
    return None if Path(NGINX).exists() else "it needs nginx: run `make tools`"


def reported(site: Site, display_id: str) -> str:
    """
    Return the report of a problem, which the runner wrote where it says.
    """
    path = site.salt.root / f"{display_id}.html"
    command = REPORT.replace("P-2407114", display_id)
    assert str(path) in site.shell.run(f"{command} file={path}")
    told = site.shell.json(FACTS.replace("P-2407114", display_id))["dynatrace"]
    assert told["file"] is None and told["healed_at"] is not None
    span = site.shell.json("salt-run dynatrace.report since=1h --out=json")["dynatrace"]
    assert span["problems_count"] == sum(span["ended_by"].values()) > 0
    return path.read_text(encoding="utf-8")


def healed(site: Site, trouble: Callable[[], object]) -> Event:
    """
    Make a trouble, and return the event that tells how it was healed.
    """
    since = time.time()
    trouble()
    told = site.salt.events.wait_for(
        "dynatrace/problem/*", 60, since, lambda event: event.data["what"] in ENDS
    )
    assert told.data["what"] == "healed", told.data
    return told


def of(site: Site, event: Event) -> Problem:
    """
    Return the tenant's problem of an event.
    """
    [found] = [one for one in site.tenant.problems if one.display_id == event.data["display_id"]]
    return found


def kill(site: Site, unit: str) -> None:
    site.machine.run("systemctl", "kill", "--signal=KILL", unit)


def test_the_line_has_the_lines_that_are_promised() -> None:
    """One line of a remedy, below the name of the catalogue."""
    assert len(yaml.safe_load(LINE)["dynatrace_remedies"]) == 1
    assert len(LINE.strip().splitlines()) == 2


def test_the_catalogue_is_shown_with_what_it_would_take(site: Site) -> None:
    """Each remedy with the tenant's processes, in lines that are read at night; nothing is said of what is not."""
    printed = site.shell.run(REMEDIES)
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert any(re.match(r"unit unit: app-\*, .* 1 orders on", row) for row in rows), printed
    assert any(re.match(r"nginx technology: NGINX service nginx 1 nginx on", row) for row in rows)
    assert "…" not in printed
    assert "None" not in printed


def test_the_check_finds_nothing_wrong(site: Site) -> None:
    """Also of the services that run on the minion, and of their proofs."""
    printed = site.shell.run(CHECK)
    assert "warn" not in printed, printed
    assert "the state dynatrace.remedy is served" in printed


def test_what_would_be_done_is_told_before_it_is_needed(site: Site) -> None:
    """The page's own command, and the same for nginx, which the catalogue has."""
    for command in (HEAL, HEAL.replace("app-orders", "nginx")):
        [state] = site.shell.states(command)
        assert state["result"] is True, state
        assert "It serves already, nothing is done" in state["comment"]


def test_a_killed_unit_is_healed_by_one_line(site: Site) -> None:
    """Dynatrace tells of the process, and names its unit in the host's OS services."""

    def trouble() -> None:
        kill(site, "app-orders")
        site.tenant.open_problem(site.orders)

    told = healed(site, trouble)
    problem = of(site, told)
    assert site.status("app-orders") == "active"
    site.tenant.wait_for(lambda: site.tenant.comments(problem), timeout=10)
    [comment] = site.tenant.comments(problem)
    assert "by the remedy unit" in comment.message
    assert "No main process of app-orders.service lives" in comment.message
    assert "Evidence is kept in " in comment.message
    printed = site.shell.run(f"salt-run dynatrace.evidence {problem.display_id}")
    # As systemd wrote them: one below the other.
    assert any(
        re.fullmatch(
            r"\s*\S+ machine systemd\[1\]: app-orders.service: Failed with result 'signal'.", one
        )
        for one in printed.splitlines()
    ), printed
    shown = site.shell.run(f"salt-run dynatrace.show {problem.display_id}")
    assert re.search(r"web01 +PROCESS_GROUP_INSTANCE-\w+ +host_id +unit +unit", shown), shown
    why = site.shell.run(f"salt-run dynatrace.why {problem.display_id}")
    assert re.search(r"web01  .*  healed  \(host_id, unit by unit\)", why), why
    assert re.search(r"serving: it was brought back at \d\d:\d\d:\d\d", why), why
    command = f"salt-run dynatrace.simulate {problem.display_id}"
    [row] = site.shell.json(command)["dynatrace"]["simulated"]
    assert (row["minion"], row["remedy"], row["now"]) == ("web01", "unit", "healed")
    site.shell.run("printf 'deny: [web01]\\n' > /tmp/policy.yaml")
    told = site.shell.run(f"{command} policy=/tmp/policy.yaml")
    assert re.search(r"web01 .*  healed +not allowed", told), told
    report = reported(site, problem.display_id)
    assert "Salt brought it back and proved that it serves, by one attempt." in report
    assert "Failed with result &#39;signal&#39;." in report
    assert "acts on web01 by the remedy unit" in report
    site.tenant.close_problem(problem)


def test_a_stopped_unit_is_healed_by_the_policy_that_salt_has_set(site: Site) -> None:
    """One policy a remedy, by its units; a second run changes nothing. Dynatrace tells of no process then."""
    command = "salt-run state.orchestrate dynatrace.tenant"
    catalogue = 1 + len(SHIPPED)
    changed = [state for state in site.shell.states(command) if state["changes"]]
    assert len(changed) == catalogue
    assert [state for state in site.shell.states(command) if state["changes"]] == []
    watching = site.tenant.watch_os_service(
        site.host, "app-orders", lambda: site.status("app-orders")
    )
    told = healed(site, lambda: site.machine.run("systemctl", "stop", "app-orders"))
    assert told.data["title"] == "OS service app-orders is inactive"
    assert site.status("app-orders") == "active"
    site.tenant.wait_for(lambda: watching.status == "active", timeout=10)
    watching.stop()


def test_nginx_is_healed_by_the_shipped_catalogue(site: Site) -> None:
    """The tenant asks it, misses it, raises the problem, and sees it serve again."""
    site.tenant.alerting(site.nginx)
    monitor = site.tenant.monitor(
        site.nginx, f"http://{site.there}/", open_after=0.5, close_after=0.5
    )
    site.tenant.wait_for(lambda: monitor.answering, timeout=20)
    told = healed(site, lambda: site.machine.run("systemctl", "stop", "nginx"))
    site.tenant.wait_for(lambda: monitor.answering and not monitor.problem, timeout=20)
    assert "nginx was started" in told.data["outcome"][0]["comment"]
    monitor.stop()


def test_the_tenant_was_asked_as_its_api_wants_it(site: Site) -> None:
    """By all of the above."""
    site.tenant.check()
