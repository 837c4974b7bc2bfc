"""
OneAgent installers whose payload is a stub: a oneagentctl that keeps state, and an uninstaller.

Nothing of Dynatrace is in them. Arguments, getters and setters are the documented ones; that several
values of a key stand side by side, and that a missing one cannot be removed, too. What is synthetic:
how the stub tells the tenant, and that everything lies beside the path of the installation rather
than in /var/lib. Its uninstaller leaves identity and enrichment file, and makes no logs to leave.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

_STUBS = Path(__file__).with_name("stubs")
# A OneAgent of a test belongs below the test's own directory.
_TOO_HIGH = frozenset({"/", "/opt", "/usr", "/var", "/etc", "/home", "/root", "/tmp"})
# Shell files are quoted for the shell; in the Python file the placeholders stand inside quotes.
_PARTS = {"CTL": "oneagentctl.sh", "REPORT": "report.py", "UNINSTALL": "uninstall.sh"}


@dataclass(frozen=True)
class Recipe:
    """
    What is baked into an installer.

    It installs below `root` and nowhere else; without INSTALL_PATH into `<root>/oneagent`. `mark`
    is a file that gets the arguments of each run, and while `<mark>.wait` exists the run waits.
    `host_id` are 16 hex digits; without them they follow from the path, so that two installations
    are two hosts.
    """

    version: str
    root: Path
    mark: Path | None = None
    host_id: str = ""

    def script(self, url: str, secret: str, tenant: str) -> bytes:
        """
        Give the installer, not signed yet; the stub reports to `url` with `secret`.
        """
        if not self.root.is_absolute() or str(self.root) in _TOO_HIGH:
            raise ValueError(f"{self.root} is no directory for a stub of a OneAgent")
        baked = {
            "VERSION": self.version,
            "ROOT": str(self.root),
            "MARK": str(self.mark or ""),
            "HOST_ID": self.host_id.lower(),
            "TENANT": tenant,
            "SERVER": url,
            "URL": url,
            "SECRET": secret,
            "PYTHON": sys.executable,
        }
        text = _filled("installer.sh", baked)
        for name, file in _PARTS.items():
            text += "".join(f"#{name} {line}\n" for line in _filled(file, baked).splitlines())
        return text.encode()


def _filled(file: str, baked: dict[str, str]) -> str:
    text = (_STUBS / file).read_text(encoding="utf-8")
    quoted = shlex.quote if file.endswith(".sh") else str
    return re.sub(r"@([A-Z_]+)@", lambda found: quoted(baked[found.group(1)]), text)
