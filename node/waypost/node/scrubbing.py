"""Getting rid of the remains of deleted rows: what is deleted is overwritten, but the write-ahead log still holds it.

1. Whoever deletes what nobody shall find again notes that within its transaction; the file is rewritten afterwards, by
   the command itself or by the daemon within the hour, so that a crash in between is mended.
2. The daemon empties the write-ahead log every hour: until then a forgotten key can be found on the disk.
"""

from __future__ import annotations

import logging
from typing import Final

from waypost.node.errors import StoreError
from waypost.node.store import Store

_log = logging.getLogger("waypost.node")

SCRUB_DUE: Final = "scrub-due"
"""State entry: rows were deleted for good, and the file has not been rewritten since."""


def note_due(store: Store) -> None:
    """Something was deleted for good."""
    store.state.set(SCRUB_DUE, 1)


def scrub(store: Store) -> bool:
    """Rewrite the database file if that is due; whether it was."""
    if not store.state.get_int(SCRUB_DUE):
        return False
    store.scrub()
    store.state.set(SCRUB_DUE, 0)
    return True


def empty_log(store: Store) -> bool:
    """Empty the write-ahead log (rule 2); False while another process reads, and it is tried again."""
    return store.empty_log()


def scrub_if_free(store: Store) -> bool:
    """The same; while another process uses the file, it stays due, and that is all. Whether nothing is due any more."""
    try:
        scrub(store)
    except StoreError as error:
        _log.warning("deleted rows are not scrubbed out of the database file yet: %s", error)
        return False
    return True
