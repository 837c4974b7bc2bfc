"""
Whether a reactor may take an order, by the list that the master has and the files that it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _dynatrace.master.reactors import MAX_FILE_BYTES, Reactors, asked_for

from tests.unit.docs.pages import REPO, blocks

OPEN, RETRY = "dynatrace/problem/open/availability/P-1", "dynatrace/problem/retry/availability/P-1"
TAGS = (OPEN, RETRY)
SHIPPED = (REPO / "reactor" / "apache2.sls").read_text(encoding="utf-8")
REMEDY = SHIPPED.replace("(data, 'APACHE_HTTPD')", "(data)")
NOTIFIER = """
{%- if salt['dynatrace.genuine'](data) %}
tell:
  local.slack.post: [{tgt: bot}, {args: [{text: {{ (data['title'] ~ data.url) | tojson }}}]}]
{%- endif %}
"""


class Scene:
    """
    A master's reactors, and files that they may name.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reactor: Any = []
        self.now = 0.0
        self.served: dict[str, str] = {}
        self.takers = Reactors(lambda: self.reactor, self.served.get, lambda: self.now)

    def file(self, text: str, name: str = "a.sls") -> str:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def why(self, *technologies: str) -> str | None:
        return self.takers.why_untaken(TAGS, technologies)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize(
    "reactor",
    [
        None,
        [],
        [{"salt/minion/*/start": ["/srv/x.sls"]}],
        [{"dynatrace/problem/open/error/*": ["/srv/x.sls"]}],
        [{"dynatrace/problem/*": []}],
        ["dynatrace/problem/*", {OPEN: ["/a"], RETRY: ["/b"]}, 7],
    ],
)
def test_without_a_reactor_nothing_is_taken(scene: Scene, reactor: Any) -> None:
    """As Salt reads the list: an entry of several tags, or of none, it passes over."""
    scene.reactor = reactor
    assert scene.why("APACHE_HTTPD") == "no reactor is mapped to its events"


@pytest.mark.parametrize("tag", ["dynatrace/*", "dynatrace/problem/*/availability/*", RETRY])
def test_a_file_takes_the_technologies_that_it_asks_for(scene: Scene, tag: str) -> None:
    """One of a process will do; the reason names those that nobody takes."""
    scene.reactor = [{tag: [scene.file(SHIPPED)]}]
    assert scene.why("APACHE_HTTPD") is None
    assert scene.why("PHP", "APACHE_HTTPD") is None
    assert scene.why("NGINX", "PHP") == "no reactor takes NGINX, PHP"
    assert scene.why() == "Dynatrace names no technology of it"


def test_several_files_take_what_each_asks_for(scene: Scene) -> None:
    """A second remedy is a second file; a notifier takes nothing."""
    [nginx] = blocks(REPO / "docs" / "how-to" / "write-a-remedy.md", "jinja")
    scene.reactor = [
        {"dynatrace/problem/open/*": scene.file(SHIPPED)},
        {"dynatrace/problem/open/*": [scene.file(nginx, "b.sls"), scene.file(NOTIFIER, "c.sls")]},
    ]
    assert (scene.why("APACHE_HTTPD"), scene.why("NGINX")) == (None, None)
    assert scene.why("TOMCAT") == "no reactor takes TOMCAT"


def test_what_cannot_be_read_may_take_anything(scene: Scene) -> None:
    """A missing or endless file, and a map that is a path itself: a person is called if nobody takes the order."""
    large = scene.file(SHIPPED + "#" * MAX_FILE_BYTES, "large.sls")
    latin = scene.directory / "latin.sls"
    latin.write_bytes(b"\xff\xfe")
    for path in ("/nonexistent.sls", large, str(latin), str(scene.directory), "salt://x.sls"):
        scene.reactor = [{"dynatrace/*": [path]}]
        assert scene.why("NGINX") is None, path
    scene.reactor = "/etc/salt/reactor.map"
    assert scene.why("NGINX") is None


def test_a_file_of_the_file_server_is_read_where_it_lies(scene: Scene) -> None:
    """An installation by gitfs maps its reactor so."""
    scene.served["dynatrace/reactor/apache2.sls"] = scene.file(SHIPPED)
    scene.reactor = [{"dynatrace/*": ["salt://dynatrace/reactor/apache2.sls"]}]
    assert scene.why("APACHE_HTTPD") is None
    assert scene.why("NGINX") == "no reactor takes NGINX"


def test_a_file_that_asks_for_no_technology_takes_what_has_a_remedy(scene: Scene) -> None:
    """And only that; one that asks for a technology takes its processes whatever remedy they have."""
    assert asked_for(REMEDY) == frozenset({""})
    scene.reactor = [{"dynatrace/*": [scene.file(REMEDY)]}]
    assert scene.takers.why_untaken(TAGS, ["NGINX"], "nginx") is None
    assert scene.takers.why_untaken(TAGS, [], "unit") is None
    assert scene.why("NGINX") == "no remedy of the catalogue takes it (NGINX)"
    assert scene.why() == "no remedy of the catalogue takes it (Dynatrace names no technology)"
    scene.reactor.append({"dynatrace/*": [scene.file(SHIPPED, "b.sls")]})
    assert scene.why("APACHE_HTTPD") is None
    assert scene.why("NGINX") == "no remedy of the catalogue takes it (NGINX)"


def test_a_remedy_needs_a_reactor_that_takes_it(scene: Scene) -> None:
    """The reason names the file to map."""
    scene.reactor = [{"dynatrace/*": [scene.file(SHIPPED)]}]
    assert scene.takers.why_untaken(TAGS, ["APACHE_HTTPD"], "apache2") is None
    assert scene.takers.why_untaken(TAGS, ["NGINX"], "nginx") == (
        "no reactor takes the remedy nginx: map reactor/remedy.sls"
    )
    scene.reactor = []
    assert scene.takers.why_untaken(TAGS, [], "nginx") == "no reactor is mapped to its events"


def test_a_changed_file_counts_within_seconds(scene: Scene) -> None:
    """Salt reads it anew at each event."""
    scene.reactor = [{"dynatrace/*": [scene.file(SHIPPED)]}]
    assert scene.why("NGINX") is not None
    scene.file(SHIPPED.replace("APACHE_HTTPD", "NGINX"))
    scene.now += 6
    assert scene.why("NGINX") is None


ASKED: list[tuple[str, frozenset[str] | None]] = [
    (SHIPPED, frozenset({"APACHE_HTTPD"})),
    (NOTIFIER, frozenset()),
    ("", frozenset()),
    ("# data['minions']\n{# salt['dynatrace.order'](data, 'NGINX') #}", frozenset()),
    ("{% set o = salt['dynatrace.order'](data, technology) %}", None),
    ("{% set o = salt['dynatrace.order']( data ) %}", frozenset({""})),
    ("{% set o = salt['dynatrace.order'](data, technology=None) %}", None),
    (REMEDY + "{% for m in data['minions'] %}{% endfor %}", None),
    ("{% set o = salt['dynatrace.order'](data, 'nginx' ~ x) %}", None),
    ("{% set o = salt.dynatrace.order(data, 'NGINX') %}", None),
    (SHIPPED + "{% for m in data['minions'] %}{% endfor %}", None),
    (SHIPPED + "{% for t in data.targets %}{% endfor %}", None),
    (SHIPPED + "{{ data }}", None),
    ("x: {local.state.apply: [{tgt: web01}, {jid: {{ data['jid'] }}}]}", None),
    ("{% if data['attempt'] > 0 %}{% endif %}", None),
    ("{% include 'remedies.sls' %}" + SHIPPED, None),
    ("#!py\ndef run(): return act(__data__)", None),
    ("#!jinja|yaml\n" + SHIPPED, frozenset({"APACHE_HTTPD"})),
]


@pytest.mark.parametrize(("text", "expected"), ASKED)
def test_a_file_that_acts_by_anything_else_may_take_anything(
    text: str, expected: frozenset[str] | None
) -> None:
    """Only what is known for sure keeps an order back."""
    assert asked_for(text) == expected
