"""A file out of its packing, and its digest.

1. gzip and zip are taken off; what a file is, is told by its first bytes, never by its name. Both are unpacked in
   bounds (bounds.py).
2. The old binary Excel format, encrypted files and other spreadsheets than Excel's are refused by name.
3. Files that an operating system leaves in an archive (a name that begins with a dot, Thumbs.db) are none of it.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Final

from waypost.node.intake.reading.bounds import Bounded, open_archive, readable
from waypost.node.intake.reading.source import Opener, Source, refuse
from waypost.node.limits import ARCHIVE_MEMBERS_MAX, FILE_BYTES_MAX, WORKBOOK_BYTES_MAX
from waypost.protocol.printing import printable

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_BLOCK: Final = 1024 * 1024
_MEMORY_BYTES: Final = 8 * 1024 * 1024
_SHOWN_CHARS: Final = 200
"""Of a name in an archive."""
_ENCRYPTED: Final = 0x1
_LEFT_BEHIND: Final = re.compile(r"^__MACOSX/|(?:^|/)(?:\.[^/]*|Thumbs\.db|desktop\.ini)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """A file out of its packing: `packing` is "gzip", "zip" or empty, `workbook` whether it is a spreadsheet."""

    name: str
    packing: str
    workbook: bool
    open: Opener
    sha256: bytes


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
            if {"mimetype", "content.xml"} <= set(names):  # rule 2
                refuse(source.name, "is an OpenDocument file", "save it as .xlsx or CSV UTF-8")
            return _members(source, names, members, digest)
    except OSError as error:
        refuse(source.name, f"cannot be read: {error.strerror or error}", "name the files to import")
    if head.startswith(_OLE):  # rule 2
        refuse(source.name, "is an old .xls spreadsheet or one with a password", "save it as .xlsx without password")
    return [Part(source.name, "", False, source.open, digest)]


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
        file = source.open()
        return io.BufferedReader(Bounded(source.name, gzip.open(file, "rb"), size, file), _BLOCK)

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
    with readable(name), open_archive(name, file) as archive:
        return archive.namelist()


def _members(source: Source, names: list[str], wanted: tuple[str, ...], digest: bytes) -> list[Part]:
    inside = [name for name in names if not name.endswith("/") and not _LEFT_BEHIND.search(name)]  # rule 3
    if wanted:
        inside = [name for name in inside if any(fnmatch.fnmatch(name, pattern) for pattern in wanted)]
    if not inside:
        refuse(source.name, "is an archive without the file to import", "look at what is in it")
    if len(inside) > ARCHIVE_MEMBERS_MAX:
        refuse(source.name, f"is an archive of more than {ARCHIVE_MEMBERS_MAX} files", "import them in parts")
    return [_member(source, name, digest) for name in inside]


def _member(source: Source, member: str, digest: bytes) -> Part:
    name = f"{source.name} [{printable(member[:_SHOWN_CHARS])}]"

    def stream() -> IO[bytes]:
        with ExitStack() as opened, readable(name):
            file = opened.enter_context(source.open())
            archive = open_archive(name, file)
            info = archive.getinfo(member)
            if info.flag_bits & _ENCRYPTED:  # rule 2
                refuse(name, "is encrypted", "unpack it with its password, and import what is in it")
            unpacked = io.BufferedReader(Bounded(name, archive.open(info), info.compress_size, file), _BLOCK)
            opened.pop_all()  # whoever closes what is unpacked closes the file
            return unpacked

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
    try:
        with stream() as packed:
            while block := packed.read(_BLOCK):
                file.write(block)
                if file.tell() > WORKBOOK_BYTES_MAX:
                    refuse(name, f"is larger than {WORKBOOK_BYTES_MAX // 2**20} MiB", "unpack it, and export it as CSV")
        file.seek(0)
    except OSError as error:
        file.close()
        refuse(
            name, f"cannot be unpacked: {error.strerror}", f"make room in {tempfile.gettempdir()}, or unpack it by hand"
        )
    except BaseException:
        file.close()
        raise
    return file
