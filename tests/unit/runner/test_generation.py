"""
What `dynatrace.check` says of the generation of an environment, and of what its next phase ends.
"""

from __future__ import annotations

from typing import Any

import pytest
from _dynatrace.api import environment
from _dynatrace.config import config as configuration
from _dynatrace_runner import checkup, generation

LIVE = "https://abc12345.live.dynatrace.com"
APPS = "https://abc12345.apps.dynatrace.com"
TOKEN = {"api_token": "dt0c01.ABC.DEF"}
OAUTH = {"oauth": {"client_id": "dt0s02.ABC", "client_secret": "dt0s02.ABC.DEF"}}


def told(**options: Any) -> tuple[str, list[str]]:
    """
    Return what is said of the environment, and of each thing that ends.
    """
    rows = checkup.Found({})
    configs = {"dynatrace": configuration.load(options)}
    generation.check(rows, configs, {"environment": environment})
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    assert all(row["instance"] == "dynatrace" for row in rows.rows)
    first, *rest = rows.rows
    assert first["result"] == "ok"
    assert all(row["result"] == "warn" for row in rest)
    return first["detail"], [row["detail"] for row in rest]


def test_a_classic_environment_is_told_what_ends() -> None:
    """Its URL and its token; and nothing that it does not use."""
    what, ends = told(environment_url=LIVE, **TOKEN)
    assert "classic" in what
    assert ["classic URLs" in ends[0], "API tokens" in ends[1], len(ends)] == [True, True, 2]


def test_a_platform_environment_with_oauth_has_nothing_to_fear() -> None:
    """Neither the webhook, which a workflow calls there."""
    what, ends = told(environment_url=APPS, webhook={"token": "x"}, **OAUTH)
    assert "every phase" in what
    assert ends == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"problem_selector": 'managementZones("web")'}, "management zones"),
        ({"feedback": {"event": True}}, "feedback:event"),
        ({"webhook": {"token": "x"}}, "notifications"),
    ],
)
def test_each_thing_that_ends_is_told_where_it_is_used(options: dict[str, Any], word: str) -> None:
    """One line each, with what to do."""
    _, ends = told(environment_url=LIVE, **TOKEN, **options)
    assert [word in one for one in ends].count(True) == 1
    assert len(ends) == 3


@pytest.mark.parametrize(
    "url", ["https://managed.example.com/e/0a1b", "https://gate.example.com:9999/e/0a1b"]
)
def test_managed_is_left_out_of_it(url: str) -> None:
    """The phases concern environments that Dynatrace hosts."""
    what, ends = told(environment_url=url, feedback={"event": True}, **TOKEN)
    assert "Managed" in what
    assert ends == []


def test_an_engine_without_a_login_has_no_environment() -> None:
    """It works from notifications alone."""
    rows = checkup.Found({})
    configs = {"dynatrace": configuration.load({"webhook": {"token": "x"}})}
    generation.check(rows, configs, {"environment": environment})
    assert rows.rows == []
