"""
What is read from systemctl and journalctl, in the shapes that they print: written by us after systemd 252.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import load

SHOWN = """\
Type=forking
Restart=on-abort
RestartUSec=100ms
TimeoutStartUSec=1min 30s
TimeoutStopUSec=1min 30s
MainPID=139
ControlPID=0
Result=success
ExecMainCode=0
ExecMainStatus=0
ExecStop={ path=/usr/sbin/apachectl ; argv[]=/usr/sbin/apachectl graceful-stop ; pid=0 }
ControlGroup=/system.slice/apache2.service
SendSIGKILL=yes
Id=apache2.service
LoadState=loaded
ActiveState=active
FreezerState=running
SubState=running
ConditionResult=yes
Job=
NeedDaemonReload=no
LoadError=
InvocationID=497d7301be8e42b7a620da4617a97635
"""
FILES = """\
apache-htcacheclean.service  disabled enabled
apache2.service              disabled enabled
apache2@.service             disabled enabled
cron.service                 enabled  enabled
"""
Fake = Callable[..., None]


@pytest.fixture
def unit() -> Any:
    """
    The module, as another module of ours imports it.
    """
    return load("_utils/_dynatrace_utils/service/unit.py")


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """
    Let a tool print what the test gives, by the word that it is asked with, or any.
    """

    def fake(tool: str = "systemctl", **texts: str) -> None:
        cases = "".join(
            f"*' {word if '=' in word else word.replace('_', '-')} '*) cat <<'END'\n{text}\nEND\n;;\n"
            for word, text in texts.items()
        )
        script = tmp_path / tool
        script.write_text(f'#!/bin/sh\ncase " $* " in\n{cases}esac\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return fake


def test_a_unit_is_read_by_its_properties(unit: Any, says: Fake) -> None:
    """What an older systemd does not have is empty."""
    says(show=SHOWN)
    found = unit.read("apache2")
    assert unit.number(found["MainPID"]) == 139
    assert unit.number(found["Job"]) is None
    assert found["LoadError"] == ""
    assert unit.refusal(found) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1min 30s", 90),
        ("100ms", 0.1),
        ("5s", 5),
        ("2h 1min 2.5s", 7262.5),
        ("1w 2d", 777600),
        ("1month", 2629800),
        ("500us", 0.0005),
        ("0", 0),
        ("infinity", None),
        ("", None),
    ],
)
def test_time_spans_are_read_as_systemd_prints_them(
    unit: Any, text: str, seconds: float | None
) -> None:
    """One without an end is none."""
    assert unit.seconds(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_job_is_found_by_its_number(unit: Any, says: Fake) -> None:
    """Of others that run, none is taken for it."""
    jobs = "11 cron.service start waiting\n12 apache2.service restart running"
    says(show=SHOWN.replace("Job=", "Job=12"), list_jobs=jobs)
    assert unit.job(unit.read("apache2")) == {"id": 12, "type": "restart"}


def test_one_that_is_over_is_none(unit: Any, says: Fake) -> None:
    """It ended between the two questions."""
    says(show=SHOWN.replace("Job=", "Job=12"), list_jobs="")
    assert unit.job(unit.read("apache2")) is None


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("masked", "", "is masked: somebody has forbidden to start it; `systemctl unmask"),
        ("bad-setting", '"Unit has a bad unit file setting."', "cannot be loaded (bad-setting): U"),
    ],
)
def test_a_unit_that_is_not_loaded_is_refused(
    unit: Any, says: Fake, state: str, error: str, words: str
) -> None:
    """With the reason."""
    text = SHOWN.replace("LoadState=loaded", f"LoadState={state}")
    says(show=text.replace("LoadError=", f"LoadError={error}"))
    assert words in unit.refusal(unit.read("apache2"))


@pytest.mark.parametrize(
    ("name", "near"), [("httpd", "apache2.service"), ("apach2", "apache2.service")]
)
def test_what_is_near_a_missing_unit_is_named(unit: Any, says: Fake, name: str, near: str) -> None:
    """By the name that it has elsewhere, or by its letters."""
    text = SHOWN.replace("LoadState=loaded", "LoadState=not-found")
    says(show=text.replace("Id=apache2", f"Id={name}"), list_unit_files=FILES)
    assert f"near it are {near}" in unit.refusal(unit.read(name))


@pytest.mark.parametrize("name", ["--system", "a b", "", "x\ny", "a/../b", None])
def test_no_text_becomes_an_argument_that_is_no_unit(unit: Any, name: Any) -> None:
    """A service's name comes from pillar, and may be anything."""
    if name is None:
        assert unit.full_name(name) == "None.service"
    else:
        with pytest.raises(CommandExecutionError):
            unit.full_name(name)


def test_a_unit_keeps_its_own_kind(unit: Any) -> None:
    """As systemctl has it."""
    assert unit.full_name("apache2") == "apache2.service"
    assert unit.full_name("cups.socket") == "cups.socket"
    assert unit.full_name("php8.2-fpm") == "php8.2-fpm.service"
    assert unit.full_name("apache2@foo") == "apache2@foo.service"


def test_a_tool_that_hangs_is_given_up(
    unit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PID 1 or its bus does not answer."""
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    begun = time.monotonic()
    with pytest.raises(
        CommandExecutionError, match=r"systemctl show x does not answer within 0\.3"
    ):
        unit.systemctl("show", "x", seconds=0.3)
    assert time.monotonic() - begun < 10


def test_a_tool_that_is_missing_is_told(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container without journald has no journalctl."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(unit, "PLACES", "/nonexistent")
    with pytest.raises(CommandExecutionError, match="journalctl cannot be run"):
        unit.ask("journalctl", "--sync", seconds=1)


class TestWords:
    """
    A service's own words.
    """

    @pytest.fixture
    def words(self) -> Any:
        return load("_utils/_dynatrace_utils/service/words.py")

    def test_they_are_bounded_and_clean(self, words: Any) -> None:
        """The last lines, without what controls a terminal or turns the text round."""
        text = "\n".join(f"line {n}\t\x1b[31mred\u202e\x07" for n in range(30)) + "\n" + "x" * 5000
        lines = words.clean(text).splitlines()
        assert len(lines) == words.LINES
        assert lines[-2] == "line 29 [31mred"
        assert len(lines[-1]) == words.LINE

    def test_only_what_is_new_in_a_log_is_told(self, words: Any, tmp_path: Path) -> None:
        """Old errors would name a cause that is no more; a log that was rotated is new."""
        log = tmp_path / "error.log"
        log.write_text("old error\n" * 10)
        before = words.marks([str(log), str(tmp_path / "none")])
        assert words.of_logs([str(log)], before) == []
        with log.open("a") as file:
            file.write("new error\n")
        assert words.of_logs([str(log)], before) == [f"{log} has:\nnew error"]
        log.write_text("rotated\n")
        assert words.of_logs([str(log)], before) == [f"{log} has:\nrotated"]

    def test_the_journal_of_the_latest_run_comes_first(self, words: Any, says: Fake) -> None:
        """What the service itself said, and not what systemd says of it."""
        run = "_SYSTEMD_INVOCATION_ID=497d"
        says("journalctl", **{run: "AH00072: make_sock", "UNIT=apache2.service": "Failed"})
        found = {"InvocationID": "497d", "Id": "apache2.service"}
        assert words.of_journal(found, 0) == "AH00072: make_sock"

    def test_without_words_of_its_own_systemds_are_told(self, words: Any, says: Fake) -> None:
        """Which command failed, at least."""
        says("journalctl", **{"UNIT=apache2.service": "Control process exited, status=1/FAILURE"})
        found = {"InvocationID": "497d", "Id": "apache2.service"}
        assert "Control process exited" in words.of_journal(found, 0)

    def test_without_a_journal_there_are_none(
        self, words: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And nothing fails for it."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(words.unit, "PLACES", "/nonexistent")
        assert words.of_journal({"InvocationID": "", "Id": "apache2.service"}, 0) == ""


class TestCgroups:
    """
    Who is in a unit's cgroup, by what the kernel prints.
    """

    @pytest.mark.parametrize(
        ("text", "paths"),
        [
            ("0::/system.slice/apache2.service\n", ["/system.slice/apache2.service"]),
            (
                "4:memory:/\n1:name=systemd:/system.slice/apache2.service\n",
                ["/system.slice/apache2.service"],
            ),
            (
                "1:name=systemd:/docker/4f/system.slice/a.service\n0::/docker/4f/system.slice/a.service\n",
                ["/docker/4f/system.slice/a.service"] * 2,
            ),
            ("", []),
        ],
    )
    def test_the_hierarchy_that_systemd_uses_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, paths: list[str]
    ) -> None:
        """Unified, that of v1, both, or none."""
        module: Any = load("_utils/_dynatrace_utils/service/cgroups.py")
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "cgroup").write_text(text)
        monkeypatch.setattr(module, "PROC", str(tmp_path))
        assert module.cgroups_of(7) == paths
        assert module.cgroups_of(8) == []
        assert module.unit_of(7) == [paths[0].rpartition("/")[2]] if paths else [] == []

    def test_a_units_cgroup_is_no_others_whose_name_begins_alike(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor that of a container, which has an apache2.service of its own."""
        module: Any = load("_utils/_dynatrace_utils/service/cgroups.py")
        places = {
            1: "/system.slice/apache2.service",
            2: "/system.slice/apache2.service/control",
            3: "/system.slice/apache2.service2",
            4: "/lxc.payload.web/system.slice/apache2.service",
        }
        monkeypatch.setattr(module.psutil, "pids", lambda: list(places))
        monkeypatch.setattr(module, "cgroups_of", lambda pid: [places[pid]])
        monkeypatch.setattr(module.psutil, "Process", Living)
        assert set(module.members("/system.slice/apache2.service")) == {1, 2}
        assert module.members("") == {}


class Living:
    """
    A process that lives.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def status(self) -> str:
        return "sleeping"
