"""Exports for tests: spreadsheets, written part by part so that they can be forged as well, JSON, printed reports."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

CONTENT_TYPES = "[Content_Types].xml"
_STYLES = (
    '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="00000"/>'
    '<numFmt numFmtId="165" formatCode="[$-409]m/d/yy\\ h:mm;@"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="0"/></cellStyleXfs><cellXfs>'
    '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
)
"""Style 1 is a date, style 2 five digits, style 3 a date with a time."""


def workbook(
    sheets: Mapping[str, str],
    *,
    strings: Sequence[str] = (),
    hidden: Collection[str] = (),
    dimension: str = "A1",
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """A workbook of these sheets: name to the XML of its rows. `extra` adds parts, or takes a part's place."""
    relations, listed, parts = "", "", {}
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        state = ' state="hidden"' if name in hidden else ""
        listed += f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="r{number}"{state}/>'
        relations += f'<Relationship Id="r{number}" Type="x/worksheet" Target="worksheets/sheet{number}.xml"/>'
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet><dimension ref="{dimension}"/><sheetData>{rows}</sheetData></worksheet>'
        )
    items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    parts |= {
        CONTENT_TYPES: "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns:r="r"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{relations}</Relationships>",
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f"<sst>{items}</sst>",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in (parts | dict(extra or {})).items():
            archive.writestr(path, content)
    return file.getvalue()


def sheet_rows(rows: Sequence[Sequence[str | int | float]], first: int = 1) -> str:
    """The XML of rows of plain values."""
    xml = ""
    for number, row in enumerate(rows, start=first):
        cells = "".join(
            f"<c><v>{value}</v></c>"
            if isinstance(value, (int, float))
            else f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
            for value in row
        )
        xml += f'<row r="{number}">{cells}</row>'
    return xml


def as_json(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A list of objects."""
    return json.dumps([dict(zip(header, row, strict=True)) for row in rows]).encode()


def as_json_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """An object a line."""
    return "\n".join(json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows).encode()


def as_fixed_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A report as a database prints it: columns under one another, a line of dashes under the header."""
    shown = [[" ".join(printable(cell).split())[:80] for cell in row] for row in rows]
    widths = [max(2, *(len(cell) for cell in column)) for column in zip(header, *shown, strict=True)]
    lines = [header, ["-" * width for width in widths], *shown]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ).encode()


def printable(text: str) -> str:
    """Without what XML cannot hold and a printed line has no place for."""
    return re.sub(r"[\x00-\x1f]", " ", text)
