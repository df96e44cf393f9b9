"""Small files that would become large: what the reading of each takes, measured in a process of its own."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from tests.parties.exports import sheet_rows, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake import Source, open_tables
from waypost.node.intake.inspecting import inspect_table

PEAK_KIB_MAX = 260 * 1024
"""Python and its libraries take 90 MiB of it, a workbook's table of strings at most 128."""
INSPECT = """
import re, sys
from pathlib import Path
from waypost.node.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""The command, which tells at its end how much memory it has taken at most."""
SHEET = "xl/worksheets/sheet1.xml"


def _sheet(xml: str) -> bytes:
    return workbook({"S": ""}, extra={SHEET: f"<worksheet><sheetData>{xml}"})


def _string_without_end() -> bytes:
    """Text that shrinks to a hundredth, so that its archive is no bomb by its ratio."""
    piece = os.urandom(1000).hex() + "y" * 98_000
    return workbook(
        {"S": sheet_rows([["id", "name"]])},
        extra={"xl/sharedStrings.xml": f"<sst><si>{f'<t>{piece}</t>' * 1_800}</si></sst>"},
    )


HARMFUL: dict[str, Callable[[], bytes]] = {
    "a row of ever more lines in quotation marks": lambda: b"id,name\n" + b'"abcdefgh\n",' * 5_000_000,
    "names made of names": lambda: json.dumps([{"k" * 700_000: {str(each): 1 for each in range(1_000)}}]).encode(),
    "tags within tags": lambda: _sheet("<a>" * 5_000_000),
    "ever new names of tags": lambda: _sheet("".join(f"<a{each:x}/>" for each in range(3_000_000))),
    "ever new names of attributes": lambda: _sheet("".join(f'<c a{each:x}=""/>' for each in range(3_000_000))),
    "one string without end": _string_without_end,
}


def _inspect(path: Path) -> tuple[int, str, int]:
    """The command's exit code and error, and how much memory it took."""
    command = [sys.executable, "-c", INSPECT, "import", "inspect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("what", HARMFUL)
def test_attack_a_small_file_fills_the_memory(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(HARMFUL[what]())
    code, said, peak_kib = _inspect(path)
    assert code == 1
    assert said.startswith("error: ")
    assert "\nhint: " in said
    assert peak_kib < PEAK_KIB_MAX


def test_attack_lines_of_nothing_fill_the_memory_while_the_header_is_sought(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"id,name\n" + (b"," * 1_000_000 + b"\n") * 40)
    code, _, peak_kib = _inspect(path)
    assert code == 0
    assert peak_kib < PEAK_KIB_MAX


def test_attack_of_thousands_of_columns_a_few_values_each_are_kept_for_looking_at_them() -> None:
    columns = 1_600
    rows = "\n".join([",".join(f"c{each}" for each in range(columns)), *[",".join(["a"] * columns)] * 300])
    (table,) = open_tables(Source.of_bytes("file", rows.encode()))
    looked_at = inspect_table(table, date(2026, 11, 24))
    assert [column.filled for column in looked_at.columns] == [300] * columns
    assert sum(len(column.samples) for column in looked_at.columns) == 400_000


def _overlapping(files: int) -> bytes:
    """An archive of files that all lie in one place."""
    data = b"id,name\n" + b"1,2\n" * 1_000_000
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(data) + deflate.flush()
    sizes, name = (zlib.crc32(data), len(packed), len(data)), b"a.csv"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, *sizes, len(name), 0) + name + packed
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, *sizes, len(name), *[0] * 6) + name
    directory = entry * files
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, files, files, len(directory), len(local), 0)
    return local + directory + end


def _many(files: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for each in range(files):
            archive.writestr(f"{'n' * 1_000}{each}.csv", b"")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: _overlapping(90), "unpacks to far more"),
        (lambda: _many(5_000), "table of contents larger"),
        (
            lambda: workbook(
                {"A": "", "B": ""},
                extra={"xl/_rels/workbook.xml.rels": _RELATIONS_TO_ONE},
            ),
            "two of its sheets are one",
        ),
    ],
)
def test_attack_an_archive_tells_of_one_file_again_and_again(data: Callable[[], bytes], said: str) -> None:
    with pytest.raises(IntakeError, match=said) as refused:
        open_tables(Source.of_bytes("file", data()))
    assert refused.value.hint


_RELATIONS_TO_ONE = (
    '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/>'
    '<Relationship Id="r2" Target="worksheets/sheet1.xml"/></Relationships>'
)


def test_attack_a_format_as_long_as_a_book_is_none() -> None:
    """Reading such a format takes the square of its length, and each of 65,536 styles may name it."""
    code = "yyyy" * 1_000
    book = workbook(
        {"S": sheet_rows([["id", "day"]]) + '<row r="2"><c><v>1</v></c><c s="1"><v>44200</v></c></row>'},
        extra={
            "xl/styles.xml": f'<styleSheet><numFmts><numFmt numFmtId="200" formatCode="{code}"/></numFmts>'
            '<cellXfs><xf numFmtId="0"/><xf numFmtId="200"/></cellXfs></styleSheet>'
        },
    )
    (table,) = open_tables(Source.of_bytes("file", book))
    assert [row.cells for row in table.rows()] == [("1", "44200")]
