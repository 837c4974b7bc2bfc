"""
A free port is given once.
"""

from __future__ import annotations

import socket
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.harness import ports
from tests.harness.ports import free_ports

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_two_who_ask_never_get_the_same() -> None:
    """
    In one process and in several.
    """
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as others:
        asked = [others.submit(free_ports, 50) for _ in range(4)]
        given = [port for _ in range(100) for port in free_ports(1)]
        given += [port for one in asked for port in one.result()]
    assert len(set(given)) == len(given) == 300


def test_none_is_one_that_the_kernel_gives_to_a_connection() -> None:
    begin, _ = EPHEMERAL.read_text().split()
    assert max(free_ports(100)) < int(begin)


def test_one_that_is_taken_is_passed_over_and_the_last_is_followed_by_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "COUNTER", tmp_path / "counter")
    [first, second] = free_ports(2)
    assert (first, second) >= (ports.FIRST, ports.FIRST)
    monkeypatch.setattr(ports, "LAST", second)
    monkeypatch.setattr(ports, "FIRST", first)
    with socket.create_server(("127.0.0.1", first)):
        assert free_ports(1) == [second]
    assert free_ports(1) == [first]
