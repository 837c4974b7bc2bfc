"""
Programs that some tests need and that a machine may lack, by Debian's packages of them.
"""

from __future__ import annotations

import shutil

#: What the Makefile installs for `make test` and `make functional`.
PACKAGES = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "prometheus": "prometheus",
    "promtool": "prometheus",
}


def why_not(*programs: str) -> str | None:
    """
    Return which of the programs are lacking and how to get them, or None.
    """
    lacking = [program for program in programs if not shutil.which(program)]
    if not lacking:
        return None
    packages = " ".join(sorted({PACKAGES[program] for program in lacking}))
    return (
        f"it needs the programs {', '.join(lacking)}: run `make tools` as root, or "
        f"`apt-get install {packages}`"
    )
