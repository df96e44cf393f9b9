"""Group commit: works that wait at the same moment share one transaction, and with it one flush to the disk.

1. A work's result is told only when the transaction that it was done in is on the disk.
2. Works are done one after the other in the order in which they came. Each stands behind a savepoint of its own: one
   that raises is taken back alone, and its caller alone is told.
3. When the transaction itself is lost (a full disk, a failed commit), every work in it raises what it was lost to, and
   nothing of any of them is stored.
4. A transaction takes what comes while it is open, up to GROUP_WORKS_MAX works and GROUP_OPEN_S, and ends as soon as
   nothing waits: a work that comes alone is committed alone.
5. A work that comes after the end is refused at once: nobody is there to do it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from waypost.hub.errors import StoreClosed
from waypost.hub.limits import GROUP_OPEN_S, GROUP_WORKS_MAX
from waypost.hub.statements import Prepared

_Result = TypeVar("_Result")
_SAVEPOINT: Final = Prepared(text("SAVEPOINT one_work"))
_ROLLBACK: Final = Prepared(text("ROLLBACK TO SAVEPOINT one_work"))
_RELEASE: Final = Prepared(text("RELEASE SAVEPOINT one_work"))


@dataclass(slots=True)
class _Work:
    """Something to be done in a transaction, who waits for it, and what came of it."""

    do: Callable[[Connection], Any]
    told: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        """In the loop of whoever waits, if he still does."""
        if self.told.done():
            return
        if self.error is None:
            self.told.set_result(self.result)
        else:
            self.told.set_exception(self.error)


class GroupCommit:
    """One thread that does works on an engine, several in a transaction when several wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "store")
        self._waiting: deque[_Work] = deque()
        self._at_work = False
        self._closed = False

    async def run(self, do: Callable[[Connection], _Result]) -> _Result:
        """Do this in a transaction: what it gives once it is on the disk, or what it raised, taken back.

        StoreClosed after the end (rule 5).
        """
        if self._closed:
            raise StoreClosed("the hub is stopping")
        work = _Work(do, asyncio.get_running_loop().create_future())
        self._waiting.append(work)
        if not self._at_work:
            self._at_work = True
            self._thread.submit(self._commit_all)
        result: _Result = await work.told
        return result

    def close(self) -> None:
        """Finish what waits."""
        self._closed = True
        self._thread.shutdown()

    def _commit_all(self) -> None:
        """Until nothing waits. Whoever comes while nobody is at work starts the thread anew."""
        while True:
            while self._waiting:
                self._commit_group()
            self._at_work = False
            if not self._waiting:
                return
            self._at_work = True  # something came between the look and the word

    def _commit_group(self) -> None:
        group = [self._waiting.popleft()]
        try:
            with self._engine.begin() as connection:
                self._do_all(connection, group)
        except Exception as error:  # noqa: BLE001 - rule 3: whatever it was, those who wait must hear of it
            for work in group:
                work.error = work.error or error
        _tell(group)

    def _do_all(self, connection: Connection, group: list[_Work]) -> None:
        """The first work needs no savepoint: when it raises, nothing else is in the transaction (rule 2)."""
        group[0].result = group[0].do(connection)
        until = time.monotonic() + GROUP_OPEN_S
        while self._waiting and len(group) < GROUP_WORKS_MAX and time.monotonic() < until:  # rule 4
            group.append(self._waiting.popleft())
            _do_guarded(connection, group[-1])


def _do_guarded(connection: Connection, work: _Work) -> None:
    _SAVEPOINT.changed(connection)
    try:
        work.result = work.do(connection)
    except Exception as error:  # noqa: BLE001 - rule 2: it is its caller's
        try:
            _ROLLBACK.changed(connection)
        except SQLAlchemyError:  # the database has ended the transaction by itself, as SQLite does on a full disk
            raise error from None
        work.error = error
    _RELEASE.changed(connection)


def _tell(group: list[_Work]) -> None:
    """One wake-up of a loop for all that wait in it."""
    for loop in {work.told.get_loop() for work in group}:
        with contextlib.suppress(RuntimeError):  # a loop that is closed has nobody who waits
            loop.call_soon_threadsafe(_tell_here, [work for work in group if work.told.get_loop() is loop])


def _tell_here(group: list[_Work]) -> None:
    for work in group:
        work.tell()
