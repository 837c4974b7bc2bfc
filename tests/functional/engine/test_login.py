"""
An engine that logs in as an OAuth client, while the SSO or the login fails: said once, survived, and healed from without
a restart; nothing is closed by it.
"""

from __future__ import annotations

import logging

import pytest
from _dynatrace.api import connection, oauth

from tests.functional.engine.conftest import Scene
from tests.functional.engine.test_faults import said
from tests.functional.engine.world import World
from tests.tenant.platform.scopes import CLIENT_SCOPES

#: The login is that of each test.
pytestmark = pytest.mark.parametrize("tenant", ["classic"], indirect=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let an SSO that failed be asked again at once: the world's time is not that of the login.
    """
    monkeypatch.setattr(oauth, "RETRY_S", 0.0)


class Login:
    """
    A world whose engine reads the platform as a client.
    """

    def __init__(self, scene: Scene) -> None:
        self.tenant, self.scene = scene.tenant, scene
        self.client_id, self.secret = self.tenant.add_oauth_client()
        client = {
            "client_id": self.client_id,
            "client_secret": self.secret,
            "token_url": self.tenant.sso_url,
        }
        given = {"environment_url": self.tenant.platform_url, "api_token": None, "oauth": client}
        self.world: World = scene.world(**given)
        self.opened = 0

    def open(self) -> None:
        self.opened += 1
        self.tenant.open_problem(self.scene.host(f"web{self.opened}"))

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.world.poll(61)


@pytest.fixture
def login(scene: Scene) -> Login:
    """
    An engine that has read a problem.
    """
    found = Login(scene)
    found.world.reacts = lambda _: False
    found.open()
    found.poll()
    assert found.world.whats() == ["open"]
    return found


@pytest.mark.parametrize(
    ("fault", "level", "text"),
    [
        ("sso_down", logging.WARNING, "no connection to the SSO"),
        ("sso_400", logging.ERROR, "the SSO refused the OAuth client (400)"),
        ("sso_401", logging.ERROR, "the SSO refused the OAuth client (401)"),
        ("sso_html", logging.WARNING, "see `oauth:token_url`"),
        ("sso_slow", logging.WARNING, "no answer within 0.3 s"),
    ],
)
def test_an_sso_that_fails_is_said_once_and_recovered_from(
    login: Login,
    fault: str,
    level: int,
    text: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    What was open stays open, and what opened meanwhile is found afterwards.
    """
    login.tenant.end_access_tokens()
    if fault == "sso_slow":
        monkeypatch.setattr(connection, "READ_TIMEOUT_S", 0.3)
        login.tenant.fault(fault, times=None, delay=2.0)
    else:
        login.tenant.fault(fault, times=None)
    caplog.set_level(logging.DEBUG)
    login.open()
    login.poll(3)
    assert login.world.whats() == ["open"]
    [told] = said(caplog, logging.WARNING)
    assert text in told
    assert [one.levelno for one in caplog.records if one.levelno >= logging.WARNING] == [level]
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 20.0)
    login.tenant.clear_faults()
    login.poll()
    assert login.world.whats() == ["open", "open"]
    assert any("answers again" in one for one in said(caplog, logging.INFO))
    assert login.secret not in caplog.text


def test_access_tokens_that_end_early_are_noticed_by_nobody(
    login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The SSO gives another one in the same poll.
    """
    for _ in range(3):
        login.tenant.end_access_tokens()
        login.open()
        login.poll()
    assert login.world.whats() == ["open"] * 4
    assert said(caplog, logging.WARNING) == []


def test_a_client_that_loses_its_scopes_and_gets_them_again_needs_no_restart(
    login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The tenant refuses from then on; nothing is closed, and it is said once.
    """
    caplog.set_level(logging.INFO)
    login.tenant.lose_scope(login.client_id, *CLIENT_SCOPES)
    login.open()
    login.poll(3)
    assert login.world.whats() == ["open"]
    told = [one for one in said(caplog, logging.WARNING) if "problems cannot be read" in one]
    assert len(told) == 1
    assert "(403)" in told[0]
    login.tenant.gain_scope(login.client_id, *CLIENT_SCOPES)
    login.poll()
    assert login.world.whats() == ["open", "open"]
