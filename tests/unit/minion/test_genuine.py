"""
Which events a reactor may act on.
"""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load
from tests.unit.minion.signing import iso, signed, write_key


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """
    The execution module as the master's reactor has it.
    """
    write_key(tmp_path)
    return load(
        "_modules/dynatrace_master.py", opts={"cachedir": str(tmp_path), "__role": "master"}
    )


@pytest.mark.parametrize("role", ["minion", "syndic", None])
def test_a_minion_neither_signs_nor_reads_the_key(module: ModuleType, role: str | None) -> None:
    """Where it has the master's directory too, who may call its functions may not command the engine."""
    event = module.sign({"x": 1}, 30)
    assert module.signed(event)
    module.__opts__["__role"] = role  # type: ignore[attr-defined]
    assert not module.signed(event)
    assert not module.genuine(signed())
    with pytest.raises(CommandExecutionError, match="this is no master"):
        module.sign({"x": 1}, 30)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def test_an_event_of_this_master_is_genuine(module: ModuleType) -> None:
    """The bus adds a time stamp, which is not signed; all else is."""
    assert module.genuine({**signed(), "_stamp": "2024-07-21T06:59:59.999999"})


def test_a_title_in_any_script_is_genuine(module: ModuleType) -> None:
    """What is signed is the ASCII form of the JSON, so no character is special."""
    assert module.genuine(signed(title="Prozess \u00e4\u2028\U0001f600 {{ x }}\n"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": "Other"}, "signature is not"),
        ({"minions": ["web02"]}, "signature is not"),
        ({"added": 1}, "signature is not"),
        ({"signature": "0" * 64}, "signature is not"),
        ({"signature": "\u0660" * 64}, "not signed"),
        ({"signature": None}, "not signed"),
        ({"__peer_id": "127.0.0.2"}, "another master"),
        ({"title": b"bytes"}, "TypeError"),
        ({"title": nested(100_000)}, "RecursionError"),
        ({1: "a key that cannot be sorted"}, "TypeError"),
    ],
)
def test_a_changed_event_is_refused_once_and_its_data_not_logged(
    module: ModuleType, change: dict[Any, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One WARNING says why; nothing of the event is in it."""
    with caplog.at_level(logging.DEBUG):
        assert module.genuine({**signed(), **change}) is False

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in record.getMessage()
    assert "web0" not in record.getMessage()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": True}, "schema"),
        ({"schema": 1.0}, "schema"),
        ({"valid_until": iso(-1)}, "too old"),
        ({"valid_until": "tomorrow"}, "no time"),
        ({"valid_until": 1e12}, "no time"),
        ({"valid_until": "2124-07-21T06:59:59"}, "time zone"),
        ({"valid_until": None}, "no time"),
        ({"fired": iso(86400)}, "future"),
        ({"fired": None}, "no time"),
        ({"attempt": None}, "missing"),
        ({"technologies": ["APACHE_HTTPD"]}, "missing"),
    ],
)
def test_a_signed_event_may_be_too_old_or_of_another_schema(
    module: ModuleType, change: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The signature alone does not make an event one to act on."""
    assert module.genuine(signed(**change)) is False
    assert reason in caplog.text


@pytest.mark.parametrize("key", [None, b"", b"short", b"f" * 65])
def test_without_a_whole_key_nothing_is_genuine(
    module: ModuleType, tmp_path: Path, key: bytes | None
) -> None:
    """An empty key file must not turn into an empty key that anybody can sign with."""
    path = tmp_path / "dynatrace" / "signing.key"
    path.unlink()
    if key is not None:
        path.write_bytes(key)
    assert module.genuine(signed()) is False


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)
KEYS = st.sampled_from(sorted(signed())) | st.text()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=VALUES)
def test_anything_at_all_is_refused(module: ModuleType, data: Any) -> None:
    """No value makes the check raise or pass."""
    assert module.genuine(data) is False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(KEYS, VALUES, min_size=1))
def test_a_genuine_event_with_any_change_is_refused(
    module: ModuleType, changes: dict[str, Any]
) -> None:
    """A signature is good for one event only."""
    event = signed()
    changed = {**event, **changes}
    if {**changed, "_stamp": 0} == {**event, "_stamp": 0} and repr(changed) == repr(event):
        return
    assert module.genuine(changed) is ("_stamp" in changes and len(changes) == 1)


CATALOGUE = {
    # As YAML reads the key `on`.
    "nginx": {True: {"technology": "NGINX"}, "service": "nginx", "proof": "http"},
    "unit": {"on": {"unit": "app-*"}, "policy": {"cooldown": 1}},
    "broken": "nginx",
    "no mapping": {"on": "nginx", "service": "nginx"},
    "no globs": {True: {"unit": 7}},
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [("nginx", {"service": "nginx", "proof": "http"}), ("unit", {"units": ["app-*"]})],
)
def test_an_order_has_the_settings_of_its_remedy(
    module: ModuleType, name: str, settings: dict[str, Any]
) -> None:
    """What the engine decides by stays on the master."""
    module.__opts__["dynatrace_remedies"] = CATALOGUE  # type: ignore[attr-defined]
    order = module.order(signed(remedy=name))
    assert order["minions"] == ["web01"]
    assert order["pillar"]["dynatrace_attempt"]["remedy"] == {"name": name, "settings": settings}
    assert module.remedy(name) == {"name": name, "settings": settings}


@pytest.mark.parametrize(
    "name", [None, "broken", "no mapping", "no globs", "other", "", 7, "../nginx"]
)
def test_without_a_remedy_of_the_catalogue_there_is_no_order(module: ModuleType, name: Any) -> None:
    """A reactor of a site's own may still take it by its technology."""
    module.__opts__["dynatrace_remedies"] = CATALOGUE  # type: ignore[attr-defined]
    data = signed(remedy=name)
    assert module.order(data) is None
    order = module.order(data, "APACHE_HTTPD")
    assert order["pillar"]["dynatrace_attempt"]["remedy"] is None


@pytest.mark.parametrize("catalogue", [None, [], "nginx", {}])
def test_without_a_catalogue_there_is_no_order(module: ModuleType, catalogue: Any) -> None:
    """Whatever the configuration holds in its place."""
    module.__opts__["dynatrace_remedies"] = catalogue  # type: ignore[attr-defined]
    assert module.order(signed(remedy="nginx")) is None


@pytest.mark.parametrize("change", [{"attempt": 0}, {"minions": []}])
def test_an_event_that_asks_for_no_action_gives_no_order(
    module: ModuleType, change: dict[str, Any]
) -> None:
    """A remedy alone is no reason to act."""
    module.__opts__["dynatrace_remedies"] = CATALOGUE  # type: ignore[attr-defined]
    assert module.order(signed(remedy="nginx", **change)) is None
