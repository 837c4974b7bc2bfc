"""
The token is where it must be, and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.functional.oneagent.conftest import TOKEN, Minion, downloads

SECRET = TOKEN.rpartition(".")[2].encode()


def everybody(what: str) -> dict[int, bytes]:
    """
    Return a file of /proc of each process: its command line, or its environment.
    """
    found = {}
    for path in Path("/proc").glob(f"[0-9]*/{what}"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = path.read_bytes()
    return found


def by_pillar(minion: Minion) -> None:
    """The token stands in the pillar as it is."""
    minion.pillar(host_group="web")


def by_sdb(minion: Minion) -> None:
    """The token stands in a file that only an sdb profile names."""
    path = minion.root / "secrets.yaml"
    path.write_text(json.dumps({"installer_token": TOKEN}))
    conf = minion.root / "conf" / "minion"
    profile = {"driver": "yaml", "files": [str(path)]}
    conf.write_text(json.dumps({**json.loads(conf.read_text()), "secrets": profile}))
    minion.pillar({"installer_token": "sdb://secrets/installer_token"}, host_group="web")


def where_the_secret_lies(minion: Minion) -> set[str]:
    found = set()
    for path in minion.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and SECRET in path.read_bytes():
            found.add(str(path.relative_to(minion.root)))
    return found


@pytest.mark.parametrize(
    ("give", "level", "places"),
    [
        # A masterless minion renders its own pillar, and Salt logs what it renders from `debug` on.
        (by_pillar, "info", {"pillar/site.sls"}),
        (by_sdb, "trace", {"secrets.yaml"}),
    ],
)
def test_the_token_is_in_no_output_log_cache_or_process(
    minion: Minion, give: object, level: str, places: set[str]
) -> None:
    """Looked for in all that the minion prints and writes, and in every process while it runs."""
    assert callable(give)
    give(minion)
    wait = minion.root / "mark.wait"
    wait.touch()
    command = minion.command(
        "state.apply", "dynatrace.oneagent", f"--log-file-level={level}", level=level
    )
    with (
        open(minion.root / "printed", "wb") as printed,
        subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT) as run,
    ):
        try:
            until = time.monotonic() + 120
            # The installer waits for us, so it is seen while it runs.
            while not any(b"installer.sh" in line for line in everybody("cmdline").values()):
                assert time.monotonic() < until
                assert run.poll() is None, (minion.root / "printed").read_text()[-2000:]
                time.sleep(0.02)
            assert any(b"salt-call" in line for line in everybody("cmdline").values())
            assert [p for p, line in everybody("cmdline").items() if SECRET in line] == []
            assert [p for p, line in everybody("environ").items() if SECRET in line] == []
            wait.unlink()
            run.wait(120)
        finally:
            run.kill()
    assert minion.has_run
    assert downloads(minion.tenant) == ["latest"]
    assert list(minion.root.rglob("return.p")), "the job cache is kept"
    assert (minion.root / "minion.log").stat().st_size > 0 or level == "info"
    assert where_the_secret_lies(minion) == places


@pytest.mark.parametrize(
    ("fault", "status"), [("server_error", 401), ("server_error", 404), ("redirect_elsewhere", 302)]
)
def test_a_failure_does_not_say_the_token(minion: Minion, fault: str, status: int) -> None:
    """Neither in the comment nor in a traceback."""
    minion.tenant.fault(fault, path="/installer/", status=status)
    told = minion.apply()
    assert told["installed"]["result"] is False
    assert SECRET.decode() not in minion.output
    assert "Traceback" not in minion.output
    assert where_the_secret_lies(minion) == {"pillar/site.sls"}
