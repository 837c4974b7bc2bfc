"""
What the reactor makes of an event, whatever is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _dynatrace.master import envelope

from tests.unit.minion.loading import load
from tests.unit.minion.signing import ACT_UNTIL, PROCESS, signed, write_key
from tests.unit.sls.rendering import render

HOSTILE = [
    "web01\ninjected:\n  local.cmd.run:\n    - tgt: '*'",
    "x\"\n    - tgt: '*'\n    - foo: \"y",
    "x'\n    - tgt: '*'\n    - foo: 'y",
    "{{ salt['cmd.run']('touch /tmp/x') }}",
    "{% raw %}{# a #}%}}}",
    "a: b",
    "- *anchor",
    "&anchor !!python/object:os.system x",
    "# comment",
    "%TAG",
    "yes",
    "010",
    "null",
    "",
    " ",
    "\u0085\u2028\u2029\u00a0",
    "\x00\x07\x1b[31m\x7f",
    "</script><!--",
    "\\u0041\\n\\",
    "k=v",
    "x" * 50_000,
]


#: A remedy whose settings are as hostile as any text can be: the admin writes them, and they stay data too.
CATALOGUE = {"nginx": {"on": {"technology": "NGINX"}, "service": "nginx", "logs": HOSTILE}}


def reaction(tmp_path: Path, data: Any, sls: str = "apache2") -> Any:
    write_key(tmp_path)
    opts = {"cachedir": str(tmp_path), "__role": "master", "dynatrace_remedies": CATALOGUE}
    module = load("_modules/dynatrace_master.py", opts=opts)
    functions = {"dynatrace.genuine": module.genuine, "dynatrace.order": module.order}
    return render(
        f"reactor/{sls}.sls", tmp_path, functions, data=data, tag="dynatrace/problem/open"
    )


def expected(title: str = "Process unavailable", **attempt: Any) -> dict[str, Any]:
    about = {
        "id": "9f0c2a41d7e85b36",
        "jid": "20240721065959123456",
        "problem_id": "7861321333982118719_1721545199999V2",
        "display_id": "P-2407114",
        "number": 1,
        "title": title,
        "valid_until": ACT_UNTIL,
        "remedy": None,
        "processes": {"web01": PROCESS},
        **attempt,
    }
    return {
        "dynatrace-reactor-apache2-local-state-apply": {
            "local.state.apply": [
                {"tgt": ["web01"]},
                {"tgt_type": "list"},
                {"jid": "20240721065959123456"},
                {
                    "metadata": {
                        "dynatrace_attempt": about["id"],
                        "dynatrace_problem": about["problem_id"],
                        "dynatrace_display_id": about["display_id"],
                    }
                },
                {
                    "args": [
                        {"mods": "dynatrace.remedy.apache2"},
                        {"queue": True},
                        {"pillar": {"dynatrace_attempt": about}},
                    ]
                },
            ]
        }
    }


def test_an_open_problem_runs_the_remedy_under_the_job_id_of_the_event(tmp_path: Path) -> None:
    """One reaction, on a list of minions, with the attempt as metadata and pillar."""
    assert reaction(tmp_path, signed()) == expected()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_changes_nothing_but_that_text(tmp_path: Path, text: str) -> None:
    """The parsed reaction is the same, with the text in its one place, exactly."""
    data = signed(
        title=text, affected=[{"id": text, "name": text}], tags=[text], **{"x" + text: text}
    )
    assert reaction(tmp_path, data) == expected(title=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_every_value_is_quoted(tmp_path: Path, text: str) -> None:
    """Even ids that the engine checks before they get here cannot leave their place."""
    minion = text[:100]  # The id of an accepted minion is the name of a file.
    processes = {minion: {**PROCESS, "executable": text, "unit": text}}
    data = signed(
        problem_id=text,
        display_id=text,
        attempt_id=text,
        jid=text,
        technologies={"APACHE_HTTPD": [minion]},
        processes=processes,
        act_until=text,
    )
    ids = dict.fromkeys(("id", "jid", "problem_id", "display_id", "valid_until"), text)
    result = expected(**ids, processes=processes)
    chunk = result["dynatrace-reactor-apache2-local-state-apply"]["local.state.apply"]
    chunk[0]["tgt"], chunk[2]["jid"] = [minion], text
    assert reaction(tmp_path, data) == result


def test_an_emoji_in_the_title_does_not_lose_the_reaction(tmp_path: Path) -> None:
    """YAML refuses the surrogates that tojson writes, so the engine replaces such characters."""
    title = envelope.clean("web \U0001f525")
    assert reaction(tmp_path, signed(title=title)) == expected(title="web \ufffd")


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 0},
        {"technologies": {}},
        {"technologies": {"APACHE_HTTPD": []}},
        {"technologies": {"NGINX": ["web01"]}},
    ],
)
def test_an_event_without_an_attempt_for_apache_gives_nothing(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Who is held, and what is no apache2, is not acted on."""
    assert not reaction(tmp_path, signed(**change))


@pytest.mark.parametrize(
    "data",
    [
        {},
        None,
        [],
        "text",
        {"attempt": "1", "technologies": "APACHE_HTTPD"},
        {**signed(), "minions": ["*"]},
        {**signed(), "technologies": {"APACHE_HTTPD": ["*"]}},
        {**signed(), "signature": {}},
        {**signed(), "__peer_id": "127.0.0.2"},
        {key: [] for key in signed()},
        {key: {"x": None} for key in signed()},
    ],
)
def test_a_forged_event_gives_nothing_and_raises_nothing(tmp_path: Path, data: Any) -> None:
    """Missing keys and wrong types never come to the reaction."""
    assert not reaction(tmp_path, data)


def by_catalogue(title: str) -> dict[str, Any]:
    remedy = {"name": "nginx", "settings": {"service": "nginx", "logs": HOSTILE}}
    [(_, call)] = expected(title, remedy=remedy).items()
    call["local.state.apply"][4]["args"][0] = {"mods": "dynatrace.remedy"}
    return {"dynatrace-reactor-remedy-local-state-apply": call}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_remedy_of_the_catalogue_is_run_with_its_settings(tmp_path: Path, text: str) -> None:
    """Whatever the event holds beside its name."""
    data = signed(title=text, remedy="nginx", technologies={})
    assert reaction(tmp_path, data, "remedy") == by_catalogue(text)


@pytest.mark.parametrize(
    "change", [{"remedy": None}, {"remedy": "haproxy"}, {"remedy": "nginx", "attempt": 0}, {}]
)
def test_what_has_no_remedy_is_left_to_other_reactors(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """The shipped reactor knows no technology."""
    assert not reaction(tmp_path, signed(**change), "remedy")


@pytest.mark.parametrize("data", [{}, None, "text", {"remedy": "nginx"}, {"remedy": {"x": 1}}])
def test_a_forged_event_runs_no_remedy(tmp_path: Path, data: Any) -> None:
    """Nor does one that is signed and forged after that."""
    assert not reaction(tmp_path, data, "remedy")
    assert not reaction(tmp_path, {**signed(), "remedy": "nginx"}, "remedy")
