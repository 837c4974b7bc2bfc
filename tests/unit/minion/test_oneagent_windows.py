"""
The form of what is run on Windows, as Dynatrace documents it; no Windows has run it.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import salt.utils.platform
from salt.exceptions import CommandExecutionError

from tests.unit.minion.loading import private

DYNATRACE = "Valid\r\nCN=Dynatrace LLC, O=Dynatrace LLC, L=Waltham, C=US\r\n"
PRODUCT = "{12345678-ABCD-1234-ABCD-12345678ABCD}"


@pytest.fixture(autouse=True)
def _on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salt.utils.platform, "is_windows", lambda: True)


def answering(stdout: str, ran: list[list[str]]) -> dict[str, Any]:
    """
    Return the dunders of a minion whose commands say this.
    """

    def run_all(command: list[str], **how: Any) -> dict[str, Any]:
        assert how["python_shell"] is False
        ran.append(command)
        return {"retcode": 0, "stdout": stdout, "stderr": ""}

    functions = {"cmd.run_all": run_all, "config.get": lambda key, default: default}
    return {"salt": functions}


@pytest.mark.parametrize(
    ("content", "stdout", "words"),
    [
        (b"MZ", DYNATRACE, None),
        (b"MZ", "NotSigned\r\n", "is not valid"),
        (b"MZ", "HashMismatch\r\nO=Dynatrace LLC", "is not valid"),
        (b"MZ", "Valid\r\nCN=Dynatrace LLC, O=Somebody", "is not Dynatrace's"),
        (b"<html>", DYNATRACE, "an HTML page"),
    ],
)
def test_the_authenticode_signature_decides(
    tmp_path: Path, content: bytes, stdout: str, words: str | None
) -> None:
    """Valid and Dynatrace's, or it is refused."""
    path = tmp_path / "installer.exe"
    path.write_bytes(content)
    ran: list[list[str]] = []
    signature = private(**answering(stdout, ran)).oneagent.signature
    assert signature.authority({}) is None
    if words:
        with pytest.raises(CommandExecutionError, match=words):
            signature.verify(str(path), None)
        return
    signature.verify(str(path), None)
    [command] = ran
    assert str(path) in base64.b64decode(command[-1]).decode("utf-16-le")


def test_the_installer_runs_quietly_with_its_options(tmp_path: Path) -> None:
    """The EXE takes the options as the Linux installer does."""
    ran: list[list[str]] = []
    installer = private(**answering("", ran)).oneagent.installer
    installer._run("C:\\x\\installer.exe", ["--set-host-group=web"], 900)
    assert ran == [["C:\\x\\installer.exe", "--quiet", "--set-host-group=web"]]


@pytest.mark.parametrize("product", [PRODUCT, "", "{x} & calc.exe"])
def test_the_product_code_is_checked_before_it_is_used(product: str) -> None:
    """msiexec is given what Windows names, if it looks like one."""
    ran: list[list[str]] = []
    oneagent = private(**answering(product, ran)).oneagent.tools
    if product == PRODUCT:
        assert oneagent._uninstaller({}) == ["msiexec.exe", "/x", PRODUCT, "/quiet", "/norestart"]
    else:
        with pytest.raises(CommandExecutionError, match="Windows knows no product"):
            oneagent._uninstaller({})
