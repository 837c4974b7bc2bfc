"""
Has Salt's loaders list a directory once, while it is as it was.

A loader lists the directories of its kind when it is made, and again for each name that it does not know: one
`salt-call` lists those of Salt itself a hundred times, which is a third of what it computes. `FULL=1` leaves Salt as
it is.
"""

from __future__ import annotations

import os
import time
from typing import Any

#: A directory that was changed less than this ago may be changed again at what its file system takes for the same time.
SETTLED_S = 1.0


def remember(loader: Any) -> None:
    """
    Have a class of loaders keep what it found, by its directories and the times of their last changes.
    """
    look = loader._refresh_file_mapping
    kept: dict[Any, Any] = {}

    def refresh(self: Any) -> None:
        changed = [_changed(place) for place in self.module_dirs]
        key = (
            *zip(self.module_dirs, changed, strict=True),
            *self.static_modules,
            *sorted(self.disabled),
            *self.opts["optimization_order"],
        )
        if key not in kept:
            look(self)
            if time.time() - max(map(max, changed), default=0.0) < SETTLED_S:
                return
            kept[key] = self.suffix_map, self.suffix_order, self.file_mapping
        suffixes, order, found = kept[key]
        self.suffix_map, self.suffix_order = dict(suffixes), list(order)
        # As it is ordered and of the kind that Salt made.
        self.file_mapping = type(found)(found)

    loader._refresh_file_mapping = refresh


def _changed(place: str) -> tuple[float, float]:
    """
    Return when a directory was changed, and what is compiled of it; 0 where there is none.
    """
    return _time(place), _time(os.path.join(place, "__pycache__"))


def _time(place: str) -> float:
    try:
        return os.stat(place).st_mtime
    except OSError:
        return 0.0
