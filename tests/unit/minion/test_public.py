"""
What who may call `dynatrace.*` on a minion can do: each public function has a word here, and none has an effect that
its caller chooses.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.loader
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import REPO

#: `tells`: changes nothing, and runs nothing that an argument names. A new function of `salt/_modules` needs a word,
#: and who gives it asks: what could a user with the ACL `dynatrace.*` do with it? (To Salt this is an expression that
#: `dynatrace_tenant.asked` fits too.) What runs, signals or sets by its arguments belongs into `salt/_utils`.
PUBLIC = {
    "dynatrace.genuine": "refuses but on the master",
    "dynatrace.order": "refuses but on the master",
    "dynatrace.attempt": "tells",
    "dynatrace.evidence": "tells",
    "dynatrace.outage": "refuses unless this minion's own file allows it",
    "dynatrace_oneagent.host_id": "tells",
    "dynatrace_oneagent.installed": "tells",
    "dynatrace_oneagent.version": "tells",
    "dynatrace_tenant.asked": "tells",
    "dynatrace_tenant.known_hosts": "tells",
    "dynatrace_tenant.planned_change": "tells",
    "dynatrace_tenant.to_take_back": "tells",
    "dynatrace_tenant.webhook": "tells",
    "dynatrace_tenant.without_groups": "tells",
}
#: What a master has beside these; whoever may call it there is its user.
ON_THE_MASTER = {
    f"dynatrace_master.{name}" for name in ("genuine", "order", "remedy", "sign", "signed")
}
MOST = 40
#: Calls each public function of a minion with each two of the arguments, and prints what was done meanwhile.
CALLER = """
import contextlib, inspect, itertools, json, os, sys
import salt.config, salt.loader

conf, arguments, pillar = sys.argv[1], *map(json.loads, sys.argv[2:])
opts = salt.config.minion_config(conf)
opts.update(grains={"os_family": "Debian"}, pillar=pillar)
os.makedirs(opts["cachedir"])
modules = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
functions = {name: modules[name] for name in modules if name.startswith("dynatrace")}
begun = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")
others = ("os.kill", "os.killpg", "signal.pthread_kill", "socket.connect")
changed = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "os.chown")
done = []

def watch(event, args):
    opened = event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if opened or event in begun + others + changed:
        done.append((event, str(args[0])))

def call(function, *given):
    with contextlib.suppress(Exception):
        function(*given)

# Asked for what is nowhere, the loader loads all modules, and some of those start a program.
with contextlib.suppress(Exception):
    functions["dynatrace.genuine"]({})
sys.addaudithook(watch)
found = {}
for name, function in functions.items():
    del done[:]
    places = [one for one in inspect.signature(function).parameters.values() if one.kind == one.POSITIONAL_OR_KEYWORD]
    call(function)
    for number in range(1, len(places) + 1):
        for one, rest in itertools.product(arguments, repeat=2):
            call(function, one, *[rest] * (number - 1))
    found[name] = sorted(set(done))
del done[:]
open(os.path.join(opts["cachedir"], "seen"), "w").close()
found["what is seen"] = sorted(set(done))
print(json.dumps(found))
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """
    The configuration of a minion that has this checkout.
    """
    path = tmp_path / "conf" / "minion"
    path.parent.mkdir()
    settings = {
        "id": "scratch",
        "root_dir": str(tmp_path / "root"),
        "file_client": "local",
        "module_dirs": [str(REPO / "salt")],
        "file_roots": {"base": [str(REPO / "salt")]},
        "pillar_roots": {"base": [str(tmp_path / "pillar")]},
    }
    path.write_text(json.dumps(settings))
    return path


def test_each_public_function_has_a_word(conf: Path) -> None:
    """As Salt's own loader shows them."""
    opts = salt.config.minion_config(str(conf))
    opts.update(grains={}, pillar={})
    modules = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
    assert sorted(name for name in modules if name.startswith("dynatrace")) == sorted(PUBLIC)


def test_the_master_has_five_functions_more_and_all_are_few(conf: Path) -> None:
    """A minion is told why it has them not; what needs more names is private."""
    opts = salt.config.master_config(None)
    opts.update(grains={}, pillar={}, module_dirs=[str(REPO / "salt")])
    modules = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
    found = {name for name in modules if name.startswith("dynatrace")}
    assert found == {*PUBLIC, *ON_THE_MASTER}
    assert len(found) <= MOST
    minion = salt.config.minion_config(str(conf))
    minion.update(grains={}, pillar={})
    modules = salt.loader.minion_mods(minion)
    assert "dynatrace_master.sign" not in modules
    assert "for the master" in modules.missing_fun_string("dynatrace_master.sign")
    with pytest.raises(CommandExecutionError, match="no master"):
        modules["dynatrace.genuine"]({})


def called(conf: Path, *given: Any) -> dict[str, list[list[str]]]:
    """
    Return what each public function did, whatever it was given.
    """
    command = [sys.executable, "-c", CALLER, str(conf), *map(json.dumps, given)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_no_argument_is_run_signalled_written_or_set(conf: Path, tmp_path: Path) -> None:
    """Nothing is touched, and nobody is called."""
    mark = tmp_path / "mark"
    pillar = {"dynatrace": {"environment_url": "http://127.0.0.1:9", "settings_token": "x"}}
    with subprocess.Popen(["sleep", "240"]) as victim:
        arguments = [
            "cmd.run",
            f"touch {mark}",
            str(mark),
            victim.pid,
            ["/bin/sh", "-c", f"touch {mark}"],
            {"technologies": {}, "service": "apache2"},
            "9f0c2a41d7e85b36",
            "dynatrace.remedy.apache2",
        ]
        try:
            done = called(conf, arguments, pillar)
            assert victim.poll() is None
        finally:
            victim.kill()
    assert not mark.exists()
    assert [event for event, _ in done.pop("what is seen")] == ["open"]
    assert done == {name: [] for name in PUBLIC}
