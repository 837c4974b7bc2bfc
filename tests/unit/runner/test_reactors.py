"""
What `dynatrace.check` says about the reactors of a master.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import salt.config
import yaml
from _dynatrace_runner import checkup, reactors

from tests.unit.docs.pages import blocks
from tests.unit.minion.loading import REPO

OPEN = "dynatrace/problem/open/availability/*"
RETRY = "dynatrace/problem/retry/availability/*"
SHIPPED = str(REPO / "reactor" / "apache2.sls")
NGINX = blocks(REPO / "docs" / "how-to" / "write-a-remedy.md", "jinja")[0]


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """
    A site's own file root.
    """
    (tmp_path / "srv" / "remedy").mkdir(parents=True)
    return tmp_path / "srv"


def told(roots: Path, mapped: Any, remedies: Any = None) -> list[tuple[str, str]]:
    """
    Return result and detail of what is said about `reactor: mapped`, with this catalogue.
    """
    opts = salt.config.master_config(None)
    cache = {"cachedir": str(roots.parent / "cache"), "fileserver_list_cache_time": 0}
    tree = {"base": [str(REPO / "salt"), str(roots)]}
    opts.update(cache, file_roots=tree, fileserver_backend=["roots"], reactor=mapped)
    opts["dynatrace_remedies"] = remedies
    rows = checkup.Found({})
    reactors.check(rows, {**opts, "__role": "master", "__opts": None})
    assert all(bool(row["fix"]) == (row["result"] != "ok") for row in rows.rows)
    return [(row["result"], row["detail"]) for row in rows.rows]


def both(*paths: str) -> list[dict[str, list[str]]]:
    """
    Map `open` and `retry` to paths, as master.d/reactor.conf does.
    """
    return [{OPEN: list(paths)}, {RETRY: list(paths)}]


def copied(roots: Path, name: str, text: str) -> str:
    """
    Write a reactor file and return its path.
    """
    path = roots / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("mapped", [both(SHIPPED), [{OPEN: SHIPPED}, {"dynatrace/*": SHIPPED}]])
def test_a_reactor_that_can_act_is_good(mapped: Any, roots: Path) -> None:
    """A path alone is as good as a list of them."""
    assert told(roots, mapped) == [("ok", SHIPPED)]


def test_a_map_in_a_file_and_files_by_a_pattern_are_read_as_salt_reads_them(roots: Path) -> None:
    """The key `reactor` may name a file; a path may name several."""
    listed = roots / "map.yaml"
    listed.write_text(yaml.safe_dump(both(str(REPO / "reactor" / "*.sls"))))
    assert [result for result, _ in told(roots, str(listed))] == ["ok", "ok"]


@pytest.mark.parametrize("mapped", [None, [], [{"salt/*": ["/x"]}]])
def test_without_any_reactor_the_engine_only_reports(mapped: Any, roots: Path) -> None:
    """That may be meant."""
    [(result, detail)] = told(roots, mapped)
    assert (result, "nothing is healed" in detail) == ("warn", True)


@pytest.mark.parametrize(
    ("mapped", "detail"),
    [
        ({OPEN: [SHIPPED], RETRY: [SHIPPED]}, "`reactor` is no list"),
        ([{OPEN: [SHIPPED], RETRY: [SHIPPED]}], f"not one tag with its files: {OPEN}, {RETRY}"),
        ([OPEN], f"not one tag with its files: {OPEN}"),
        ([{"dynatrace/problem/opened/availability/*": [SHIPPED]}], "no event of the engine has"),
        ([{"dynatrace/open/*": [SHIPPED]}], "no event of the engine has a tag like"),
        ([{"dynatrace/problem/open/AVAILABILITY/*": [SHIPPED]}], "no event of the engine has"),
        ([{"dynatrce/problem/open/*": [SHIPPED]}], "no event of the engine has a tag like"),
    ],
)
def test_what_salt_passes_over_without_a_word_is_said(
    mapped: Any, detail: str, roots: Path
) -> None:
    """A mapping for a list, two tags below one dash, a tag that never comes."""
    (first, second) = told(roots, mapped)
    assert (first[0], detail in first[1]) == ("fail", True)
    assert second[0] == "warn"


@pytest.mark.parametrize(
    "tag",
    [
        "dynatrace*",
        "dynatrace/*",
        "dynatrace/problem/*",
        "dynatrace/problem/healed/*/P-2407114",
        "dynatrace/problem/healthy/*",
        "dynatrace/problem/open/custom_alert/*",
        "dynatrace/notification/test",
        "dynatrace/*/escalated/*",
        "salt/job/*",
    ],
)
def test_a_tag_that_comes_is_not_doubted(tag: str, roots: Path) -> None:
    """Whoever is told only, maps other tags as well."""
    assert told(roots, [*both(SHIPPED), {tag: []}]) == [("ok", SHIPPED)]


def test_who_forgot_retry_is_told_so(roots: Path) -> None:
    """Only a first attempt would ever be made."""
    (first, second) = told(roots, [{OPEN: [SHIPPED]}])
    assert (first[0], "takes `open` and not `retry`" in first[1]) == ("warn", True)
    assert second == ("ok", SHIPPED)


def test_a_file_must_be_there_and_ask_whether_events_are_genuine(roots: Path) -> None:
    """A word in a comment asks nothing."""
    careless = "{# dynatrace.genuine #}\nx:\n  local.cmd.run:\n    - tgt: '*'\n"
    [(result, detail)] = told(roots, both(copied(roots, "careless.sls", careless)))
    assert (result, "any minion" in detail) == ("fail", True)
    assert told(roots, both("/absent.sls")) == [("fail", "/absent.sls is not there")]
    assert told(roots, both("salt://absent.sls")) == [("fail", "salt://absent.sls is not there")]


def test_a_copy_for_another_service_must_name_a_state_that_is_there(roots: Path) -> None:
    """As docs/how-to/write-a-remedy.md has it; the job would fail, at night."""
    path = copied(roots, "nginx.sls", NGINX)
    [(result, detail)] = told(roots, both(path))
    assert (result, detail) == (
        "fail",
        f"{path} applies the state remedy.nginx, which no file root has",
    )
    (roots / "remedy" / "nginx.sls").write_text("{}\n")
    assert told(roots, both(path)) == [("ok", path)]


def test_of_two_files_that_use_one_id_or_one_technology_one_is_lost(roots: Path) -> None:
    """Both files are good by themselves."""
    text = Path(SHIPPED).read_text()
    same = copied(roots, "same.sls", text)
    found = told(roots, both(SHIPPED, same))
    assert [result for result, _ in found] == ["ok", "ok", "fail", "fail"]
    assert "the ID dynatrace-reactor-apache2-local-state-apply" in found[2][1]
    assert "the technology APACHE_HTTPD" in found[3][1]
    other = text.replace("dynatrace-reactor-apache2", "other").replace("APACHE_HTTPD", "TOMCAT")
    path = copied(roots, "other.sls", other)
    assert told(roots, both(SHIPPED, path)) == [("ok", SHIPPED), ("ok", path)]


REMEDY = str(REPO / "reactor" / "remedy.sls")
REMEDIES = {"web": {True: {"technology": ["NGINX", "APACHE_HTTPD"]}, "service": "apache2"}}


def test_what_the_catalogue_and_a_file_of_the_site_take_is_told(roots: Path) -> None:
    """Both work, and a minion runs the job of one of them."""
    found = told(roots, both(REMEDY, SHIPPED), REMEDIES)
    assert [result for result, _ in found] == ["ok", "ok", "warn"]
    assert f"{SHIPPED} takes APACHE_HTTPD, and so does the catalogue's web" in found[2][1]
    other = {"db": {"on": {"technology": "MYSQL"}, "service": "mysql"}}
    assert [result for result, _ in told(roots, both(REMEDY, SHIPPED), other)] == ["ok", "ok"]


def test_a_catalogue_that_no_reactor_starts_is_told(roots: Path) -> None:
    """The engine orders what its remedies take, and nobody would take the orders."""
    found = told(roots, both(SHIPPED), REMEDIES)
    assert found[1] == ("warn", "`dynatrace_remedies` is set, and no reactor starts its remedies")
    copy = copied(roots, "copy.sls", Path(REMEDY).read_text().replace("reactor-remedy", "copy"))
    found = told(roots, both(REMEDY, copy), REMEDIES)
    assert [result for result, _ in found] == ["ok", "ok", "fail"]
    assert "both start the catalogue's remedies" in found[2][1]


@pytest.mark.parametrize(
    "remedies",
    [
        *(None, [], "x", {"x": None, 7: {}}, {"x": {"on": "y"}}),
        *({"x": {"on": {"technology": 7}}}, {"x": {"on": {"technology": [{}]}}}),
    ],
)
def test_a_catalogue_of_any_form_is_survived(remedies: Any, roots: Path) -> None:
    """What is wrong with it another line tells."""
    for mapped in (both(SHIPPED), both(REMEDY, SHIPPED)):
        assert all(result != "fail" for result, _ in told(roots, mapped, remedies))
