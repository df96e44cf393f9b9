"""Small facts by name: counters and times of the node. The names are constants of the module that uses them."""

from __future__ import annotations

from waypost.node.errors import StoreError
from waypost.node.limits import STATE_VALUE_CHARS_MAX
from waypost.node.store.database import NodeDatabase


class StateRepository:
    """Text by name."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def get(self, key: str, default: str = "") -> str:
        """The value of that name, or the default."""
        row = self._db.row("SELECT value FROM state WHERE key = ?", (key,))
        return str(row[0]) if row else default

    def get_int(self, key: str, default: int = 0) -> int:
        """The number of that name, or the default."""
        text = self.get(key)
        return int(text) if text else default

    def set(self, key: str, value: str | int) -> None:
        """Put the value under that name."""
        if len(str(value)) > STATE_VALUE_CHARS_MAX:
            raise StoreError(f"the value of {key} is too long for the store's state")
        self._db.run(
            "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, str(value)),
        )
