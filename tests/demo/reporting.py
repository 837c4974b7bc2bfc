"""
The end of the demo: the post-mortem of its problem, which stays when all else is removed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.demo.saying import DemoError, say
from tests.harness.stage import Stage

RESOLVED_S = 30.0


def report(stage: Stage, display_id: str, since: float) -> Path:
    """
    Have the runner write the report of a problem that is over, and keep it outside of the scratch directory.
    """
    stage.salt.events.wait_for(f"dynatrace/problem/resolved/*/{display_id}", RESOLVED_S, since)
    # The master's user writes it, who may write nowhere else.
    written = stage.salt.root / f"{display_id}.html"
    told = stage.salt.run("dynatrace.report", display_id, file=written)["dynatrace"]
    if told.get("file") != str(written):
        raise DemoError(f"No report was written: {told.get('error', told)}")
    return kept(written, display_id)


def kept(written: Path, display_id: str) -> Path:
    """
    Return a copy that whoever runs the demo can read; it tells of nothing but the demo.
    """
    handle, name = tempfile.mkstemp(prefix=f"dynatrace-report-{display_id}-", suffix=".html")
    with os.fdopen(handle, "wb") as stream, written.open("rb") as source:
        shutil.copyfileobj(source, stream)
        os.fchmod(stream.fileno(), 0o644)
    return Path(name)


def announce(path: Path) -> None:
    """
    Say where it is.
    """
    say("The same as a report for others, which stays; open it in a browser:")
    say(f"  {path}")
