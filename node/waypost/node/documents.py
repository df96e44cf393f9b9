"""Documents for people outside of the node: headings, paragraphs and tables, as PDF on letter paper.

What is in a document is made elsewhere (selffile.py, letters.py); here is only how it looks. Text is set in Bitstream
Vera, which has the Latin alphabets; a letter that it lacks is shown without its accents.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import reportlab
from reportlab.lib import colors
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import inch
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

_FONT: Final = "Vera"
_BOLD: Final = "VeraBd"
_MARGIN: Final = 0.9 * inch
_FRAME_PADDING: Final = 6
"""Points that the page's frame keeps free on either side."""
_GREY: Final = colors.HexColor("#555555")
_RULE: Final = colors.HexColor("#bbbbbb")


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's or, one level down, a record's title."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; line breaks in it stay."""

    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; `heads` may be empty, then the first column is what the others are about."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class NewPage:
    """The next block begins a page."""


Block = Heading | Text | Rows | NewPage


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document. `foot` stands at the bottom of every page beside the page's number."""

    title: str
    foot: str
    blocks: tuple[Block, ...]


def write_private(path: Path, data: bytes) -> None:
    """Write a file about a person: nobody but its owner can read it, at any moment."""
    path.touch(mode=0o600)
    if path.is_file():  # and no device, whose mode is not ours to change
        path.chmod(0o600)
    path.write_bytes(data)


def to_pdf(document: Document) -> bytes:
    """The document as PDF."""
    _register_fonts()
    sink = io.BytesIO()
    template = SimpleDocTemplate(
        sink,
        pagesize=LETTER,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=document.title,
        author=document.foot,
        lang="en-US",
    )

    def foot(canvas: Canvas, _template: object) -> None:
        canvas.setFont(_FONT, 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(_MARGIN, 0.5 * inch, _printable(document.foot))
        canvas.drawRightString(LETTER[0] - _MARGIN, 0.5 * inch, f"page {canvas.getPageNumber()}")

    flow: list[Flowable] = [Paragraph(_markup(document.title), _style(15, bold=True, after=10))]
    for block in document.blocks:
        flow += _flowables(block, template.width - 2 * _FRAME_PADDING)
    template.build(flow, onFirstPage=foot, onLaterPages=foot)
    return sink.getvalue()


def _flowables(block: Block, width: float) -> list[Flowable]:
    if isinstance(block, NewPage):
        return [PageBreak()]
    if isinstance(block, Heading):
        size = 12 if block.level == 1 else 9.5
        return [Paragraph(_markup(block.text), _style(size, bold=True, before=10, after=4, keep=True))]
    if isinstance(block, Text):
        return [Paragraph(_markup(block.text), _style(9, after=5, quiet=block.quiet))]
    return _table(block, width)


def _table(block: Rows, width: float) -> list[Flowable]:
    if not block.rows:
        return []
    cell, head = _style(7.5), _style(7.5, bold=True)
    body = [[Paragraph(_markup(text), cell) for text in row] for row in block.rows]
    if not block.heads:
        for row, texts in zip(body, block.rows, strict=True):
            row[0] = Paragraph(_markup(texts[0]), head)
        widths = [width * 0.27, *([width * 0.73 / (len(body[0]) - 1)] * (len(body[0]) - 1))]
    else:
        body.insert(0, [Paragraph(_markup(text), head) for text in block.heads])
        widths = [width / len(block.heads)] * len(block.heads)
    style = TableStyle()
    style.add("VALIGN", (0, 0), (-1, -1), "TOP")
    style.add("LINEBELOW", (0, 0), (-1, -1), 0.25, _RULE)
    for padding, points in (("LEFTPADDING", 0), ("TOPPADDING", 2), ("BOTTOMPADDING", 2)):
        style.add(padding, (0, 0), (-1, -1), points)
    table = Table(body, colWidths=widths, repeatRows=1 if block.heads else 0, style=style)
    return [table, Spacer(1, 6)]


def _style(
    size: float, *, bold: bool = False, before: float = 0, after: float = 0, quiet: bool = False, keep: bool = False
) -> ParagraphStyle:
    return ParagraphStyle(
        "waypost",
        fontName=_BOLD if bold else _FONT,
        fontSize=size,
        leading=size * 1.35,
        spaceBefore=before,
        spaceAfter=after,
        textColor=_GREY if quiet else colors.black,
        keepWithNext=keep,
    )


def _markup(text: str) -> str:
    return escape(_printable(text)).replace("\n", "<br/>")


def _printable(text: str) -> str:
    """The text in letters that the font has."""
    font = pdfmetrics.getFont(_FONT)
    glyphs: dict[int, int] = font.face.charToGlyph if isinstance(font, TTFont) else {}
    return "".join(char if ord(char) in glyphs or char == "\n" else _plain(char, glyphs) for char in text)


def _plain(char: str, glyphs: dict[int, int]) -> str:
    bare = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return bare if bare and all(ord(part) in glyphs for part in bare) else "?"


def _register_fonts() -> None:
    if _FONT in pdfmetrics.getRegisteredFontNames():
        return
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in (_FONT, _BOLD):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def paragraphs(lines: Sequence[str]) -> tuple[Text, ...]:
    """A paragraph a line."""
    return tuple(Text(line) for line in lines)
