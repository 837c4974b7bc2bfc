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


ALL = {"comment": True, "close": True, "event": True}
CLASSIC = (*SCOPES, "events.ingest", "bizevents.ingest", "settings.read")


def left_behind(tenant: Tenant) -> list[Any]:
    """
    Return what the check wrote: nothing, in whatever way it asked.
    """
    written = ("comment added", "event ingested", "business event ingested")
    return [entry for entry in tenant.journal if entry.what in written] + tenant.bizevents


def test_a_token_with_all_scopes_is_good_and_leaves_nothing_behind() -> None:
    """No problem has a comment or an event afterwards, and none is closed."""
    with Tenant() as tenant:
        problem = tenant.open_problem(tenant.add_process(tenant.add_host()))
        lines = found(options(tenant.url, tenant.add_token(list(CLASSIC)), feedback=ALL))
        assert lines == {
            f"tenant {what}": ("ok", "allowed")
            for what in (
                "read problems",
                "read entities",
                "comment",
                "close",
                "event",
                "business event",
                "settings",
            )
        }
        assert (tenant.comments(problem), problem.status) == ([], "OPEN")
        assert left_behind(tenant) == []


@pytest.mark.parametrize(
    ("missing", "lacks", "result"),
    [
        ("problems.read", ["read problems"], "fail"),
        ("entities.read", ["read entities"], "fail"),
        ("problems.write", ["comment", "close"], "warn"),
        ("events.ingest", ["event"], "warn"),
    ],
)
def test_a_missing_scope_is_named(missing: str, lacks: list[str], result: str) -> None:
    """What the engine does without is a warning that tells how; the others are still told to be good."""
    with Tenant() as tenant:
        token = tenant.add_token([scope for scope in CLASSIC if scope != missing])
        lines = found(options(tenant.url, token, feedback=ALL))
    assert {name: result for name, (result, _) in lines.items() if result != "ok"} == {
        f"tenant {what}": result for what in lacks
    }
    for what in lacks:
        told = lines[f"tenant {what}"][1]
        assert missing in told
        assert (result == "fail") is ("business event is written instead" not in told)


def test_what_is_needed_by_nothing_is_told_as_good() -> None:
    """The token that the documentation asks for has neither of these scopes."""
    with Tenant() as tenant:
        lines = found(options(tenant.url, tenant.add_token()))
    assert {result for result, _ in lines.values()} == {"ok"}
    assert lines["tenant business event"][1].startswith("not allowed; it is needed only where")
    assert lines["tenant settings"][1].startswith("not allowed; the engine does without")


def test_an_oauth_client_is_asked_for_what_the_platform_has() -> None:
    """Workflows too; entities are not needed where a record names them."""
    with Tenant() as tenant:
        client_id, secret = tenant.add_oauth_client()
        login = {"client_id": client_id, "client_secret": secret, "token_url": tenant.sso_url}
        given = {"environment_url": tenant.platform_url, "oauth": login, "feedback": ALL}
        lines = found(given)
        shown = {name: result for name, (result, _) in lines.items()}
        assert shown == {
            "tenant read problems": "ok",
            "tenant read entities": "ok",
            "tenant comment": "ok",
            "tenant close": "ok",
            "tenant event": "warn",
            "tenant business event": "ok",
            "tenant settings": "ok",
            "tenant workflows": "ok",
        }
        assert "give the client that scope" in lines["tenant event"][1]
        assert "not allowed" in lines["tenant workflows"][1]
        tenant.gain_scope(client_id, "automation:workflows:read")
        tenant.lose_scope(
            client_id,
            "environment-api:entities:read",
            "storage:entities:read",
            "storage:smartscape:read",
        )
        lines = found(given)
        assert lines["tenant workflows"] == ("ok", "allowed")
        assert lines["tenant read entities"][0] == "warn"
        assert left_behind(tenant) == []
        tenant.revoke(client_id)
        told = found(given)["tenant read problems"]
        assert (told[0], "the SSO refused the OAuth client (400)" in told[1]) == ("fail", True)
        assert secret not in str(told)


def test_problems_that_grail_would_not_show_are_told() -> None:
    """A query is answered, by nothing, where the client may not read the bucket."""
    with Tenant() as tenant:
        client_id, secret = tenant.add_oauth_client()
        tenant.lose_scope(client_id, "storage:buckets:read")
        login = {"client_id": client_id, "client_secret": secret, "token_url": tenant.sso_url}
        given = {"environment_url": tenant.platform_url, "oauth": login}
        result, told = found(given)["tenant read problems"]
        assert found({**given, "source": "problems"})["tenant read problems"] == ("ok", "allowed")
    assert (result, "shows no problem without storage:buckets:read" in told) == ("fail", True)


def test_what_an_engine_is_not_to_tell_is_not_asked_for() -> None:
    """Without feedback nothing is posted; without credentials there is no tenant."""
    with Tenant() as tenant:
        token = tenant.add_token(list(SCOPES[:2]))
        lines = found(options(tenant.url, token, feedback=False))
        assert {result for result, _ in lines.values()} == {"ok"}
        assert {call.method for call in tenant.requests} == {"GET"}
    assert found({"webhook": {"token": TOKEN, "port": free_ports(1)[0]}}).keys() == {"webhook"}


def test_a_tenant_that_is_away_or_silent_does_not_hold_the_check_up() -> None:
    """The time is bounded, and what did not answer is said."""
    token = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
    away = found(options("http://127.0.0.1:1", token))
    assert [away[f"tenant {what}"][0] for what in ("read problems", "comment")] == ["fail"] * 2
    assert "not known (GET /settings/objects: no connection" in away["tenant settings"][1]
    with serving(lambda *_: time.sleep(60)) as silent:
        began = time.monotonic()
        lines = found(options(f"http://127.0.0.1:{silent.port}", token), 0.5)
        assert time.monotonic() - began < 30
    assert lines["tenant read problems"] == ("fail", "no answer in time")


def test_a_url_with_a_wrong_path_is_no_tenant_with_a_good_token() -> None:
    """The 404 of a page that is not there is not that of a problem that is not there."""
    with Tenant() as tenant:
        lines = found(options(f"{tenant.url}/ui/apps", tenant.add_token()))
    result, detail = lines["tenant read problems"]
    assert (result, detail.endswith("correct `environment_url`")) == ("fail", True)


def test_an_api_that_is_not_there_is_not_allowed() -> None:
    """A Managed cluster has no business events: that it does not know the path is no permission."""
    body = b'{"error": {"code": 404, "message": "HTTP 404 Not Found"}}'
    token = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
    with serving(says(body, b"404 No")) as tenant:
        lines = found(options(f"http://127.0.0.1:{tenant.port}", token, feedback=ALL))
    assert lines["tenant business event"][1].startswith(
        "not known (POST /bizevents/ingest: unknown"
    )
    assert lines["tenant event"][0] == "fail"


def test_a_token_that_a_server_echoes_is_not_in_a_line() -> None:
    """Nor its secret part alone."""
    token = "dt0c01.SYNTHETICSYNTHETICSYNTHE.VERYSECRET"
    with serving(says(token.encode(), b"401 No")) as tenant:
        lines = found(options(f"http://127.0.0.1:{tenant.port}", token))
    assert lines["tenant read problems"][0] == "fail"
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
