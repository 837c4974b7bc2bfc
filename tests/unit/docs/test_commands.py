"""
Which command of the README, the tutorial, the tasks and the runbook is run where, and which is not, and why.
"""

from __future__ import annotations

import functools

import pytest

from tests.unit.docs.pages import REPO, blocks, commands, session

PAGES = (
    REPO / "README.md",
    *(REPO / "docs" / page for page in ("tutorial.md", "runbook.md")),
    *sorted((REPO / "docs" / "how-to").glob("*.md")),
)
WALK = "tests/integration/test_walk.py"
ORCHESTRATIONS = "tests/integration/test_orchestrations.py"
ANY_SERVICE = "tests/integration/test_any_service.py"
MONITORING = "tests/functional/monitoring/test_how_to.py"
#: Where each is taken from its page and run. The tests choose it by its beginning, so here stands no more of it.
RUN = {
    "git clone <URL of this repository> /srv/salt-dynatrace": WALK,
    "cd /srv/salt-dynatrace": WALK,
    "cp master.d/roots.conf master.d/dynatrace.conf master.d/remedies.conf master.d/reactor.conf ": WALK,
    "install -o salt -g salt -m 600 ": WALK,
    "openssl rand ": WALK,
    "openssl req ": WALK,
    "ps ax ": WALK,
    "salt-run dynatrace.check": WALK,
    "salt-run config.get ": WALK,
    "grep -rn '^engines:' ": WALK,
    "salt '*' ": WALK,
    "salt-run state.event ": WALK,
    'curl -H "Authorization: Bearer $WEBHOOK_TOKEN" ': WALK,
    "curl https://master.example.com:8765/healthz": WALK,
    "salt-run dynatrace.remedies": ANY_SERVICE,
    "salt-run dynatrace.report ": ANY_SERVICE,
    "salt-run dynatrace.pause ": WALK,
    "salt-run dynatrace.resume": WALK,
    "salt-run dynatrace.status": WALK,
    "salt-run dynatrace.problems": WALK,
    "salt-run dynatrace.history": WALK,
    "rm ": WALK,
    'salt-run state.orchestrate dynatrace.orch.setup pillar=\'{"minions": ["web01"]}\'': ORCHESTRATIONS,
    "salt-run state.orchestrate dynatrace.orch.teardown ": ORCHESTRATIONS,
    "salt-run state.orchestrate dynatrace.orch.chaos \\": ORCHESTRATIONS,
    'salt-run state.orchestrate dynatrace.orch.heal pillar=\'{"minion"': ORCHESTRATIONS,
    "TOKEN=$(curl ": ORCHESTRATIONS,
    "mkdir -p /etc/prometheus/rules": MONITORING,
    "sed 's#docs/monitoring/": MONITORING,
    "promtool check rules ": MONITORING,
    'curl -sSf "$API" ': ORCHESTRATIONS,
}
#: The whole text of each that is not run as it stands, and the reason.
NOT_RUN = {
    "make demo": "it is what the pictures show; CI runs it by itself",
    "make test": "it is what runs this",
    "make demo KEEP=1": "it ends when somebody ends it",
    "git clone <URL of this repository> salt-dynatrace && cd salt-dynatrace": "for the demo",
    "systemctl restart salt-master": "no systemd: the tests start and restart the master themselves",
    "echo 'dynatrace_chaos: true' > /etc/salt/minion.d/chaos.conf": (
        "the minion of tests/harness/stage.py has it in its configuration"
    ),
    "systemctl restart salt-minion": "no systemd: the tests start the minion themselves",
    "systemctl restart salt-master salt-api": "no systemd: the tests start both themselves",
    "cp master.d/roots.conf master.d/dynatrace.conf /etc/salt/master.d/": (
        "the tutorial copies these two and a third"
    ),
    "salt-run fileserver.update": "tests/integration/test_gitfs.py runs it by the master's loader",
    "salt-run saltutil.sync_all": "tests/integration/test_gitfs.py runs it by the master's loader",
    "git clone <URL of this repository> && cd salt-dynatrace": (
        "tests/integration/test_packaging.py installs the working tree"
    ),
    "<the python that runs salt-master> -m pip install .": (
        "tests/integration/test_packaging.py runs it with a Python of its own"
    ),
    'salt-run state.orchestrate dynatrace.orch.setup pillar=\'{"minions": ["web01", "web02"]}\' test=True': (
        "the tutorial's, for one minion, is run"
    ),
    'salt-run state.orchestrate dynatrace.orch.setup pillar=\'{"minions": ["web01", "web02"]}\'': (
        "the tutorial's, for one minion, is run"
    ),
    'salt-run state.orchestrate dynatrace.orch.heal pillar=\'{"display_id": "P-2407114"}\'': (
        "tests/integration/test_orchestrations.py runs it for a problem that is there"
    ),
    'salt-run state.orchestrate dynatrace.orch.chaos pillar=\'{"minion": "web01", "service": "apache2", "how": "stop", "dynatrace": {"chaos": {"allow": ["web01"]}}}\'': (
        "the tutorial's is run; without its last key it is refused, which is tested too"
    ),
    'salt-run state.orchestrate dynatrace.orch.planned_change pillar=\'{"dynatrace": {"planned_change": {"targets": ["web01", "web02"], "minutes": 20, "via": "master01"}}}\'': (
        "tests/functional/settings/test_planned_change.py runs its steps, on both sides"
    ),
    "salt web01 state.apply dynatrace.remedy.apache2": (
        "tests/integration/test_orchestrations.py applies it by dynatrace.orch.heal"
    ),
    **dict.fromkeys(
        (
            "salt web01 saltutil.sync_all",
            "salt web01 state.apply dynatrace.oneagent test=True",
            "salt web01 state.apply dynatrace.oneagent",
            "salt web01 grains.get dynatrace",
            "salt master01 saltutil.sync_all",
            "salt master01 state.apply dynatrace.tenant test=True",
            "salt master01 state.apply dynatrace.tenant",
        ),
        "dynatrace.orch.setup does the same, and is run",
    ),
    **dict.fromkeys(
        (
            "salt-run dynatrace.simulate days=7 policy=/root/policy.yaml",
            "salt-run dynatrace.simulate days=7 remedies=/root/remedies.yaml",
            "salt-run dynatrace.simulate P-2407114 policy=/root/policy.yaml",
            "salt-run dynatrace.simulate file=/root/notification.json",
        ),
        "tests/integration/test_any_service.py runs it for a problem that is there, the others tests/functional/engine",
    ),
    **dict.fromkeys(
        (
            "salt-run dynatrace.show P-2407114",
            "salt-run dynatrace.why P-2407114",
            "salt-run dynatrace.retry P-2407114",
        ),
        "tests/integration runs them for problems that are there",
    ),
    **dict.fromkeys(
        (
            "curl -fsS https://ca.dynatrace.com/dt-root.cert.pem -o dt-root.cert.pem",
            "openssl x509 -in dt-root.cert.pem -noout -subject -dates -fingerprint -sha256",
            "install -D -m 0644 dt-root.cert.pem /srv/salt/dynatrace/oneagent/dt-root.cert.pem",
        ),
        "the tests are not connected to the Internet, and sign installers themselves",
    ),
    "cp master.d/reactor.conf master.d/remedies.conf /etc/salt/master.d/": "the tutorial copies them with two others",
    "mv /etc/salt/master.d/reactor.conf /root/": "the next test removes it, and looks what is left",
    'sqlite3 /var/cache/salt/master/dynatrace/dynatrace/ledger.db ".backup /root/ledger.db"': (
        "it is sqlite's own, and that program need not be here"
    ),
    "salt web01 service.stop apache2": "the tutorial's, by salt-api, is run",
    "export API=https://master.example.com:8000 EAUTH=pam": (
        "no user of this machine may log in: the scratch salt-api has a shared secret"
    ),
    "read -r -p 'user: ' API_USER; read -r -s -p 'password: ' API_PASSWORD": "nobody types here",
}


@functools.cache
def said() -> set[str]:
    """
    Return every command of the pages.
    """
    found = set()
    for page in PAGES:
        found |= {one for text in blocks(page, "bash") for one in commands(text)}
        found |= {one for text in blocks(page, "console") for one in session(text)}
    return found


@pytest.mark.parametrize("command", sorted(said()))
def test_a_command_is_run_or_it_is_said_why_not(command: str) -> None:
    """A new one in the pages is neither, until somebody takes it up."""
    run = [begin for begin in RUN if command.startswith(begin)]
    assert len(run) == (0 if command in NOT_RUN else 1)


def test_nothing_is_listed_that_no_page_says() -> None:
    """Nor does a list keep what the pages have lost."""
    assert set(NOT_RUN) - said() == set()
    assert [begin for begin in RUN if not any(one.startswith(begin) for one in said())] == []
    assert {where for where in RUN.values() if not (REPO / where).is_file()} == set()
