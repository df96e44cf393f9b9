"""A folder of nightly exports: what is settled is imported once, and moved to done/ or failed/.

1. Only plain files count. What begins with a dot or `~$`, or ends in .part, .tmp, .partial, .crdownload or .filepart,
   is still being written; a link, a folder and anything else is left alone.
2. A file is settled when its size and time have not changed for a while; the clock of whoever wrote it does not matter.
   The files of one night belong together: they are imported as one batch when all of them are settled. When one never
   settles, the others go without it after QUIET_WAIT_MAX_S.
3. A file whose bytes are those of the newest import of its kind is not imported again.
4. A batch that cannot be imported goes to failed/ as a whole, with the reason beside it, and nothing of it is stored.
   An error of the node itself (a database in use, a full disk) is no fault of the files: they stay for another try. So
   do files that were changed or taken away while they were read.
5. A file is moved after its import is on the disk. A crash in between leaves a file that rule 3 moves.
6. One watch a folder: a second one is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from waypost.node.errors import CustodyError, FileChanged, IntakeError, NodeError
from waypost.node.intake.reading import Source
from waypost.node.limits import FOLDER_FILES_MAX, QUIET_WAIT_MAX_S

_BLOCK: Final = 1024 * 1024
_UNFINISHED: Final = (".part", ".tmp", ".partial", ".crdownload", ".filepart")

Stamp = tuple[int, int, int]
"""Size, time of change in nanoseconds, inode."""
BringIn = Callable[[Sequence[Path]], int]
"""Imports these files as one batch; its number."""
ImportedAs = Callable[[bytes], int | None]
"""The batch that imported a file of that SHA-256 (rule 3)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the files of one look: the batch, or why there is none."""

    files: tuple[str, ...]
    batch: int | None
    known: tuple[str, ...] = ()
    """Files that had been imported before."""
    error: str = ""
    hint: str = ""


class Quiet:
    """Tells which files are settled (rule 2), from what each look at the folder saw."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[str, tuple[Stamp, float]] = {}
        self._waiting_since: float | None = None

    def settled(self, seen: Mapping[str, Stamp], now_s: float) -> tuple[str, ...]:
        """The files to import now, by name; none while any is being written."""
        known = self._since
        self._since = {
            name: known[name] if name in known and known[name][0] == stamp else (stamp, now_s)
            for name, stamp in seen.items()
        }
        ready = tuple(sorted(name for name, (_, since) in self._since.items() if now_s - since >= self._settle_s))
        if len(ready) == len(seen):
            self._waiting_since = None
            return ready
        self._waiting_since = now_s if self._waiting_since is None else self._waiting_since
        if now_s - self._waiting_since < QUIET_WAIT_MAX_S:
            return ()
        self._waiting_since = None
        return ready


class Folder:
    """The folder, its done/ and its failed/."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Rule 6, while the block runs; CustodyError when the folder cannot be used."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise CustodyError(f"{self.path} cannot be watched: {error.strerror}", hint="name a folder") from None
        try:
            self._take_over(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _take_over(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in ("done", "failed"):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except BlockingIOError:
            raise CustodyError(f"{self.path} is watched already", hint="one watch a folder is enough") from None
        except OSError as error:
            raise CustodyError(
                f"{self.path} cannot be written to: {error.strerror}", hint="look at its owner"
            ) from None

    def look(self) -> dict[str, Stamp]:
        """The files to be imported (rule 1), the first FOLDER_FILES_MAX by name."""
        seen = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                unfinished = entry.name.lower().endswith(_UNFINISHED) or entry.name.startswith((".", "~$"))
                if not unfinished and entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    seen[entry.name] = (about.st_size, about.st_mtime_ns, about.st_ino)
        return dict(sorted(seen.items())[:FOLDER_FILES_MAX])

    def take(self, names: Sequence[str], *, imported_as: ImportedAs, bring_in: BringIn, now: datetime) -> Taken:
        """Import these as one batch and move them (rules 3 to 5). StoreError, FileChanged: the new ones stay."""
        known: tuple[str, ...] = ()
        try:
            known = tuple(name for name in names if imported_as(_sha256(self.path / name)) is not None)
            for name in known:
                self._move(name, "done", now)
            new = tuple(name for name in names if name not in known)
            if not new:
                return Taken((), None, known)
            batch = bring_in([self.path / name for name in new])
        except FileChanged:
            raise
        except IntakeError as error:
            new = tuple(name for name in names if name not in known)
            self._fail(new, error, now)
            return Taken(new, None, known, str(error), error.hint)
        for name in new:
            self._move(name, "done", now)
        return Taken(new, batch, known)

    def _fail(self, names: Sequence[str], error: NodeError, now: datetime) -> None:
        """Rule 4."""
        for name in names:
            kept = self._move(name, "failed", now)
            why = f"error: {error}\nhint: {error.hint}\n" if error.hint else f"error: {error}\n"
            kept.with_name(f"{kept.name}.why.txt").write_text(why, encoding="utf-8")

    def _move(self, name: str, to: str, now: datetime) -> Path:
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in count(1):
            target = self.path / to / (f"{stamp}-{name}" if number == 1 else f"{stamp}-{number}-{name}")
            if not target.exists():
                with suppress(FileNotFoundError):  # somebody took it away: it is imported all the same
                    (self.path / name).rename(target)
                return target
        raise AssertionError  # count() does not end


def _sha256(path: Path) -> bytes:
    sha256 = hashlib.sha256()
    with Source.of_path(path).open() as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
    return sha256.digest()
