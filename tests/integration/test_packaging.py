"""
Every way of installing that is documented makes a master find the engine and what belongs to it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.harness.checkout import NEEDED, SHIPPED, SOURCES, copy_shipped
from tests.harness.config import REPO

# Loads as a master does, in a Python of its own, and prints the file that each function came from.
LOAD = """
import json, sys
import salt.config, salt.loader
root, own, wanted, sync = json.loads(sys.argv[1])
opts = salt.config.master_config(None)
opts.update(root_dir=root, cachedir=root + "/cache", extension_modules=root + "/extmods", id="m", **own)
opts["file_client"] = "local"
if sync:
    assert salt.loader.runner(opts)["saltutil.sync_all"](), "nothing was synced"
modules = salt.loader.minion_mods(opts)
print(json.dumps(sources(opts, modules, wanted)))
"""


def needed() -> dict[str, str]:
    """
    Return what must be found, of the kinds that this checkout has.
    """
    return {kind: name for kind, name in NEEDED.items() if _directory(kind).is_dir()}


def _directory(kind: str) -> Path:
    return REPO / "_engines" if kind == "engines" else REPO / "salt" / f"_{kind}"


class Python:
    """
    A virtual environment that sees the running one's packages, Salt among them, but has its own.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        venv.create(root / "venv", symlinks=True)
        self.prefix = root / "venv"
        self.program = self.prefix / "bin" / "python"
        own = self._print("import sysconfig; print(sysconfig.get_path('purelib'))")
        Path(own, "running.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def _print(self, code: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.program), "-c", code, *arguments],
            capture_output=True,
            text=True,
            cwd=self.root,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def install(self, *what: str) -> None:
        """
        Let pip install something here, from local files alone.
        """
        pip(
            "--python",
            str(self.program),
            "install",
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            *what,
        )

    def load(self, options: dict[str, Any] | None = None, sync: bool = False) -> dict[str, str]:
        """
        Return the file in which the loader found each needed function.
        """
        given = json.dumps([str(self.root / "salt-root"), options or {}, needed(), sync])
        return dict(json.loads(self._print(SOURCES + LOAD, given)))


def pip(*arguments: str) -> None:
    """
    Run the running environment's pip.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def all_lie_in(found: dict[str, str], *roots: Path) -> bool:
    """
    Tell whether everything was found, and below one of these directories.
    """
    paths = [Path(path or "/absent") for path in found.values()]
    return bool(found) and all(any(root in path.parents for root in roots) for path in paths)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A copy of what is shipped, since building leaves files beside the sources.
    """
    clone = copy_shipped(tmp_path_factory.mktemp("clone"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (REPO / name).exists():
            shutil.copy(REPO / name, clone)
    return clone


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The wheel of this checkout.
    """
    target = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(checkout))
    return next(target.glob("salt_dynatrace-*.whl"))


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """
    An environment without the package.
    """
    return Python(tmp_path)


def test_without_an_installation_nothing_is_found(python: Python) -> None:
    """
    What the other tests find comes from the installation.
    """
    assert set(python.load().values()) == {None}


def test_a_wheel_brings_engine_modules_and_runners(python: Python, wheel: Path) -> None:
    """
    After `pip install` a master needs no module_dirs.
    """
    python.install(str(wheel))

    assert all_lie_in(python.load(), python.prefix)


def test_an_editable_installation_uses_the_checkout(python: Python, checkout: Path) -> None:
    """
    After `pip install -e` the loader reads the files of the clone.
    """
    python.install("--editable", str(checkout))

    assert all_lie_in(python.load(), checkout)


def test_module_dirs_find_a_clone(python: Python, checkout: Path) -> None:
    """
    The two lines of master.d/roots.conf are enough for a clone.
    """
    found = python.load({"module_dirs": [str(checkout), str(checkout / "salt")]})

    assert all_lie_in(found, checkout)


def test_a_master_syncs_from_its_file_roots(python: Python, checkout: Path) -> None:
    """
    `salt-run saltutil.sync_all` brings everything into the master's extension_modules.
    """
    roots: Sequence[str] = [str(checkout / "salt"), str(checkout)]
    found = python.load({"file_roots": {"base": roots}}, sync=True)

    assert all_lie_in(found, python.root / "salt-root" / "extmods", python.root / "extmods")


def test_the_wheel_holds_every_shipped_file(wheel: Path, checkout: Path) -> None:
    """
    Reactor, states and master.d travel with the package, none forgotten.
    """
    share = f"{wheel.name.removesuffix('-py3-none-any.whl')}.data/data/share/salt-dynatrace/"
    packed = {name.removeprefix(share) for name in zipfile.ZipFile(wheel).namelist()}
    shipped = {
        str(path.relative_to(checkout))
        for name in SHIPPED[1:]
        for path in (checkout / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert shipped - packed == set()


def test_the_wheel_holds_every_module_of_the_engine(wheel: Path, checkout: Path) -> None:
    """
    A room that setup.cfg does not name is missing in it, and an editable installation would hide that.
    """
    packed = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        f"salt_dynatrace/{path.relative_to(checkout / '_engines')}"
        for path in (checkout / "_engines").rglob("*.py")
    }

    assert len(ours) > 50
    assert ours - packed == set()


def test_the_version_is_the_engines(wheel: Path, checkout: Path) -> None:
    """
    One line in the sources holds the version.
    """
    line = (checkout / "_engines/_dynatrace/engine/health.py").read_text()

    assert f'VERSION = "{wheel.name.split("-")[1]}"' in line
