"""A file as it came: its name, how to open it, and what is said when it cannot be read.

1. A file that is no plain file (a pipe, a device, a folder) is refused: it would be read several times, and its end may
   never come.
2. A file is read several times. One that is another in between (it is still being written, or was replaced) is refused:
   what is checked, what is imported and the digest of the batch must be of the same bytes.
3. Its name is shown, logged and kept without what a terminal would obey.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

from waypost.node.errors import FileChanged, IntakeError
from waypost.protocol.printing import printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name as it is shown, and how to open it, as often as need be."""

    name: str
    open: Opener

    @classmethod
    def of_path(cls, path: Path) -> Source:
        """A file on the disk."""
        return cls(printable(str(path)), _OnDisk(path).open)

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> Source:
        """A file in memory."""
        return cls(name, lambda: io.BytesIO(data))


def refuse(name: str, what: str, hint: str) -> NoReturn:
    """The file cannot be read; nothing of it is imported."""
    raise IntakeError(f"{name} {what}; nothing was imported", hint=hint)


class _OnDisk:
    """A plain file that stays as it is (rules 1 and 2)."""

    def __init__(self, path: Path) -> None:
        self._path, self._name = path, printable(str(path))
        self._stamp: tuple[int, ...] = ()

    def open(self) -> IO[bytes]:
        try:
            # Without waiting: a pipe that nobody writes to would never open.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._refuse_unreadable(error)
        try:
            about = os.fstat(descriptor)
            if stat.S_ISDIR(about.st_mode):
                refuse(self._name, "is a folder", "name the files in it")
            if not stat.S_ISREG(about.st_mode):  # rule 1
                refuse(self._name, "is no plain file", "save what comes out of it as a file, and import that")
            self._same(about)
        except BaseException:
            os.close(descriptor)
            raise
        file = io.FileIO(descriptor)
        return io.BufferedReader(_Whole(self, file), _BLOCK)

    def _same(self, about: os.stat_result) -> None:
        """Rule 2."""
        stamp = (about.st_size, about.st_mtime_ns, about.st_ino, about.st_dev)
        self._stamp = self._stamp or stamp
        if stamp != self._stamp:
            raise FileChanged(
                f"{self._name} was changed while it was read; nothing was imported",
                hint="import it when nobody writes to it any more",
            )

    def read_into(self, file: io.FileIO, buffer: memoryview) -> int:
        """The next bytes; at the end the file must be what it was at the beginning."""
        try:
            count = file.readinto(buffer)
            about = os.fstat(file.fileno())
        except OSError as error:
            self._refuse_unreadable(error)
        self._same(about)
        return count

    def _refuse_unreadable(self, error: OSError) -> NoReturn:
        if error.errno == errno.ENOENT:
            raise FileChanged(f"{self._name} is not there; nothing was imported", hint="name the files to import")
        refuse(self._name, f"cannot be read: {error.strerror or error}", "look at its owner and its disk")


class _Whole(io.RawIOBase):
    """One reading of it."""

    def __init__(self, on_disk: _OnDisk, file: io.FileIO) -> None:
        self._on_disk, self._file = on_disk, file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._on_disk.read_into(self._file, memoryview(buffer).cast("B"))

    def close(self) -> None:
        self._file.close()
        super().close()


_BLOCK: Final = 64 * 1024
