"""
That the engine never runs with the package of an earlier version, which a fork of the master may still hold.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENGINES = Path(__file__).parents[3] / "_engines"
#: Loads the engine as Salt's loader does, after an older package of the same name was imported.
LOAD = """
import importlib.util, sys
old, new, name = sys.argv[1:]
sys.path.insert(0, old)
import _dynatrace.core.errors
sys.path[0] = new
spec = importlib.util.spec_from_file_location(name, new + "/dynatrace.py")
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(sys.modules["_dynatrace.core.errors"].__file__)
"""


@pytest.mark.parametrize(
    ("name", "place"), [("salt.loaded.ext.engines.dynatrace", "new"), ("dynatrace", "old")]
)
def test_what_salt_loads_brings_its_own_package(tmp_path: Path, name: str, place: str) -> None:
    """
    Only for Salt: whoever imports the package himself keeps what he has.
    """
    for version in ("old", "new"):
        shutil.copytree(ENGINES, tmp_path / version)
    command = [sys.executable, "-c", LOAD, str(tmp_path / "old"), str(tmp_path / "new"), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == str(tmp_path / place / "_dynatrace/core/errors.py"), done.stderr
