"""Documents for people outside of the node: headings, paragraphs and tables, as PDF on letter paper.

What is in a document is made elsewhere (selffile.py, letters.py); here is only how it looks. Text is set in Bitstream
Vera; letters that it lacks in Noto Sans, which has all Latin, Greek and Cyrillic ones, in its one weight. What neither
has is shown by its number, for a name that is shown wrong is another name.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import fontpkg_noto_sans
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
_WIDE: Final = "NotoSans"
_WIDE_FILE: Final = "NotoSans[wdth,wght].ttf"
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
        foot_runs = _runs(document.foot)
        canvas.setFont(_FONT if all(font == _FONT for font, _ in foot_runs) else _WIDE, 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(_MARGIN, 0.5 * inch, "".join(text for _, text in foot_runs))
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
    parts = (escape(run) if font == _FONT else f'<font name="{font}">{escape(run)}</font>' for font, run in _runs(text))
    return "".join(parts).replace("\n", "<br/>")


def _runs(text: str) -> list[tuple[str, str]]:
    """The text in parts, each with the font that has its letters."""
    runs: list[tuple[str, str]] = []
    for char in unicodedata.normalize("NFC", text):
        font, shown = _shown(char)
        if runs and runs[-1][0] == font:
            runs[-1] = (font, runs[-1][1] + shown)
        else:
            runs.append((font, shown))
    return runs


def _shown(char: str) -> tuple[str, str]:
    if char == "\n" or ord(char) in _glyphs(_FONT):
        return _FONT, char
    if ord(char) in _glyphs(_WIDE):
        return _WIDE, char
    if char.isspace() or unicodedata.category(char) == "Cf":  # tabs and the like; marks that nobody sees
        return _FONT, " " if char.isspace() else ""
    return _FONT, f"[U+{ord(char):04X}]"


def _glyphs(name: str) -> Mapping[int, int]:
    font = pdfmetrics.getFont(name)
    return font.face.charToGlyph if isinstance(font, TTFont) else {}


def _register_fonts() -> None:
    if _FONT in pdfmetrics.getRegisteredFontNames():
        return
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in (_FONT, _BOLD):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    pdfmetrics.registerFont(TTFont(_WIDE, str(fontpkg_noto_sans.ROOT / "files" / _WIDE_FILE)))


def paragraphs(lines: Sequence[str]) -> tuple[Text, ...]:
    """A paragraph a line."""
    return tuple(Text(line) for line in lines)
