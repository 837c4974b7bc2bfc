"""
The ledger's settings: what is remembered by name, and the counters of the metrics.
"""

from __future__ import annotations

from .table import SEPARATOR, Records


class Settings(Records):
    """
    What is remembered by name: texts, and counters that only grow.
    """

    def get(self, key: str) -> str | None:
        value: str | None = self._db.value("SELECT value FROM settings WHERE key = ?", key)
        return value

    def put(self, key: str, value: str | None) -> None:
        """
        Remember a value; None forgets it.
        """
        if value is None:
            self._db.write("DELETE FROM settings WHERE key = ?", key)
        else:
            self._db.write("INSERT OR REPLACE INTO settings VALUES (?, ?)", key, value)

    def counters(self) -> dict[tuple[str, ...], int]:
        """
        Return the counters by their names with their labels, such as ``("attempts", "apache2", "good")``.
        """
        rows = self._db.rows("SELECT name, value FROM counters ORDER BY name")
        return {tuple(row["name"].split(SEPARATOR)): row["value"] for row in rows}
