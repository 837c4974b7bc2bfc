"""
A real master whose engine logs in to the platform as an OAuth client, with its secret in a file that only sdb names.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness.daemon import title
from tests.harness.logins import LOGINS, PlatformLogin
from tests.harness.stage import MINION, Stage
from tests.tenant import Tenant

#: Far more than it takes; the engine polls every two seconds.
SOON_S = 90.0


class KeptLogin(PlatformLogin):
    """
    The client's secret stands in a file, which is replaced as an admin would.
    """

    path: Path

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        self.all = [self.client_secret]
        self.keep(self.client_secret)

    def keep(self, secret: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"client": secret}))
        new.chmod(0o644)
        os.replace(new, self.path)

    def rotate(self) -> None:
        self.client_secret = self.tenant.rotate_secret(self.client_id)
        self.all.append(self.client_secret)
        self.keep(self.client_secret)

    @property
    def options(self) -> dict[str, Any]:
        given = super().options
        return {**given, "oauth": {**given["oauth"], "client_secret": "sdb://kept/client"}}

    @property
    def secrets(self) -> list[str]:
        parts = [part for one in self.all for part in (one, one.split(".")[-1])]
        return [*parts, *self.tenant.access_tokens]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """
    Everything running, the secret in a directory that the master's user may read, unlike those of pytest.
    """
    directory = Path(tempfile.mkdtemp(prefix="kept-"))
    directory.chmod(0o755)
    KeptLogin.path = directory / "secrets.yaml"
    LOGINS["kept"] = KeptLogin
    profile = {"kept": {"driver": "yaml", "files": [str(KeptLogin.path)]}}
    try:
        with Stage(poll_interval=2, login="kept", included={"kept.conf": profile}) as running:
            running.wait_for_engine()
            running.sync()
            yield running
    finally:
        del LOGINS["kept"]
        shutil.rmtree(directory)


def wait_for_good_answer(stage: Stage, since: float) -> None:
    """
    Return once the tenant has answered a request of the engine with 200, after a time.
    """
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        calls = [call for call in stage.tenant.requests if call.at >= since]
        if any(call.status == 200 and "/sso/" not in call.path for call in calls):
            return
        time.sleep(0.2)
    raise AssertionError([(call.path, call.status) for call in stage.tenant.requests][-20:])


def test_a_problem_on_the_platform_is_announced(stage: Stage) -> None:
    """
    Read with an access token of the client, processes included.
    """
    since = time.time()
    problem = stage.tenant.open_problem(stage.process)
    opened = stage.salt.events.wait_for(
        f"dynatrace/problem/open/*/{problem.display_id}", SOON_S, since
    )
    assert [entity["id"] for entity in opened.data["affected"]] == [stage.process]
    assert opened.data["problem_id"] == problem.problem_id
    # What Grail tells is enough to order the remedy, as soon as the engine knows the minion's new grains.
    stage.salt.events.wait_for(
        f"salt/job/*/ret/{MINION}",
        SOON_S,
        since,
        lambda event: event.data.get("fun") == "state.apply",
    )


def test_a_secret_that_is_replaced_in_its_file_needs_no_restart(stage: Stage) -> None:
    """
    The SSO refuses the old one, access tokens have ended, and the same process goes on.
    """
    before = [process.pid for process in stage.salt.engine_processes()]
    stage.login.rotate()  # type: ignore[union-attr]
    stage.tenant.end_access_tokens()
    wait_for_good_answer(stage, time.time())
    since = time.time()
    problem = stage.tenant.open_problem(stage.process)
    stage.salt.events.wait_for(f"dynatrace/problem/open/*/{problem.display_id}", SOON_S, since)
    assert [process.pid for process in stage.salt.engine_processes()] == before


def test_no_secret_of_the_login_is_shown_anywhere(stage: Stage) -> None:
    """
    Not the client's secrets, nor one of the access tokens: in events, the job cache, ledger, titles, answers and logs.
    """
    stage.tenant.fault("sso_400", times=None)
    stage.tenant.end_access_tokens()
    checked = stage.salt.command("salt-run", "dynatrace.check")
    shown = stage.salt.run("dynatrace.status")
    health = str(stage.webhook_url).replace("/dynatrace", "/healthz")
    places: dict[str, str] = {
        "events": "".join(
            json.dumps(event.data, default=str) for event in stage.salt.events.events("*")
        ),
        "titles": " ".join(map(title, stage.salt.master.processes())),
        "healthz": requests.get(health, timeout=5).text,
        "status": json.dumps(shown),
        "check": checked.stdout + checked.stderr,
    }
    for path in stage.salt.cachedir.rglob("*"):
        if path.is_file():
            places[str(path)] = path.read_bytes().decode("latin-1")
    hidden = stage.login.secrets
    assert len(hidden) > 5
    assert [name for name, text in places.items() if any(one in text for one in hidden)] == []
    assert stage.secrets_in_logs() == []
    assert any("ledger.db" in place for place in places)
    assert "the SSO refused the OAuth client (400)" in places["check"]
