"""
A master that the documentation's gitfs configuration is given to gets all of the extension, and nothing else.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.checkout import NEEDED, SOURCES
from tests.harness.config import REPO, write_yaml
from tests.unit.docs.pages import blocks, prose
from tests.unit.minion.signing import iso, signed, write_key

URL = "https://git.example.com/salt-dynatrace.git"
REACTOR = "salt://dynatrace/reactor/remedy.sls"
PAGE = REPO / "docs" / "how-to" / "install-with-gitfs.md"
TAG = "dynatrace/problem/open/availability/P-2407114"
#: Where the page mounts what the repository has.
MOUNTS = {"_engines": "_engines/", "salt": "", "reactor": "dynatrace/reactor/"}

# Does what the page says, with the loader and the runners of a master, in a Python of its own.
MASTER = """
import json, sys
import salt.config, salt.loader, salt.utils.reactor
conf, wanted, tag, event = json.loads(sys.argv[1])
opts = salt.config.master_config(conf)
opts["file_client"] = "local"
runners = salt.loader.runner(opts)
updated = runners["fileserver.update"](backend="gitfs")
synced = runners["saltutil.sync_all"]()
served = runners["fileserver.file_list"]()
# The restart: what was synced is found by loaders that are made anew.
modules = salt.loader.minion_mods(opts)
found = sources(opts, modules, wanted)
reactor = salt.utils.reactor.Reactor(opts)
[path] = reactor.list_reactors(tag)
print(json.dumps({
    "updated": updated,
    "synced": synced,
    "served": served,
    "sources": found,
    "package": {n: m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "_dynatrace"},
    "reaction": reactor.render_reaction(path, tag, event),
    "remedy": modules["cp.get_file_str"]("salt://dynatrace/remedy/apache2.sls"),
}))
"""


def git(repository: Path, *arguments: str) -> str:
    """
    Run git on a bare repository with the checkout as its work tree, untouched by settings of this machine.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    author = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    done = subprocess.run(
        ["git", f"--git-dir={repository}", f"--work-tree={REPO}", *author, *arguments],
        capture_output=True,
        text=True,
        cwd=REPO,
        env={**own, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A bare repository whose one commit is this working tree, with what is not committed yet.
    """
    if not shutil.which("git"):
        pytest.skip("gitfs needs the program git, which is not here")
    if not any(importlib.util.find_spec(name) for name in ("git", "pygit2")):
        pytest.skip("gitfs needs GitPython or pygit2, which this Python lacks")
    bare = tmp_path_factory.mktemp("gitfs") / "salt-dynatrace.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True, timeout=60)
    git(bare, "symbolic-ref", "HEAD", "refs/heads/main")
    git(bare, "add", "--all")
    git(bare, "commit", "--quiet", "--message", "tests: the working tree")
    return bare


def documented() -> str:
    """
    Return the file that the page shows for gitfs.
    """
    [text] = [block for block in blocks(PAGE, "yaml") if "gitfs_remotes:" in block]
    return text


@pytest.fixture(scope="module")
def conf(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The configuration of a master as the page leaves it, in a scratch root.
    """
    root = tmp_path_factory.mktemp("master")
    conf = root / "conf"
    (root / "srv").mkdir()
    own = {"root_dir": str(root), "id": "master", "log_level": "error"}
    write_yaml(conf / "master", own)
    included = conf / "master.d"
    included.mkdir()
    # Else the master takes the machine's own /srv/salt.
    write_yaml(included / "site.conf", {"file_roots": {"base": [str(root / "srv")]}})
    assert documented().count(URL) == len(MOUNTS)
    gitfs = documented().replace(URL, f"file://{repository}")
    (included / "dynatrace-gitfs.conf").write_text(gitfs)
    shipped = (REPO / "master.d" / "reactor.conf").read_text()
    (included / "reactor.conf").write_text(
        shipped.replace("/srv/salt-dynatrace/reactor/remedy.sls", REACTOR)
    )
    shutil.copy(REPO / "master.d" / "remedies.conf", included)
    return conf / "master"


def install(conf: Path) -> dict[str, Any]:
    """
    Follow the page's steps on this master, and return what it has then.
    """
    cachedir = conf.parents[1] / "var" / "cache" / "salt" / "master"
    cachedir.mkdir(parents=True, exist_ok=True)
    write_key(cachedir)
    # Fresh at the end too, which on a busy machine comes after minutes.
    given = json.dumps([str(conf), NEEDED, TAG, signed(remedy="apache2", valid_until=iso(900))])
    done = subprocess.run(
        [sys.executable, "-c", SOURCES + MASTER, given],
        capture_output=True,
        text=True,
        cwd=conf.parent,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


@pytest.fixture(scope="module")
def installed(conf: Path) -> dict[str, Any]:
    """
    What a master has after the page's steps.
    """
    return install(conf)


def expected(repository: Path) -> set[str]:
    """
    Return the paths that minions may be served.
    """
    tracked = git(repository, "ls-files", "-z").split("\0")
    split = [path.partition("/") for path in tracked if path]
    return {MOUNTS[top] + rest for top, _, rest in split if rest and top in MOUNTS}


def test_the_engine_loads_with_its_package_from_what_was_synced(
    installed: dict[str, Any], conf: Path
) -> None:
    """
    Engine, execution module, runner and states come from the master's extension modules.
    """
    extmods = conf.parents[1] / "var" / "cache" / "salt" / "master" / "extmods"
    assert installed["updated"] is True
    assert [kind for kind, path in installed["sources"].items() if not path] == []
    files = (REPO / "_engines").glob("_dynatrace/**/*.py")
    names = {".".join(path.relative_to(REPO / "_engines").with_suffix("").parts) for path in files}
    assert {name.removesuffix(".__init__") for name in names} == set(installed["package"])
    paths = [*installed["sources"].values(), *installed["package"].values()]
    assert [path for path in paths if extmods not in Path(path).parents] == []


def test_minions_are_served_what_they_need_and_nothing_else_of_the_repository(
    installed: dict[str, Any], repository: Path
) -> None:
    """
    Neither tests nor master.d, nor anything at the top of the repository.
    """
    served = set(installed["served"])
    assert served == expected(repository)
    assert "dynatrace/remedy/apache2.sls" in served
    assert installed["remedy"] == (REPO / "salt/dynatrace/remedy/apache2.sls").read_text()


def test_the_reactor_is_read_from_the_file_server(installed: dict[str, Any]) -> None:
    """
    A signed event gives the remedy's order, by the path that the page names.
    """
    assert f"`{REACTOR}`" in prose(PAGE)
    [order] = installed["reaction"].values()
    assert "state.apply" in order["local"]
    assert {"tgt": ["web01"]} in order["local"]
