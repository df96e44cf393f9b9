"""Reading: a file of whatever shape in, tables of rows out, with what was found out about each.

source.py opens a file, packing.py takes it out of its packing, within what bounds.py allows; encoding.py judges its
text; text.py, fixed.py, workbook.py and objects.py give the rows of one format; tables.py finds the header and leaves
out what is no row. Nothing here holds a file in memory.
"""

from __future__ import annotations

from waypost.node.intake.reading.source import Source
from waypost.node.intake.reading.table import SourceRow, Table
from waypost.node.intake.reading.tables import open_tables
from waypost.node.intake.reading.wishes import Format, Reading

__all__ = ["Format", "Reading", "Source", "SourceRow", "Table", "open_tables"]
