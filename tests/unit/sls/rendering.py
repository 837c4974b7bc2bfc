"""
Renders an SLS with Salt's own renderers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import salt.config
import salt.loader
import salt.template

REPO = Path(__file__).resolve().parents[3]


def render(path: str, tmp_path: Path, functions: dict[str, Any], **context: Any) -> Any:
    """
    Return what a file of the tree renders to, as high data.
    """
    opts = salt.config.DEFAULT_MINION_OPTS.copy()
    opts.update(
        file_client="local",
        file_roots={"base": [str(REPO / "salt")]},
        cachedir=str(tmp_path),
        grains={},
        pillar={},
        id="scratch",
    )
    renderers = salt.loader.render(opts, functions)
    return salt.template.compile_template(
        str(REPO / path), renderers, "jinja|yaml", None, None, saltenv="base", **context
    )
