"""Unpacking in bounds: what is packed cannot cost more than a file of its size may.

1. What unpacks to more than FILE_BYTES_MAX, or to more than UNPACK_RATIO_MAX times its size, is a bomb and refused
   while it is read, before it is anywhere.
2. What the files of an archive unpack to, by their own word (zipfile gives no byte more), is counted together: a
   hundred files that lie over one another are one bomb.
3. An archive's table of contents is held in memory: one larger than ARCHIVE_DIRECTORY_BYTES_MAX is refused unread.
4. A packed file that ends too early or is damaged is refused, never read half.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, NoReturn

from waypost.node.intake.reading.source import refuse
from waypost.node.limits import ARCHIVE_DIRECTORY_BYTES_MAX, FILE_BYTES_MAX, UNPACK_FREE_BYTES, UNPACK_RATIO_MAX

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def open_archive(name: str, file: IO[bytes]) -> zipfile.ZipFile:
    """The zip archive in the file; IntakeError when it is made to do harm. Whoever opened the file closes it."""
    size = file.seek(0, os.SEEK_END)
    archive = zipfile.ZipFile(_Sparing(name, file))
    if sum(info.file_size for info in archive.infolist()) > _honest(size):  # rule 2
        _refuse_bomb(name)
    return archive


class _Sparing:
    """A file of which nobody reads much at a time (rule 3)."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name, self._file = name, file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > ARCHIVE_DIRECTORY_BYTES_MAX:
            refuse(self._name, "has a table of contents larger than any archive's", "import its files in parts")
        return self._file.read(size)


class Bounded(io.RawIOBase):
    """A stream that is being unpacked, cut off where it is too large (rules 1 and 4)."""

    def __init__(self, name: str, stream: IO[bytes] | gzip.GzipFile, packed: int, *files: IO[bytes]) -> None:
        self._name, self._stream, self._files = name, stream, files
        self._left = min(FILE_BYTES_MAX, _honest(packed))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        with readable(self._name):
            block = self._stream.read(len(view))
        self._left -= len(block)
        if self._left < 0:
            _refuse_bomb(self._name)
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        for file in self._files:
            file.close()
        super().close()


def _honest(packed: int) -> int:
    """Up to how many bytes so many packed ones may become."""
    return max(UNPACK_FREE_BYTES, packed * UNPACK_RATIO_MAX)


def _refuse_bomb(name: str) -> NoReturn:
    hint = "if it is an honest file, unpack it and import what is in it"
    refuse(name, "unpacks to far more than any export does", hint)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Rule 4. A damaged archive may say that a part of it begins before the file does: seeking there is refused."""
    try:
        yield
    except _DAMAGED:
        _refuse_damaged(name)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _refuse_damaged(name)


def _refuse_damaged(name: str) -> NoReturn:
    refuse(name, "ends too early or is damaged, so that it cannot be unpacked", "fetch or export it again")


_DAMAGED: Final = (
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    NotImplementedError,
    RuntimeError,
    KeyError,
    ValueError,
)
"""What unpacking raises when the bytes are not those that were packed."""
