"""
Minions that look for states in another environment than base.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.harness import ScratchSalt
from tests.harness.config import REPO

STATE = "dynatrace.remedy"


@pytest.fixture(scope="module")
def scratch() -> Iterator[ScratchSalt]:
    """
    A master that serves the project in base and stage, and minions that look in prod, stage and base.
    """
    minions = {"web01": {"saltenv": "prod"}, "web02": {"saltenv": "stage"}, "web03": {}}
    engine = {"environment_url": "http://127.0.0.1:9", "api_token": "dt0c01.SYNTHETIC"}
    roots = {"stage": [str(REPO / "salt")], "prod": [str(REPO / "docs")]}
    included = {
        "engines.conf": {"engines": [{"dynatrace": engine}]},
        "environments.conf": {"file_roots": roots},
    }
    with ScratchSalt(minions=minions, included=included, with_api=False) as running:
        yield running


def test_the_check_names_who_looks_where_no_remedy_is(scratch: ScratchSalt) -> None:
    """What it says of each is what this minion finds."""
    found = scratch.call("state.sls_exists", STATE)
    assert found == {"web01": False, "web02": True, "web03": True}
    until = time.monotonic() + 60
    while True:
        rows = scratch.run("dynatrace.check")["checks"]
        said = [row["detail"] for row in rows if "environment" in row["detail"]]
        if said or time.monotonic() > until:
            break
        time.sleep(1)
    assert said == [
        f"web01 look in the environment prod, which has not got the state {STATE}: it is in base, stage"
    ]
