"""
Draws the picture of the status page: a real page, of an engine after a crowded night.

    PYTHONPATH=_engines python -m tests.functional.page.picture docs/images/status.webp
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

# First of all: Salt 3006 gives `import tornado` a meaning of its own.
import salt  # noqa: F401
from tests.functional.page.conftest import Window, night_shown
from tests.harness.browser import Browser
from tests.tenant import Tenant

SIZE = (1120, 900)


def draw(path: Path) -> None:
    """
    Write the picture.
    """
    with (
        Tenant() as tenant,
        tempfile.TemporaryDirectory() as home,
        night_shown(tenant, Path(home)) as shown,
        Browser() as browser,
    ):
        window = Window(browser)
        window.look(shown.url, SIZE)
        window.picture(path, above="recent")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
