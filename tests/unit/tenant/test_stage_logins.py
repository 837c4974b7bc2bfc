"""
The two logins that a stage gives to its engine.
"""

from __future__ import annotations

from tests.harness.logins import LOGINS
from tests.tenant import Tenant
from tests.unit.tenant.conftest import Receiver, ask_sso

TOKEN = "listener-token"


def test_the_classic_login_is_a_token_and_a_notification(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """The token is its secret."""
    login = LOGINS["classic"](tenant)
    assert login.options == {"environment_url": tenant.url, "api_token": login.secrets[0]}
    login.tell(receiver.url, TOKEN)
    tenant.open_problem(process)
    tenant.wait_for("notification sent")
    assert receiver.bodies()[0]["State"] == "OPEN"


def test_the_platforms_login_is_a_client_and_a_workflow(
    tenant: Tenant, process: str, receiver: Receiver
) -> None:
    """Its secrets are that of the client and every access token."""
    login = LOGINS["platform"](tenant)
    client = login.options["oauth"]
    assert login.options["environment_url"] == tenant.platform_url
    assert client["token_url"] == tenant.sso_url
    answer = ask_sso(tenant, client["client_id"], client["client_secret"]).json()
    assert {client["client_secret"], answer["access_token"]} <= set(login.secrets)
    login.tell(receiver.url, TOKEN)
    tenant.open_problem(process)
    tenant.wait_for("workflow succeeded")
    assert receiver.bodies()[0]["event.status"] == "ACTIVE"
