"""
What the ledger remembers by name: settings, which are texts, and counters.
"""

from __future__ import annotations

from .database import Records


class Settings(Records):
    """
    Texts that are remembered until they are forgotten, and counters that only grow.
    """

    def get(self, key: str) -> str | None:
        """
        Return a remembered value, or None.
        """
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

    def count(self, name: str, by: int = 1) -> None:
        """
        Add to a counter that survives restarts, as the metrics need.
        """
        self._db.write(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            name,
            by,
        )

    def counters(self) -> dict[str, int]:
        """
        Return all counters by name.
        """
        rows = self._db.rows("SELECT name, value FROM counters ORDER BY name")
        return {row["name"]: row["value"] for row in rows}
