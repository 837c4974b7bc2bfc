"""
What `dynatrace.check` says about a tenant and a webhook that are there, or are not.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import dynatrace as engine
import pytest
from _dynatrace.config.config import load

from tests.functional.client.servers import Authority, says, serving
from tests.functional.listener.conftest import PASSWORD, TOKEN, USER, Served, until
from tests.harness.ports import free_ports
from tests.tenant import Tenant
from tests.unit.minion.loading import REPO

sys.path.append(str(REPO / "salt" / "_runners"))
from _dynatrace_runner import checkup, connections

SCOPES = ("problems.read", "entities.read", "problems.write")


def found(options: dict[str, Any], seconds: float = 10) -> dict[str, tuple[str, str]]:
    """
    Return result and detail of each line, by what was checked.
    """
    rows = checkup.Found({"engines": [{"dynatrace": options}]})
    asked = connections.ask_all({"dynatrace": load(options)}, vars(engine))
    connections.collect(rows, asked, time.monotonic() + seconds)
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    return {row["check"]: (row["result"], row["detail"]) for row in rows.rows}


def options(url: str, token: str, **more: Any) -> dict[str, Any]:
    """
    Return the options of an engine.
    """
    return {"environment_url": url, "api_token": token, **more}


def test_a_token_with_all_scopes_is_good_and_leaves_nothing_behind() -> None:
    """No problem has a comment afterwards."""
    with Tenant() as tenant:
        problem = tenant.open_problem(tenant.add_process(tenant.add_host()))
        lines = found(options(tenant.url, tenant.add_token()))
        assert {name: result for name, (result, _) in lines.items()} == {
            f"tenant {scope}": "ok" for scope in SCOPES
        }
        assert tenant.comments(problem) == []
        tenant.check()


@pytest.mark.parametrize("missing", SCOPES)
def test_a_missing_scope_is_named(missing: str) -> None:
    """The others are still told to be good."""
    with Tenant() as tenant:
        token = tenant.add_token([scope for scope in SCOPES if scope != missing])
        lines = found(options(tenant.url, token))
        assert [name for name, (result, _) in lines.items() if result == "fail"] == [
            f"tenant {missing}"
        ]


def test_scopes_that_are_not_needed_are_not_asked_for() -> None:
    """Without feedback nothing is written; without a token there is no tenant."""
    with Tenant() as tenant:
        token = tenant.add_token(list(SCOPES[:2]))
        lines = found(options(tenant.url, token, feedback=False))
        assert {result for result, _ in lines.values()} == {"ok"}
    assert found({"webhook": {"token": TOKEN, "port": free_ports(1)[0]}}).keys() == {"webhook"}


def test_a_tenant_that_is_away_or_silent_does_not_hold_the_check_up() -> None:
    """The time is bounded, and what did not answer is said."""
    token = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
    away = found(options("http://127.0.0.1:1", token))
    assert {result for result, _ in away.values()} == {"fail"}
    with serving(lambda *_: time.sleep(60)) as silent:
        began = time.monotonic()
        lines = found(options(f"http://127.0.0.1:{silent.port}", token), 0.5)
        assert time.monotonic() - began < 30
    assert lines["tenant problems.read"] == ("fail", "no answer in time")


def test_a_url_with_a_wrong_path_is_no_tenant_with_a_good_token() -> None:
    """The 404 of a page that is not there is not that of a problem that is not there."""
    with Tenant() as tenant:
        lines = found(options(f"{tenant.url}/ui/apps", tenant.add_token()))
    result, detail = lines["tenant problems.read"]
    assert (result, detail.endswith("correct `environment_url`")) == ("fail", True)


def test_a_token_that_a_server_echoes_is_not_in_a_line() -> None:
    """Nor its secret part alone."""
    token = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
    with serving(says(token.encode(), b"401 No")) as tenant:
        lines = found(options(f"http://127.0.0.1:{tenant.port}", token))
    assert lines["tenant problems.read"][0] == "fail"
    assert "VERYSECRET" not in str(lines)


def webhook(port: int, **more: Any) -> dict[str, Any]:
    """
    Return the options of an engine with the webhook of the fixture.
    """
    return {"webhook": {"port": port, "token": TOKEN, **more}}


def test_a_webhook_that_takes_its_credentials_is_good(served: Served) -> None:
    """A bearer token as well as a password."""
    assert found(webhook(served.port))["webhook"][0] == "ok"
    basic = {"token": None, "username": USER, "password": PASSWORD}
    assert found({"webhook": {"port": served.port, **basic}})["webhook"][0] == "ok"


def test_a_webhook_with_tls_is_asked_over_tls(tmp_path: Path) -> None:
    """Whatever name its certificate has."""
    Authority(tmp_path, "ca").server("elsewhere.example.com")
    pem = str(tmp_path / "ca-elsewhere.example.com-False.pem")
    served = Served(tmp_path, ssl_crt=pem, ssl_key=pem)
    lines: dict[str, tuple[str, str]] = {}

    def good() -> bool:
        lines.update(found(webhook(served.port, ssl_crt=pem, ssl_key=pem)))
        return lines["webhook"][0] == "ok"

    until(good)
    assert lines["webhook"][1].startswith("https://127.0.0.1:")


def test_a_webhook_that_is_somebody_elses_is_told(served: Served) -> None:
    """Nothing there, another program, or other credentials; none of them is shown."""
    lines = [
        found(webhook(free_ports(1)[0]))["webhook"],
        found(webhook(served.port, token="ANOTHERSECRET"))["webhook"],
    ]
    with serving(says(b"hello")) as other:
        lines.append(found(webhook(other.port))["webhook"])
    assert {result for result, _ in lines} == {"fail"}
    assert "does not answer" in lines[0][1]
    assert "refuses the configured credentials" in lines[1][1]
    assert "is answered by something else than the engine" in lines[2][1]
    assert "SECRET" not in str(lines)
