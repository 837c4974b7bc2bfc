"""
What the unit tests of several modules share: a ledger in a directory of its own, and a simulated tenant.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _dynatrace.api.client import Client
from _dynatrace.store.ledger import Ledger

from tests.tenant import Tenant


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """
    A new ledger, closed at the end.
    """
    opened = Ledger(tmp_path / "dynatrace" / "ledger.db")
    yield opened
    opened.close()


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """
    A tenant that answers; at the end it says which rules of the API the client broke.
    """
    with Tenant() as running:
        yield running
        running.check()


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """
    A client of the tenant with a token that has all scopes.
    """
    return Client(tenant.url, tenant.add_token())
