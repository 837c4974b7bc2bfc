"""
What a remedy knows of its service: the SLS, what differs by family, and the pillar, which wins.
"""

from __future__ import annotations

from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load

GIVEN = {
    "ports": [80],
    "os_family": {
        "Debian": {
            "service": "apache2",
            "executable": "/usr/sbin/apache2",
            "configtest": ["/usr/sbin/apache2ctl", "configtest"],
        }
    },
}


def settled(pillar: Any = None, family: str = "Debian", **given: Any) -> dict[str, Any]:
    module = load("_utils/_dynatrace_utils/remedy/settings.py")
    found: dict[str, Any] = module.settled("apache2", {**GIVEN, **given}, pillar or {}, family)
    return found


def lookup(**settings: Any) -> dict[str, Any]:
    return {"dynatrace": {"lookup": {"apache2": settings}}}


def test_the_pillar_wins_over_the_family_and_that_over_the_sls() -> None:
    """What nobody sets has its default."""
    found = settled(lookup(ports=[8443], executable="/opt/x/apache2"), timeout=5)
    assert found["ports"] == [8443] and found["executable"] == "/opt/x/apache2"
    assert (found["service"], found["timeout"], found["url"]) == ("apache2", 5, None)
    assert "os_family" not in found


def test_an_unknown_family_says_what_to_set() -> None:
    """Nothing is guessed for a system that we have no data for."""
    with pytest.raises(CommandExecutionError) as refused:
        settled(family="Suse")
    for key in ("service", "container", "sls"):
        assert f"dynatrace:lookup:apache2:{key}" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prots": [80]}, "no setting prots"),
        ({"configtest": "true"}, "configtest must be a list of words"),
        ({"url": "ftp://127.0.0.1/"}, "url must be an http or https address"),
        ({"url": "http://127.0.0.1:99999/"}, "url must be"),
        ({"url": 7}, "url must be"),
        ({"url": "http://192.0.2.1/"}, "no address of this machine's loopback"),
        ({"timeout": "2"}, "timeout must be a number of seconds"),
        ({"timeout": 0}, "timeout must be"),
        ({"deadline": True}, "deadline must be"),
        ({"deadline": float("nan")}, "deadline must be"),
        ({"ports": [0]}, "ports must be a list of ports"),
        ({"ports": 80}, "ports must be"),
        ({"statuses": ["200"]}, "statuses must be a list of HTTP statuses"),
        ({"executable": "apache2"}, "executable must be a full path"),
        ({"service": "--now apache2"}, "service must be the name of a service"),
        ({"pid_file": "run/x"}, "pid_file must be a full path"),
        ({"beyond_loopback": "no"}, "beyond_loopback must be true or false"),
        ({"steps": []}, "steps must be a list of reload and restart"),
        ({"steps": ["restart", "restart"]}, "steps must be"),
        ({"steps": ["stop"]}, "steps must be"),
        ({"stays": 0}, "stays must be"),
        ({"container": "cart*"}, "service and container are given"),
        ({"sls": "site.x"}, "service and sls are given"),
        ({"proof": "tpc:80"}, "'tpc:80' is none; its form is: tcp:[host:]port"),
        ({"proof": ["tcp:192.0.2.1:80"]}, "no address of this machine's loopback"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], said: str) -> None:
    """A misspelt key would otherwise be a remedy that acts on the wrong port at night."""
    for given in ({"pillar": lookup(**settings)}, settings):
        with pytest.raises(CommandExecutionError) as refused:
            settled(**given) if "pillar" in given else settled(lookup(**given))
        assert said in str(refused.value)


def test_all_that_is_wrong_is_told_together() -> None:
    """Who mends one at night has mended all."""
    with pytest.raises(CommandExecutionError, match=r"prots.*timeout must be.*ports must be"):
        settled(lookup(prots=[80], ports=80, timeout=-1))


@pytest.mark.parametrize(
    "pillar",
    [
        {"dynatrace": "x"},
        {"dynatrace": {"lookup": []}},
        {"dynatrace": {"lookup": {"apache2": "x"}}},
    ],
)
def test_a_pillar_of_another_form_is_no_pillar_without_settings(pillar: Any) -> None:
    """The site has set something, its `url` perhaps, and it would be lost without a word."""
    with pytest.raises(CommandExecutionError, match="must be a mapping"):
        settled(pillar)


def test_a_site_may_ask_beyond_the_loopback_when_it_says_so() -> None:
    """Both names of the loopback need no word."""
    for url in ("http://localhost/", "https://[::1]:8443/health"):
        assert settled(lookup(url=url))["url"] == url
    found = settled(lookup(url="https://shop.example.com/", beyond_loopback=True))
    assert found["url"] == "https://shop.example.com/"


def only(**given: Any) -> dict[str, Any]:
    module = load("_utils/_dynatrace_utils/remedy/settings.py")
    found: dict[str, Any] = module.settled("x", given, {}, "Debian")
    return found


@pytest.mark.parametrize(
    "given",
    [
        {"service": "nginx"},
        {"container": "cart*"},
        {"sls": "site.free_var", "proof": "disk:/var<90%"},
        {"units": ["app-*"]},
        {"os_family": {"Debian": {"service": "nginx"}}},
    ],
)
def test_one_setting_is_enough(given: dict[str, Any]) -> None:
    """All else has its default."""
    found = only(**given)
    assert (found["steps"], found["stays"], found["configtest"]) == (["restart"], 3, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sls": "site.free_var"}, "sls needs a `proof`"),
        ({"sls": "dynatrace.remedy", "proof": "tcp:80"}, "none of dynatrace"),
        ({"sls": "a b", "proof": "tcp:80"}, "sls must be"),
        ({"sls": "../x", "proof": "tcp:80"}, "sls must be"),
        ({"sls": "site.x", "proof": "unit"}, "proof unit is of a service"),
        ({"container": "x", "proof": "http"}, "proof http is of a service"),
        ({"container": "x", "configtest": ["true"]}, "configtest is of a service"),
        ({"container": "x", "steps": ["reload"]}, "steps is of a service"),
        ({"container": "--all"}, "container must be"),
        ({"container": "cart;x"}, "container must be"),
    ],
)
def test_what_does_not_go_together_is_named(given: dict[str, Any], said: str) -> None:
    """What would be ignored would be believed to do something."""
    with pytest.raises(CommandExecutionError) as refused:
        only(**given)
    assert said in str(refused.value)


NGINX = {"name": "nginx", "settings": {"service": "nginx"}}


def named(pillar: Any, **given: Any) -> Any:
    module = load("_utils/_dynatrace_utils/remedy/settings.py")
    return module.named("ordered", given, pillar)


@pytest.mark.parametrize(
    "pillar", [{"dynatrace_remedy": NGINX}, {"dynatrace_attempt": {"remedy": NGINX}}]
)
def test_an_ordered_state_takes_name_and_settings_from_the_pillar(pillar: Any) -> None:
    """Of the order, or by hand."""
    assert named(pillar, ordered=True, timeout=5) == ("nginx", {"service": "nginx", "timeout": 5})


def test_a_state_that_is_not_ordered_takes_nothing_from_the_pillar() -> None:
    """apache2.sls heals apache2, whatever else the order names."""
    pillar = {"dynatrace_attempt": {"remedy": NGINX}, "dynatrace_remedy": NGINX}
    assert named(pillar, service="apache2") == ("ordered", {"service": "apache2"})


@pytest.mark.parametrize(
    ("pillar", "place"),
    [
        ({}, "dynatrace_remedy"),
        ({"dynatrace_remedy": "nginx"}, "dynatrace_remedy"),
        ({"dynatrace_remedy": {"name": "../x"}}, "dynatrace_remedy"),
        ({"dynatrace_attempt": {"remedy": None}}, "dynatrace_attempt:remedy"),
        ({"dynatrace_attempt": None, "dynatrace_remedy": NGINX}, "dynatrace_attempt:remedy"),
        ({"dynatrace_attempt": {}, "dynatrace_remedy": NGINX}, "dynatrace_attempt:remedy"),
        ({"dynatrace_remedy": {**NGINX, "settings": "x"}}, "dynatrace_remedy:settings"),
    ],
)
def test_an_order_without_a_remedy_heals_nothing(pillar: Any, place: str) -> None:
    """Least of all what stands for runs by hand."""
    with pytest.raises(CommandExecutionError, match=f"the pillar {place}"):
        named(pillar, ordered=True)


def test_the_pillar_of_the_minion_wins_over_the_order() -> None:
    """By the name that the order gives."""
    module = load("_utils/_dynatrace_utils/remedy/settings.py")
    pillar = {
        "dynatrace_remedy": NGINX,
        "dynatrace": {"lookup": {"nginx": {"url": "https://127.0.0.1/", "timeout": 2}}},
    }
    chunk = {"name": "ordered", "ordered": True, "state": "dynatrace", "fun": "healed"}
    found = module.settled_chunk(chunk, pillar, "Debian")
    assert (found["service"], found["url"], found["timeout"]) == ("nginx", "https://127.0.0.1/", 2)
