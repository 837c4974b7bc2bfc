"""
Which tests stay together, and that workers are apart from each other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.harness import spread
from tests.harness.config import REPO

TEST = """
import os
from pathlib import Path

def test_of_a_worker():
    own = [os.readlink(f"/proc/self/ns/{one}") for one in ("net", "pid", "mnt")]
    Path(os.environ["SAID"], " ".join(own)).touch()
"""


def test_a_file_stays_together() -> None:
    """Its tests may share what takes long to make."""
    one, other = "tests/unit/engine/test_x.py::test_a[b::c]", "tests/unit/engine/test_x.py::test_d"
    assert spread.unit(one) == spread.unit(other) == "tests/unit/engine/test_x.py"


def test_what_is_named_in_the_order_is_there() -> None:
    """Else a file that is renamed is handed out with others, or last."""
    for path in (*spread.ONE_BY_ONE, *spread.TOGETHER, *spread.FIRST):
        assert (REPO / path).exists(), path


def test_each_worker_is_apart(tmp_path: Path) -> None:
    """From this machine and from the other: each may have an apache2 on port 80."""
    said = tmp_path / "said"
    said.mkdir()
    files = [tmp_path / f"test_{number}.py" for number in range(2)]
    for file in files:
        file.write_text(TEST)
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\n")
    environment = {key: value for key, value in os.environ.items() if "APART" not in key}
    plugins = ("-p", "tests.conftest", "-p", "no:schemathesis")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n2", *plugins, "--rootdir", str(tmp_path), *files],
        env={**environment, "SAID": str(said), "PYTHONPATH": str(REPO)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    workers = [one.name.split() for one in said.iterdir()]
    assert [len(set(each)) for each in zip(*workers, strict=True)] == [2, 2, 2]
