"""One daemon a home: a lock on HOME/serve.lock says so, and tells commands whether one is running."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from waypost.node.errors import SettingsError


class ServeLock:
    """The lock of a home. It goes with this object, and with the process that holds it, however that ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / "serve.lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock; SettingsError when a daemon runs."""
        self._file = self._path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise SettingsError("a node is running in this home already", hint="stop that one first") from None

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep daemons out meanwhile; SettingsError when one runs."""
        self.take()
        try:
            yield
        finally:
            self.release()

    def held_by_another(self) -> bool:
        """Whether a daemon runs."""
        try:
            with self._path.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
