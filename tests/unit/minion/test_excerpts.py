"""
What a file of evidence, and a comment, may show of a log.
"""

from __future__ import annotations

import time
from types import ModuleType

import pytest

from tests.unit.minion.loading import load


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """
    The module as a minion has it.
    """
    return load("_utils/_dynatrace_utils/remedy/excerpts.py")


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD=hunter2",
        "db.password: hunter2",
        '{"user": "x", "password": "hunter2"}',
        "started with --password hunter2 --verbose",
        "started with --db-passwd=hunter2",
        "mysql -u root --password='hunter2'",
        "Authorization: Bearer hunter2",
        "authorization: Basic hunter2",
        "sends Bearer hunter2",
        "Api-Token hunter2",
        "connects to postgres://app:hunter2@db/app",
        "Cookie: hunter2",
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "apiKey=hunter2",
        "X-Api-Key: hunter2",
        "dt0c01.hunter2.hunter2",
        "client_secret = hunter2",
        "Server=db;Uid=app;Pwd=hunter2;",
        "ALTER USER app IDENTIFIED BY 'hunter2'",
        "requirepass hunter2",
        "AUTH hunter2",
        "mysql -uroot -phunter2 app",
        "ghp_hunter2hunter2hunter2",
    ],
)
def test_a_secret_is_taken_out(module: ModuleType, line: str) -> None:
    """Wherever it stands in the line; what is around it stays."""
    shown = module.clean(f"before {line} after", 1000)
    assert "hunter2" not in shown
    assert shown.startswith("before ")
    assert "…" in shown


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2\nand no end",
        "hunter2\n-----END PRIVATE KEY-----\nstopped",
    ],
)
def test_a_private_key_is_taken_out_whole(module: ModuleType, text: str) -> None:
    """Also one that the log cut."""
    assert "hunter2" not in module.clean(text, 1000)


@pytest.mark.parametrize(
    "line",
    [
        "password authentication failed for user app",
        "token expired at 12:00",
        "no secret here",
        "nc -p 8080 and -p8080",
        "auth: could not open /etc/x",
        "listens on 127.0.0.1:80",
        "GET http://127.0.0.1/health 503",
        "AH00558: apache2: Could not reliably determine the server's fully qualified domain name",
    ],
)
def test_what_is_no_secret_stays(module: ModuleType, line: str) -> None:
    """Such lines tell why a service failed."""
    assert module.clean(line, 1000) == f"{line}\n"


def test_what_a_terminal_obeys_and_what_is_too_long_is_gone(module: ModuleType) -> None:
    """The end of a text is what counts."""
    assert module.clean("a\x1b[31mb\x07\u202ec", 1000) == "a?[31mb??c\n"
    assert module.clean("x" * 5000, 100_000) == "x" * module.LINE + "\n"
    text = module.clean("\n".join(f"line {number}" for number in range(10_000)), 1000)
    assert len(text.encode()) <= 1000
    assert text.endswith("line 9999\n")
    assert module.clean("\ud800", 1000) == "?\n"


def test_the_last_lines_that_speak_of_a_failure_tell_most(module: ModuleType) -> None:
    """Each once, and cut for a comment."""
    journal = (
        "started\nbind failed: no space\nbind failed: no space\nfatal: " + "x" * 500 + "\nstopped"
    )
    log = "an error of yesterday\ncannot open it\nfine"
    assert module.telling([log, journal]) == [
        "cannot open it",
        "bind failed: no space",
        ("fatal: " + "x" * 500)[: module.SHOWN],
    ]
    assert module.telling(["one\ntwo\nthree\nfour"]) == ["two", "three", "four"]
    assert module.telling(["", ""]) == []


def test_of_the_kernel_counts_what_it_did_to_processes(module: ModuleType) -> None:
    """A disk that it complains about is another matter."""
    told = "usb 1-1: device error\nOut of memory: Killed process 7 (java)\nsegfault at 0"
    assert module.of_the_kernel(told).splitlines() == told.splitlines()[1:]


@pytest.mark.parametrize(
    "text", ["a" * 2**20, "password" * 100_000, "--token " * 100_000, "=" * 2**20, "a.b-" * 250_000]
)
def test_no_text_makes_it_slow(module: ModuleType, text: str) -> None:
    """Of the processor's time, since other tests run beside; what is quadratic takes minutes."""
    begun = time.thread_time()
    module.clean(text, 145_000)
    module.clean("\n".join(text[at : at + 1000] for at in range(0, len(text), 1000)), 145_000)
    assert time.thread_time() - begun < 20
