"""
What `dynatrace.check` says of the catalogue of remedies.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from _dynatrace.config import catalogue
from _dynatrace_runner import catalogue_check, checkup

from tests.unit.minion.loading import REPO

SHIPPED = yaml.safe_load((REPO / "master.d" / "remedies.conf").read_text())["dynatrace_remedies"]


def checked(given: Any) -> tuple[Any, list[tuple[str, str]]]:
    rows = checkup.Found({})
    read = catalogue_check.check(rows, {"dynatrace_remedies": given}, {"catalogue": catalogue})
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    return read, [(row["result"], row["detail"]) for row in rows.rows]


def test_what_is_shipped_is_good() -> None:
    """Each entry of master.d/remedies.conf, as a master reads the file."""
    read, [(result, detail)] = checked(SHIPPED)
    assert (result, detail[:11]) == ("ok", "13 remedies")
    assert set(read.remedies) == catalogue_check.SHIPPED


def test_each_fault_is_a_line_and_the_rest_works() -> None:
    """The engine logs the same."""
    wrong = {"on": {"technology": "VARNISH_CACHE"}, "servic": "varnish"}
    _, rows = checked({"varnish": wrong, **SHIPPED})
    assert [result for result, _ in rows] == ["fail", "ok"]
    assert "servic" in rows[0][1]
    assert "13 remedies" in rows[1][1]


@pytest.mark.parametrize(
    ("technology", "said"),
    [("NGNIX", "did you mean NGINX?"), ("X1", "not known to have a technology X1")],
)
def test_a_technology_that_dynatrace_does_not_know_is_told(technology: str, said: str) -> None:
    """An entry with it would take nothing, without a word."""
    _, rows = checked({"web": {"on": {"technology": technology}, "service": "web"}})
    assert [result for result, _ in rows] == ["warn", "ok"]
    assert said in rows[0][1]


def test_without_a_catalogue_there_is_nothing_to_check() -> None:
    """That no reactor starts anything then is told with the reactors."""
    assert checked(None) == (None, [])


class Minions:
    """
    Minions with services, whose remedies say what they are told to.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.services = {"web01": ["nginx", "apache2"], "web02": ["httpd"]}
        self.families = {"web01": "Debian", "web02": "RedHat"}
        self.comment = "It serves: http://127.0.0.1/ answered 200"
        self.tried: list[tuple[str, str]] = []
        monkeypatch.setattr(catalogue_check.minions, "call", self._call)
        order = lambda _, name: {"name": name, "settings": {}}  # noqa: E731
        monkeypatch.setattr(catalogue_check.catalogue, "order", order)

    def _call(
        self, _opts: Any, _wait: Any, names: Any, functions: Any, *_: Any, **more: Any
    ) -> Any:
        if functions == "state.apply":
            assert more["kwarg"]["test"] is True
            [name] = names
            self.tried.append((name, more["kwarg"]["pillar"]["dynatrace_remedy"]["name"]))
            return {name: {"x": {"comment": self.comment}}}
        lists, family = functions
        return {
            one: {lists: self.services[one], family: self.families[one]}
            for one in names
            if one in self.services
        }

    def said(self, given: Any) -> list[str]:
        read, _ = checked(given)
        rows = checkup.Found({})
        until = time.monotonic() + 600
        catalogue_check.check_minions(rows, {}, read, ["web01", "web02", "away"], until)
        assert all(row["result"] == "warn" for row in rows.rows)
        return [row["detail"] for row in rows.rows]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Minions:
    return Minions(monkeypatch)


def test_a_remedy_is_tried_where_its_service_is(fleet: Minions) -> None:
    """With test=True, once; the family of the minion says which service is meant."""
    assert fleet.said(SHIPPED) == []
    assert sorted(fleet.tried) == [("web01", "apache2"), ("web01", "nginx")]
    fleet.services["web01"] = []
    fleet.tried.clear()
    assert fleet.said(SHIPPED) == []
    assert fleet.tried == [("web02", "apache2")]


def test_a_service_that_no_minion_has_is_told_unless_it_is_one_that_we_ship(fleet: Minions) -> None:
    """Most shops have no HAProxy; a misspelt service is a mistake."""
    [detail] = fleet.said(
        {"orders": {"on": {"process": "orders*"}, "service": "ordres"}, **SHIPPED}
    )
    assert detail == "none of 2 asked minions has the service of orders: ordres"


@pytest.mark.parametrize(
    ("comment", "told"),
    [
        ("nginx would be restarted, and asked whether it serves", True),
        ("Nothing is done: nginx lives, and it is not known whether it serves", True),
        ("nginx would be started, and asked whether it serves", False),
        ("Nothing is done: redis is down here, and set `executable`", False),
    ],
)
def test_a_proof_that_fails_on_what_runs_is_told(fleet: Minions, comment: str, told: bool) -> None:
    """What is stopped there is no judgement of the proof."""
    fleet.comment = comment
    details = fleet.said({"nginx": SHIPPED["nginx"]})
    assert bool(details) is told


def test_what_is_only_reported_is_not_tried(fleet: Minions) -> None:
    """Nobody would run it."""
    fleet.services["web01"] = ["ssh"]
    assert fleet.said({"sshd": SHIPPED["sshd"]}) == []
    assert fleet.tried == []
