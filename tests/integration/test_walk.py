"""
A newcomer's first hour: what the tutorial and the how-to pages say is done as it stands there, on a master that has nothing.

The commands and files are read from the pages. What lies elsewhere here is in `PLACES`; tokens, the tenant and ports are
this test's. Breaking and healing apache2 is done in `test_orchestrations.py`, with the commands of the same pages, and
`tests/unit/docs/test_commands.py` knows which command is run where.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import salt.config

from tests.harness import ScratchSalt, account, free_ports, scratch_root
from tests.harness.shell import Shell
from tests.harness.stage import MINION
from tests.integration.test_gitfs import git
from tests.tenant import Tenant
from tests.unit.docs.pages import REPO, blocks, commands, session

HOW_TO, TUTORIAL = REPO / "docs" / "how-to", REPO / "docs" / "tutorial.md"
INSTALL, CHECK = HOW_TO / "install.md", HOW_TO / "check-an-installation.md"
RUNBOOK = REPO / "docs" / "runbook.md"
URL = "https://abc12345.live.dynatrace.com"
FULL = os.environ.get("FULL") == "1"
SECRETS, KEY = (
    f"install -o salt -g salt -m 600 /dev/null /etc/salt/{name}" for name in ("dynatrace", "pki/")
)
WEBHOOK_TOKEN = "0123456789abcdef" * 4


def block(page: Path, begins: str, language: str = "bash") -> str:
    """
    Return the one block that begins so.
    """
    [found] = [text for text in blocks(page, language) if text.startswith(begins)]
    return found


def files() -> Mapping[str, str]:
    """
    Return what the tutorial has its reader write, by path: the first path in the sentence before each example.
    """
    found = {}
    parts = re.split(r"^```yaml\n(.*?)^```$", TUTORIAL.read_text(), flags=re.DOTALL | re.MULTILINE)
    for prose, content in zip(parts[::2], parts[1::2], strict=False):
        sentence = prose.rstrip().splitlines()[-1]
        [path, *_] = re.findall(r"`(/[^`]+)`", sentence)
        found[path] = content
    return found


class Newcomer:
    """
    Who has a master, a minion and a tenant, and these pages.
    """

    def __init__(self) -> None:
        self.root = scratch_root()
        self.tenant = Tenant().start()
        self.port = free_ports(1)[0]
        self.salt = ScratchSalt(
            minions={MINION: {}},
            settings={"pillar_roots": {"base": [str(self.root / "srv" / "pillar")]}},
            shipped=(),
            with_api=False,
            root=self.root,
            user=account.made(),
        )
        self.conf = self.salt.config_dir
        for directory in (self.conf / "master.d", self.conf / "pki", self.root / "srv" / "pillar"):
            directory.mkdir(parents=True, exist_ok=True)
        self.shell = Shell(self.salt, self.places())
        (self.root / "shell" / ".curlrc").write_text(
            f'silent\ncacert = "{self.conf}/pki/dynatrace.crt"\n'
            f'connect-to = "master.example.com:8765:127.0.0.1:{self.port}"\n'
        )

    def places(self) -> dict[str, str]:
        """
        Return what lies elsewhere here.
        """
        return {
            "<URL of this repository>": str(self.repository()),
            "/etc/salt/": f"{self.conf}/",
            "/etc/salt ": f"{self.conf} ",
            "/srv/": f"{self.root}/srv/",
            "/var/cache/salt/master": str(self.salt.cachedir),
            "/var/cache/salt/minion": str(self.root / "cache" / MINION),
        }

    def repository(self) -> Path:
        """
        Make a repository whose one commit is this working tree.
        """
        bare = self.root / "salt-dynatrace.git"
        subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True, timeout=60)
        git(bare, "symbolic-ref", "HEAD", "refs/heads/main")
        git(bare, "add", "--all")
        git(bare, "commit", "--quiet", "--message", "tests: the working tree")
        return bare

    def install(self) -> None:
        """
        Do the tutorial's steps 1 to 4.
        """
        for begins in ("git clone <URL of this repository> /srv", SECRETS, KEY):
            self.shell.run(block(TUTORIAL, begins))
        for path, content in files().items():
            self.write(path, self.filled(content))
        for path in (self.conf / "master.d").iterdir():
            self.write(str(path), path.read_text())

    def write(self, path: str, content: str) -> None:
        """
        Write a file of the documentation where it lies here; one that is there keeps its rights.
        """
        place = Path(self.shell.here(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        # Twice would put a scratch path into a scratch path.
        text = content if str(self.root) in content else self.shell.here(content)
        place.write_text(text)

    def filled(self, content: str) -> str:
        """
        Put this test's tenant, tokens and port into an example.
        """
        content = content.replace("webhook_token: REPLACE", f"webhook_token: {WEBHOOK_TOKEN}")
        content = content.replace(
            "api_token: dt0c01.REPLACE", f"api_token: {self.tenant.add_token()}"
        )
        content = content.replace("port: 8765", f"port: {self.port}")
        return content.replace(URL, self.tenant.url)


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Newcomer]:
    """
    A master that was installed as the tutorial says, by root, and runs as the user `salt` then.
    """
    if account.made() == "root":
        pytest.skip("the user `salt` is made apart from this machine only")
    one = Newcomer()
    try:
        one.install()
        one.salt.start()
        yield one
    finally:
        one.salt.stop()
        one.tenant.stop()
        one.tenant.stop_sending()


def engine(newcomer: Newcomer) -> int:
    """
    Return the process id of the engine; waits until it runs.
    """
    until = time.monotonic() + 30
    while not (found := newcomer.salt.engine_processes()):
        assert time.monotonic() < until, newcomer.salt.master.tail()
        time.sleep(0.1)
    return int(found[0].pid)


def test_the_files_of_the_tutorial_are_where_a_master_and_its_pillar_look(
    newcomer: Newcomer,
) -> None:
    """Each stands in its place, the secrets are the master's user's alone, and all are read together."""
    assert len(files()) == 6
    for name in ("dynatrace.secrets", "pki/dynatrace.key"):
        path = newcomer.conf / name
        assert (path.stat().st_mode & 0o777, path.owner()) == (0o600, "salt")
    opts = salt.config.master_config(str(newcomer.conf / "master"))
    assert opts["rest_cherrypy"]["port"] == 8000
    assert opts["dynatrace"]["webhook_token"] == WEBHOOK_TOKEN
    assert opts["engines"][0]["dynatrace"]["webhook"]["token"] == WEBHOOK_TOKEN
    assert newcomer.salt.run("pillar.show_top", MINION) == {"base": {MINION: ["oneagent"]}}
    pillar = Path(newcomer.shell.here("/srv/pillar/oneagent.sls"))
    assert "host_group: web" in pillar.read_text()


def test_the_first_commands_show_what_the_pages_say(newcomer: Newcomer) -> None:
    """The engine has a process of its own; what the master uses names the clone; the minion gets the modules."""
    pid = engine(newcomer)
    [look] = [text for text in blocks(CHECK, "console") if "ps ax" in text]
    [shown] = [one for one in session(look) if one.startswith("ps ax")]
    assert str(pid) in [line.split()[0] for line in newcomer.shell.run(shown).splitlines()]
    *used, grep = commands(block(INSTALL, "salt-run config.get reactor"))
    clone = newcomer.shell.here("/srv/salt-dynatrace")
    for command in used:
        assert clone in newcomer.shell.run(command)
    assert newcomer.shell.run(grep).split(":")[0].endswith("/master.d/dynatrace.conf")
    restart, sync, grain = commands(block(INSTALL, "systemctl restart salt-master\nsalt '*'"))
    assert restart == "systemctl restart salt-master"
    synced = newcomer.shell.json(sync)[MINION]
    assert "modules.dynatrace" in synced["modules"]
    assert newcomer.shell.json(grain) == {MINION: ""}


def test_the_master_checks_itself_and_finds_nothing_wrong(newcomer: Newcomer) -> None:
    """The lines are those that the page shows; without a OneAgent the minion has no grain yet."""
    engine(newcomer)
    shown = block(CHECK, "# salt-run dynatrace.check", "console")
    # A line that is long is broken, where depends on the paths.
    printed = " ".join(newcomer.shell.run(session(shown)[0]).split())
    assert "fail" not in printed
    wanted = [line for line in shown.splitlines() if line.startswith("    ok")]
    for line in wanted:
        begin = " ".join(line.partition("0.1.0")[0].split())
        assert newcomer.shell.here(begin) in printed
    assert "tenant comment: allowed" in printed
    assert "takes the configured credentials" in printed
    assert newcomer.shell.here("ok reactor: /srv/salt-dynatrace/reactor/remedy.sls") in printed
    assert block(TUTORIAL, "systemctl restart salt-master salt-api").endswith(
        session(shown)[0] + "\n"
    )


def test_a_test_notification_is_seen_on_the_bus(newcomer: Newcomer) -> None:
    """Watched in one terminal, sent from another one; the health is asked without credentials."""
    engine(newcomer)
    watch, send, health = session(block(CHECK, "# salt-run state.event", "console"))
    assert watch + "\n" == block(TUTORIAL, "salt-run state.event")
    watching = newcomer.shell.start(f"exec {watch}")
    try:
        heard = heard_by(newcomer, watching, send)
    finally:
        watching.terminate()
        watching.communicate(timeout=30)
    assert heard.startswith("dynatrace/notification/test\t{")
    assert '"healthy": true' in newcomer.shell.run(health)


def heard_by(newcomer: Newcomer, watching: subprocess.Popen[str], send: str) -> str:
    """
    Send until the watcher, which takes a second to listen, prints a line; return it.
    """
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answer = newcomer.shell.run(send, WEBHOOK_TOKEN=WEBHOOK_TOKEN)
        assert answer.strip() == '{"accepted": true, "test": true}'
        readable, _, _ = select.select([watching.stdout], [], [], 0.5)
        if readable and watching.stdout:
            return watching.stdout.readline()
    raise AssertionError("the bus was silent")


def test_the_engine_is_paused_and_goes_on(newcomer: Newcomer) -> None:
    """Both commands tell what came of them."""
    engine(newcomer)
    [pause] = commands(block(RUNBOOK, "salt-run dynatrace.pause"))
    [resume] = commands(block(RUNBOOK, "salt-run dynatrace.resume"))
    assert newcomer.shell.json(pause)["dynatrace"]["paused"]["reason"] == "change CH-1234"
    assert newcomer.shell.json(resume)["dynatrace"]["paused"] is False


def test_the_engine_says_what_it_did(newcomer: Newcomer) -> None:
    """What the runbook asks it at night; so far it did nothing."""
    engine(newcomer)
    _, problems, history, status, _ = commands(block(RUNBOOK, "salt-run dynatrace.show"))
    assert newcomer.shell.json(problems) == {"dynatrace": []}
    assert newcomer.shell.json(history) == {"dynatrace": []}
    assert newcomer.shell.json(status)["dynatrace"]["api"] == "ok"


def test_what_is_removed_leaves_nothing(newcomer: Newcomer) -> None:
    """Files, clone, cache and the minion's modules. The last test here; with `FULL=1` the master is restarted between."""
    own = commands(block(TUTORIAL, "rm /etc/salt/master.d/dynatrace-tenant.conf"))
    first, restart, *rest = commands(
        block(HOW_TO / "uninstall.md", "rm /etc/salt/master.d/{dynatrace")
    )
    assert restart == "systemctl restart salt-master"
    newcomer.shell.run("\n".join([*own, first]))
    opts = salt.config.master_config(str(newcomer.conf / "master"))
    assert (opts["engines"], opts["reactor"], opts["module_dirs"]) == ([], [], [])
    if FULL:
        newcomer.salt.restart_master()
        assert newcomer.salt.engine_processes() == []
    # Before the files go: without the restart an engine still works with them.
    _, *tracebacks = newcomer.salt.master.log.read_text().split("Traceback")
    assert [text[:2000] for text in tracebacks] == []
    for command in rest:
        newcomer.shell.run(command)
    assert list((newcomer.conf / "master.d").iterdir()) == []
    assert not (newcomer.salt.cachedir / "dynatrace" / "signing.key").exists()
    assert not Path(newcomer.shell.here("/srv/salt-dynatrace")).exists()
    assert newcomer.salt.call("sys.list_functions", "dynatrace", tgt=MINION) == {MINION: []}
    if FULL:
        assert "Traceback" not in newcomer.salt.master.log.read_text()
