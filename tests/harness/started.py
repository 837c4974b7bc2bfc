"""
What is started by a `with`, and ended whatever happens in it.
"""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

Own = TypeVar("Own", bound="Started")


class Started:
    """
    Something with `start` and `stop`; a start that fails half way is stopped as well.
    """

    def start(self) -> None:
        """
        Start all of it.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """
        End what was started, however much that is.
        """
        raise NotImplementedError

    def __enter__(self: Own) -> Own:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
