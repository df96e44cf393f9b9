"""Tables that consist of nothing: a few letters of a file that stand for thousands of empty cells each.

A sheet stores a cell with its place, a JSON object names its columns: a row of one cell may be sixteen thousand wide.
Kept rows and files of rejected rows would be large where the file is small, so such a table is refused: on the whole, a
stored cell may bring SPARSE_CELLS_EACH_MAX empty ones, beyond SPARSE_CELLS_FREE.
"""

from __future__ import annotations

from waypost.node.intake.reading.source import refuse
from waypost.node.limits import SPARSE_CELLS_EACH_MAX, SPARSE_CELLS_FREE


class Sparse:
    """Watches the rows of one table."""

    def __init__(self, name: str) -> None:
        self._name, self._left = name, SPARSE_CELLS_FREE

    def see(self, width: int, stored: int) -> None:
        """A row of so many cells, of which so many are stored; IntakeError when there were too few, row after row."""
        self._left += stored * SPARSE_CELLS_EACH_MAX - (width - stored)
        if self._left < 0:
            refuse(
                self._name, "has cells far away from its table, in row after row", "clear what stands beside the table"
            )
        self._left = min(self._left, SPARSE_CELLS_FREE)
