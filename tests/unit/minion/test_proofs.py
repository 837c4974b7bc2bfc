"""
How proofs are written, what each kind makes of what it finds, and the verdict of several.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.unit.minion import loading
from tests.unit.minion.loading import load, private

SERVICE = {
    "service": "orders",
    "container": None,
    "sls": None,
    "proof": None,
    "url": None,
    "host": None,
    "statuses": [],
    "timeout": 5,
    "stays": 3,
    "beyond_loopback": False,
}
SEEN = {
    "unit": "orders.service",
    "active": "active",
    "main": 4711,
    "since": 1000.0,
    "stopped": False,
    "executable": "/usr/bin/orders",
    "listens": [],
    "refusal": None,
}
URL = {"kind": "url", "url": "http://127.0.0.1/", "host": None, "statuses": [], "contains": None}


def module() -> Any:
    return load("_utils/_dynatrace_utils/remedy/proofs.py")


def read(proof: Any, **settings: Any) -> Any:
    return module().read({**SERVICE, "proof": proof, **settings})


def wrong(proof: Any, **settings: Any) -> list[str]:
    return list(module().wrong({**SERVICE, "proof": proof, **settings}))


def ask(proof: Any, seen: Any = SEEN, look: Any = None, **settings: Any) -> Any:
    proofs: Any = loading._loaded["_dynatrace_utils.remedy.proofs"]
    with loading.together():
        return proofs.ask({**SERVICE, "proof": proof, **settings}, look, seen)


@pytest.fixture(autouse=True)
def kinds() -> Any:
    return private().remedy.proof_kinds


@pytest.mark.parametrize(
    ("proof", "kinds"),
    [
        (None, ["unit"]),
        ("unit", ["unit"]),
        ("http", ["http"]),
        ("http://127.0.0.1/x", ["url"]),
        ({"url": "https://localhost/", "server_name": "shop.example.com"}, ["url"]),
        ("tcp:8080", ["tcp"]),
        ("tcp:[::1]:8080", ["tcp"]),
        ("tcp:localhost:8080", ["tcp"]),
        ("unix:/run/php/php8.2-fpm.sock", ["unix"]),
        ("disk:/var<90%", ["disk"]),
        ("process:/usr/sbin/nginx", ["process"]),
        ("container:cart-1", ["container"]),
        (["mysqladmin", "ping"], ["command"]),
        (["/bin/httpd", "-t"], ["command"]),
        (["curl", "http://127.0.0.1/"], ["command"]),
        (["pg_isready", "-p", 5432], ["command"]),
        (["tcp:8080", "unit"], ["tcp", "unit"]),
        (["unit", ["redis-cli", "ping"]], ["unit", "command"]),
        ([["redis-cli", "ping"], {"url": "http://127.0.0.1/"}], ["command", "url"]),
    ],
)
def test_each_form_is_read_as_its_kind(proof: Any, kinds: list[str]) -> None:
    """One, or a list of which all must hold; a list of words is a command."""
    assert [one["kind"] for one in read(proof)] == kinds
    assert wrong(proof) == []


def test_what_a_form_says_is_what_is_asked() -> None:
    """With the loopback where no host is named."""
    assert read("tcp:80") == [{"kind": "tcp", "host": "127.0.0.1", "port": 80}]
    assert read("tcp:[::1]:80") == [{"kind": "tcp", "host": "::1", "port": 80}]
    assert read("disk:/var/lib<99.5%") == [{"kind": "disk", "path": "/var/lib", "below": 99.5}]
    assert read(["true", 1]) == [{"kind": "command", "words": ["true", "1"]}]


def test_url_is_the_short_form_of_one_proof() -> None:
    """It stands in the place of the bare question, and beside all others."""
    short = {"url": "http://127.0.0.1/", "host": "a", "statuses": [204]}
    own = {**URL, **short, "server_name": None}
    assert read(None, **short) == read("http", **short) == [own]
    assert read(["tcp:80", "http"], **short) == [own, *read("tcp:80")]


def test_the_default_of_a_container_is_the_container() -> None:
    """It has no unit."""
    assert read(None, service=None, container="cart*") == [{"kind": "stays"}]


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ("tpc:80", "'tpc:80' is none; its form is: tcp:[host:]port"),
        ("tcp:http", "its form is: tcp:[host:]port"),
        ("tcp:0", "tcp:[host:]port"),
        ("tcp:65536", "tcp:[host:]port"),
        ("unix:run/x", "its form is: unix:/path"),
        ("disk:/var<90", "its form is: disk:/mount<90%"),
        ("disk:/var<101%", "disk:/mount<90%"),
        ("disk:/var>10%", "disk:/mount<90%"),
        ("process:nginx", "process:/path/of/executable"),
        ("container:--all", "container:name"),
        ("units", "its form is: unit"),
        ("mysqladmin ping", "a command is a list of words"),
        ("http://", "url must be an http or https address"),
        ("http://127.0.0.1:99999/", "url must be"),
        (7, "a command is a list of words"),
        ([], "is an empty list"),
        ([[]], "is no command"),
        ([["ls", None]], "is no command"),
        ([True], "is none"),
        (["tpc:80", "unit"], "its form is: tcp:[host:]port"),
        (["nuit", "tcp:80"], "its form is: unit"),
        (["some:thing"], "a command is a list of words"),
        ({"url": "http://127.0.0.1/", "body": "x"}, "has no key body"),
        ({"host": "x"}, "url must be"),
        ({"url": "http://127.0.0.1/", "statuses": ["200"]}, "statuses must be"),
        ({"url": "http://127.0.0.1/", "contains": ""}, "contains must be a text"),
        ("http://192.0.2.1/", "no address of this machine's loopback"),
        ("tcp:192.0.2.1:80", "no address of this machine's loopback"),
        (["unit"] * 9, "8 are the most"),
    ],
)
def test_a_malformed_one_names_the_form_that_is_near(proof: Any, said: str) -> None:
    """A misspelt proof that were run as a command would fail, and restart what serves."""
    [told] = wrong(proof)
    assert said in told and (told.startswith("proof ") or "loopback" in told)


def test_beyond_the_loopback_only_where_the_site_says_so() -> None:
    """As for `url`."""
    assert wrong(["tcp:192.0.2.1:80", "http://192.0.2.1/"], beyond_loopback=True) == []


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["serves", "serves"], "serves"),
        (["serves", "unclear"], "unclear"),
        (["unclear", "silent", "serves"], "silent"),
        (["serves", "fails", "unclear"], "fails"),
    ],
)
def test_all_must_hold(kinds: Any, verdicts: list[str], expected: str) -> None:
    """The gravest counts, and it says what decided; after one that fails nothing is asked any more."""
    asked: list[str] = []

    def answer(proof: Any, *_: Any) -> Any:
        asked.append(proof["words"][0])
        return {"verdict": proof["words"][0], "said": f"said {proof['words'][0]}"}

    kinds.KINDS = {**kinds.KINDS, "command": answer}
    told = ask([[word] for word in verdicts])
    assert (told["verdict"], told["said"].split("; ")[0]) == (expected, f"said {expected}")
    assert asked == verdicts[: verdicts.index("fails") + 1 if "fails" in verdicts else None]


def test_a_port_that_takes_connections_is_proved_by_whose_it_is() -> None:
    """One of another program proves nothing; of an SLS nothing is asked."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        own = {**SEEN, "listens": [["0.0.0.0", port]]}
        assert ask(f"tcp:{port}", own)["verdict"] == "serves"
        assert ask(f"tcp:{port}", None)["verdict"] == "serves"
        assert ask(f"tcp:{port}", {**SEEN, "listens": None})["verdict"] == "serves"
        told = ask(f"tcp:{port}", SEEN)
        assert told["verdict"] == "unclear" and "does not hold its port" in told["said"]
    told = ask(f"tcp:{port}", own)
    assert told == {
        "verdict": "fails",
        "said": f"127.0.0.1:{port} takes no connection (Connection refused)",
    }


def test_a_host_without_an_address_cannot_be_asked() -> None:
    """That is no outage of the service."""
    told = ask("tcp:no-such-host.invalid:80", beyond_loopback=True)
    assert told["verdict"] == "unclear"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_a_socket_takes_connections_of_its_own_kind(tmp_path: Path, kind: int) -> None:
    """And fails when nobody listens any more, or it is gone."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, kind) as door:
        door.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            door.listen()
        assert ask(f"unix:{path}")["verdict"] == "serves"
    assert ask(f"unix:{path}")["verdict"] == "fails"
    path.unlink()
    assert ask(f"unix:{path}")["verdict"] == "fails"


def test_a_socket_whose_queue_is_full_fails(tmp_path: Path) -> None:
    """As that of a process that is stopped."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as door, socket.socket(socket.AF_UNIX) as guest:
        door.bind(str(path))
        door.listen(0)
        guest.connect(str(path))
        assert ask(f"unix:{path}", timeout=0.2)["verdict"] == "fails"


def test_a_command_proves_by_its_end(tmp_path: Path) -> None:
    """It is run by no shell, and says what it printed last."""
    assert ask(["true"])["verdict"] == "serves"
    told = ask(["sh", "-c", "echo no luck; exit 3"])
    assert told == {
        "verdict": "fails",
        "said": "`sh …` ended with 3: no luck",
    }
    assert ask(["test", "$HOME", "=", "$HOME"])["verdict"] == "serves"


def test_a_command_that_is_not_there_proves_nothing() -> None:
    """It would restart what serves."""
    told = ask(["no-such-command-of-the-test"])
    assert told["verdict"] == "unclear" and "No such file" in told["said"]


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """Nothing of it goes on."""
    pids = tmp_path / "pids"
    script = f"sleep 900 & echo $! >{pids}; wait"
    began = time.monotonic()
    told = ask(["sh", "-c", script], timeout=1)
    assert told["verdict"] == "fails" and "did not end within 1 s" in told["said"]
    assert time.monotonic() - began < 30
    left = [one for one in psutil.process_iter() if one.pid == int(pids.read_text())]
    assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_disk_is_as_full_as_df_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what users may have; what root keeps does not count."""
    found = os.statvfs_result((4096, 4096, 1000, 150, 100, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: found)
    assert ask("disk:/var<90%")["verdict"] == "serves"
    assert ask("disk:/var<89%") == {"verdict": "fails", "said": "/var is 89.5% full"}


def test_a_disk_that_is_not_there_proves_nothing() -> None:
    """Nothing is done for a path that was misspelt."""
    assert ask("disk:/no/such/path<90%")["verdict"] == "unclear"


def test_a_process_is_one_that_runs_the_executable() -> None:
    """Of this machine."""
    mine = os.readlink("/proc/self/exe")
    assert ask(f"process:{mine}")["verdict"] == "serves"
    assert ask("process:/no/such/program")["verdict"] == "fails"


class Clock:
    """
    A time that passes by sleeping.
    """

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def stays(kinds: Any, age: float, after: Any = SEEN, before: Any = SEEN) -> tuple[str, float]:
    kinds.time = clock = Clock(1000.0 + age)
    told = ask("unit", before, lambda: after)
    return told["verdict"], clock.now - 1000.0 - age


@pytest.mark.parametrize(
    ("age", "after", "verdict", "waited"),
    [
        (3600, SEEN, "serves", 0),
        (1, SEEN, "serves", 2),
        (-900, SEEN, "serves", 3),
        (1, {**SEEN, "main": 4712, "since": 1002.0}, "fails", 2),
        (1, {**SEEN, "main": None}, "fails", 2),
        (1, {**SEEN, "stopped": True}, "fails", 2),
        (1, {**SEEN, "main": None, "refusal": "systemd does not answer"}, "unclear", 2),
        (1, {**SEEN, "active": "deactivating"}, "unclear", 2),
    ],
)
def test_a_unit_keeps_its_main_process(
    kinds: Any, age: float, after: Any, verdict: str, waited: float
) -> None:
    """Only a young one is waited for, and no longer than it has to stay."""
    assert stays(kinds, age, after) == (verdict, pytest.approx(waited))


@pytest.mark.parametrize("active", ["activating", "deactivating", "inactive", "failed"])
def test_a_unit_that_is_not_active_proves_nothing(kinds: Any, active: str) -> None:
    """It starts still, or its process was begun beside it: nothing is restarted for that."""
    assert stays(kinds, 3600, before={**SEEN, "active": active})[0] == "unclear"
    assert stays(kinds, 3600, before={**SEEN, "active": None})[0] == "serves"
