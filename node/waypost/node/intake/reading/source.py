"""A file as it came: unpacked as a bounded stream, its digest, and its encoding, found out by reading all of it once.

1. gzip and zip are taken off; what a file is, is told by its first bytes, never by its name.
2. What unpacks to more than FILE_BYTES_MAX, or to more than UNPACK_RATIO_MAX times its size, is a bomb and refused
   while it is read, before it is anywhere.
3. A packed file that ends too early or is damaged is refused, never read half.
4. Text is UTF-16 with its byte order mark or the zero bytes that give it away; UTF-8 if all of it is; else Windows-1252
   if all of it is; else refused with the line of the first byte that is not. A NUL character is damage.
5. What is no table is refused by name: the old binary Excel format, encrypted files, PDF, documents, web pages and XML
   (some systems call these .xls). An archive may hold such files, when the profile says which of it are to be read.
6. Files that an operating system leaves in an archive (a name that begins with a dot, Thumbs.db) are none of it.
"""

from __future__ import annotations

import codecs
import fnmatch
import gzip
import hashlib
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

from waypost.node.errors import IntakeError
from waypost.node.limits import (
    ARCHIVE_MEMBERS_MAX,
    FILE_BYTES_MAX,
    UNPACK_FREE_BYTES,
    UNPACK_RATIO_MAX,
    WORKBOOK_BYTES_MAX,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_BLOCK: Final = 1024 * 1024
_ZERO_SHARE: Final = 3
"""Of text in Latin letters, UTF-16 makes every second byte zero; a third is enough to tell."""
_MEMORY_BYTES: Final = 8 * 1024 * 1024
_ENCRYPTED: Final = 0x1
_LEFT_BEHIND: Final = re.compile(r"^__MACOSX/|(?:^|/)(?:\.[^/]*|Thumbs\.db|desktop\.ini)$", re.IGNORECASE)

Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name as the user gave it, and how to open it, as often as need be."""

    name: str
    open: Opener

    @classmethod
    def of_path(cls, path: Path) -> Source:
        """A file on the disk."""
        return cls(str(path), lambda: path.open("rb"))

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> Source:
        """A file in memory."""
        return cls(name, lambda: io.BytesIO(data))


@dataclass(frozen=True, slots=True)
class Part:
    """A file out of its packing: `packing` is "gzip", "zip" or empty, `workbook` whether it is a spreadsheet."""

    name: str
    packing: str
    workbook: bool
    open: Opener
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text file's encoding (a Python codec), what to call it before people, and about how many lines it has."""

    codec: str
    title: str
    lines: int


def refuse(name: str, what: str, hint: str) -> NoReturn:
    """The file cannot be read; nothing of it is imported."""
    raise IntakeError(f"{name} {what}; nothing was imported", hint=hint)


def parts_of(source: Source, members: tuple[str, ...] = ()) -> list[Part]:
    """The file, or the files in it (rule 1)."""
    try:
        digest, size, head = _digest(source)
        if head.startswith(_GZIP):
            return [_gzip(source, size, digest)]
        if head.startswith((_ZIP, _EMPTY_ZIP)):
            with source.open() as file:
                names = _zip_names(source.name, file)
            if "[Content_Types].xml" in names:
                return [Part(source.name, "", True, source.open, digest)]
            return _members(source, names, members, digest)
    except OSError as error:
        refuse(source.name, f"cannot be read: {error.strerror or error}", "name the files to import")
    if head.startswith(_OLE):  # rule 5
        refuse(source.name, "is an old .xls spreadsheet or one with a password", "save it as .xlsx without password")
    return [Part(source.name, "", False, source.open, digest)]


def _refuse_documents(part: Part, head: bytes) -> None:
    """Rule 5."""
    begins = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    for starts, what, hint in _DOCUMENTS:
        if begins.startswith(starts):
            refuse(part.name, what, _or_leave_it_out(part, hint))


def _or_leave_it_out(part: Part, hint: str) -> str:
    """For a file of an archive."""
    return f'{hint}, or say in a profile which files to read: members = ["*.csv"]' if part.packing == "zip" else hint


def encoding_of(part: Part, wanted: str | None) -> Encoding:
    """The file's encoding, found out or as wanted, after all of it was read (rule 4)."""
    with part.open() as file:
        head = file.read(4096)
    _refuse_documents(part, head)
    candidates = [wanted] if wanted else _candidates(head)
    failure = 0
    for codec in candidates:
        lines, failure = _decode(part, codec)
        if not failure:
            return Encoding(codec, _TITLES.get(codec, codec), lines)
    named = wanted or "UTF-8 nor Windows-1252"
    refuse(
        part.name,
        f"is {'not' if wanted else 'neither'} {named}: line {failure} holds a byte that it does not allow",
        "export it again as UTF-8 (in Excel: Save As, CSV UTF-8), or name its encoding",
    )


_DOCUMENTS: Final = (
    ((b"%pdf-",), "is a PDF document, which holds no table that can be read", "ask for the data as .xlsx or CSV"),
    ((b"{\\rtf",), "is a word processor's document", "save its table as .xlsx or CSV UTF-8"),
    (
        (b"<!doctype html", b"<html", b"<head", b"<meta", b"<style", b"<table"),
        "is a web page, whatever its name says",
        "open it in Excel, and save it as .xlsx or CSV UTF-8",
    ),
    ((b"<?xml", b"<workbook"), "is XML", "open it in Excel, and save it as .xlsx or CSV UTF-8"),
)

_TITLES: Final = {
    "utf-8-sig": "UTF-8",
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}


def _candidates(head: bytes) -> list[str]:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd * _ZERO_SHARE > len(head) // 2 and not even:
        return ["utf-16-le"]
    if even * _ZERO_SHARE > len(head) // 2 and not odd:
        return ["utf-16-be"]
    return ["utf-8-sig", "cp1252"]


def _decode(part: Part, codec: str) -> tuple[int, int]:
    """How many lines there are, and the line that the codec does not take (0: it takes all)."""
    try:
        decoder = codecs.getincrementaldecoder(codec)("strict")
    except LookupError:
        refuse(part.name, f"cannot be read as {codec!r}, which is no encoding", "write utf-8, utf-16 or windows-1252")
    lines = 1
    with part.open() as file:
        while True:
            block = file.read(_BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return lines, lines + bytes(error.object[: error.start]).count(b"\n")
            if (nul := text.find("\0")) >= 0:
                line = lines + text.count("\n", 0, nul)
                hint = _or_leave_it_out(part, "it is damaged or no text: export it again")
                refuse(part.name, f"holds a NUL byte in line {line}", hint)
            lines += text.count("\n")
            if not block:
                return lines, 0


def _digest(source: Source) -> tuple[bytes, int, bytes]:
    sha256, size, head = hashlib.sha256(), 0, b""
    with source.open() as file:
        while block := file.read(_BLOCK):
            head = head or block[:8]
            sha256.update(block)
            size += len(block)
            if size > FILE_BYTES_MAX:
                refuse(source.name, f"is larger than {FILE_BYTES_MAX // 2**30} GiB", "split it into several files")
    if not size:
        refuse(source.name, "is empty", "export it again")
    return sha256.digest(), size, head


def _gzip(source: Source, size: int, digest: bytes) -> Part:
    def stream() -> IO[bytes]:
        return io.BufferedReader(_Bounded(source.name, gzip.open(source.open(), "rb"), size), _BLOCK)

    with stream() as file:
        head = file.read(8)
    if head.startswith((_GZIP, _OLE)):
        refuse(source.name, "holds another packed or an old .xls file", "unpack it, and import what is in it")
    if head.startswith(_ZIP):
        return Part(source.name, "gzip", True, lambda: _on_disk(source.name, stream), digest)
    if not head:
        refuse(source.name, "is empty", "export it again")
    return Part(source.name, "gzip", False, stream, digest)


def _zip_names(name: str, file: IO[bytes]) -> list[str]:
    with _readable(name), zipfile.ZipFile(file) as archive:
        return archive.namelist()


def _members(source: Source, names: list[str], wanted: tuple[str, ...], digest: bytes) -> list[Part]:
    inside = [name for name in names if not name.endswith("/") and not _LEFT_BEHIND.search(name)]  # rule 6
    if wanted:
        inside = [name for name in inside if any(fnmatch.fnmatch(name, pattern) for pattern in wanted)]
    if not inside:
        refuse(source.name, "is an archive without the file to import", "look at what is in it")
    if len(inside) > ARCHIVE_MEMBERS_MAX:
        refuse(source.name, f"is an archive of more than {ARCHIVE_MEMBERS_MAX} files", "import them in parts")
    return [_member(source, name, digest) for name in inside]


def _member(source: Source, member: str, digest: bytes) -> Part:
    name = f"{source.name} [{member}]" if member.isprintable() else f"{source.name} [?]"

    def stream() -> IO[bytes]:
        with _readable(name):
            archive = zipfile.ZipFile(source.open())
            info = archive.getinfo(member)
            if info.flag_bits & _ENCRYPTED:  # rule 5
                refuse(name, "is encrypted", "unpack it with its password, and import what is in it")
            return io.BufferedReader(_Bounded(name, archive.open(info), info.compress_size), _BLOCK)

    with stream() as file:
        head = file.read(8)
    if head.startswith((_GZIP, _OLE)):
        refuse(name, "is another packed or an old .xls file", "unpack it, and import what is in it")
    if head.startswith(_ZIP):
        return Part(name, "zip", True, lambda: _on_disk(name, stream), digest)
    return Part(name, "zip", False, stream, digest)


def _on_disk(name: str, stream: Opener) -> IO[bytes]:
    """A spreadsheet must be read from end to beginning, so it is laid on the disk, unnamed."""
    file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    with stream() as packed:
        while block := packed.read(_BLOCK):
            file.write(block)
            if file.tell() > WORKBOOK_BYTES_MAX:
                refuse(name, f"is larger than {WORKBOOK_BYTES_MAX // 2**20} MiB", "unpack it, and export it as CSV")
    file.seek(0)
    return file


class _Bounded(io.RawIOBase):
    """A stream that is being unpacked, cut off where it is too large (rules 2 and 3)."""

    def __init__(self, name: str, stream: IO[bytes] | gzip.GzipFile, packed: int) -> None:
        self._name, self._stream = name, stream
        self._left = min(FILE_BYTES_MAX, max(UNPACK_FREE_BYTES, packed * UNPACK_RATIO_MAX))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        with _readable(self._name):
            block = self._stream.read(len(view))
        self._left -= len(block)
        if self._left < 0:
            refuse(
                self._name,
                "unpacks to far more than any export does",
                "if it is an honest file, unpack it and import what is in it",
            )
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Rule 3."""
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError, RuntimeError, KeyError):
        refuse(name, "ends too early or is damaged, so that it cannot be unpacked", "fetch or export it again")
