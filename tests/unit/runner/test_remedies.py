"""
How the catalogue is shown, with what each remedy would take of a tenant's processes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from _dynatrace.api.client import Client
from _dynatrace.config.catalogue import validate
from _dynatrace.core import coverage
from _dynatrace.core import remedies as core
from _dynatrace_runner import remedies

from tests.tenant import Tenant

GIVEN = {
    "nginx": {"on": {"technology": "NGINX"}, "service": "nginx"},
    "unit": {"on": {"unit": ["app-*"]}, "policy": {"dry_run": True}},
    "httpd": {
        "on": {"technology": "APACHE_HTTPD"},
        "os_family": {"Debian": {"service": "apache2"}, "RedHat": {"service": "httpd"}},
    },
    "wrong": {"on": {"technology": "REDIS"}, "servic": "redis"},
}


def collected(
    monkeypatch: pytest.MonkeyPatch, client: Client | None, processes: bool = True
) -> Any:
    catalogue, faults = validate(GIVEN)
    rows = [
        {
            "remedy": one.name,
            "on": {kind: list(values) for kind, values in one.on.items()},
            "policy": dict(one.policy),
            "settings": dict(one.settings),
            "fault": one.fault or None,
        }
        for one in catalogue.remedies.values()
    ]
    engine = {
        "remedies": core,
        "coverage": coverage,
        "wiring": SimpleNamespace(client_for=lambda _: client),
        "configuration": SimpleNamespace(load=lambda options: options),
    }
    answer = {"facts": {"faults": faults}, "rows": rows}
    monkeypatch.setattr(remedies.bus, "ask", lambda *_: {"dynatrace": answer})
    monkeypatch.setattr(remedies.bus, "configured", lambda _: {"dynatrace": {}})
    monkeypatch.setattr(remedies.checkup, "loaded", lambda _: engine)
    return remedies.collected({}, None, 5.0, processes)["dynatrace"]


def test_each_remedy_is_told_with_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that take nothing, and what nothing takes."""
    with Tenant() as tenant:
        host = tenant.add_host("web01")
        for name, technology in (("nginx a", "NGINX"), ("nginx b", "NGINX"), ("sshd", None)):
            tenant.add_process(host, name, technology)
        tenant.add_process(host, "redis", "REDIS")
        found = collected(monkeypatch, Client(tenant.url, tenant.add_token()))
    rows = {row["remedy"]: row for row in found["remedies"]}
    assert (rows["nginx"]["processes"], rows["nginx"]["on"]) == (2, "technology: NGINX")
    assert rows["nginx"]["such_as"] == ["nginx a on web01", "nginx b on web01"]
    assert rows["unit"]["heals"] == "the unit that Dynatrace names; reported only"
    assert rows["httpd"]["heals"] == "service apache2, service httpd"
    assert (rows["httpd"]["processes"], rows["unit"]["processes"]) == (0, 0)
    assert rows["(no remedy)"]["such_as"] == ["sshd on web01"]
    assert "servic" in rows["wrong"]["heals"]
    assert rows["(held)"]["such_as"] == ["redis on web01"]
    assert found["unread"] is None
    assert any("servic" in fault for fault in found["faults"])


@pytest.mark.parametrize("processes", [True, False])
def test_the_catalogue_is_told_without_the_tenant(
    monkeypatch: pytest.MonkeyPatch, processes: bool
) -> None:
    """An engine without a token, or an admin who does not want to ask."""
    found = collected(monkeypatch, None, processes)
    assert len(found["remedies"]) == len(GIVEN)
    assert {row["processes"] for row in found["remedies"]} == {None}
    assert bool(found["unread"]) is processes


def test_a_tenant_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue is told all the same."""
    found = collected(monkeypatch, Client("http://127.0.0.1:1", "dt0c01.A.B"))
    assert len(found["remedies"]) == len(GIVEN)
    assert found["unread"]
