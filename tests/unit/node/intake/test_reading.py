"""Reading: whatever a records system writes is read as it is, and what is broken or hostile is refused in words."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parties.exports import CONTENT_TYPES, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake.reading import Format, Reading, Source, open_tables
from waypost.node.intake.reading.shown import number_shown
from waypost.node.intake.reading.table import Skipped, Table
from waypost.node.limits import FIELD_CHARS_MAX, LINE_CHARS_MAX, UNPACK_FREE_BYTES

PLAIN = "id,name,hired\r\n007,O'Neill,2001-02-03\r\n8,Muñoz,\r\n"
ROWS = [("007", "O'Neill", "2001-02-03"), ("8", "Muñoz", "")]


def _tables(data: bytes, reading: Reading = Reading()) -> list[Table]:  # noqa: B008 - it is frozen
    return open_tables(Source.of_bytes("file", data), reading)


def _cells(table: Table) -> list[tuple[str, ...]]:
    return [row.cells for row in table.rows()]


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


# Text.


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: _zip(a=data)])
def test_separator_encoding_and_packing_are_found_out(
    delimiter: str, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    (table,) = _tables(pack(PLAIN.replace(",", delimiter).encode(encoding)))
    assert table.columns == ("id", "name", "hired")
    assert _cells(table) == ROWS


def test_a_section_sign_of_windows_late_in_a_plain_file_is_read() -> None:
    data = ("id,rule\n" + "1,plain\n" * 200_000).encode() + "2,§ 12.4\n".encode("cp1252")
    (table,) = _tables(data)
    assert "Windows-1252" in table.shape
    assert _cells(table)[-1] == ("2", "§ 12.4")


def test_mixed_line_ends_and_cells_that_break_lines_are_counted_as_an_editor_counts_them() -> None:
    (table,) = _tables(b'id,text\r1,a\n2,"b\r\nc"\r\n3,d')
    assert [(row.line, row.cells[0]) for row in table.rows()] == [(2, "1"), (3, "2"), (5, "3")]


def test_header_in_a_later_line_blank_lines_repeated_headers_and_totals_are_no_rows() -> None:
    data = b"Springfield PD,,\nRun date: 1/2/2020,,\n,,\nNo,Name,Date\n1,A,\n,,\nNo,Name,Date\n2,B,\n"
    data += b"Total: 2,,\n2 rows,,\n"
    (table,) = _tables(data)
    assert table.header_line == 4
    assert [cells[0] for cells in _cells(table)] == ["1", "2"]
    assert table.skipped == {Skipped.PREAMBLE: 2, Skipped.BLANK: 2, Skipped.HEADER_AGAIN: 1, Skipped.TOTAL: 2}


def test_attack_a_row_begins_with_a_byte_order_mark_and_nothing_else_in_its_cell() -> None:
    (table,) = _tables("No,Name,Date\n1,A,\n\ufeff,B,\n".encode())
    assert _cells(table) == [("1", "A", ""), ("\ufeff", "B", "")]


def test_columns_of_one_name_are_told_apart_and_one_without_is_numbered() -> None:
    (table,) = _tables(b"id,Start Date,Start  Date,,x\n1,2,3,4,5\n")
    assert table.columns == ("id", "Start Date", "Start Date.1", "column 4", "x")


def test_what_is_found_out_can_be_overridden() -> None:
    data = b"a;b\n1,5;2\n"
    assert _cells(_tables(data)[0]) == [("1,5", "2")]
    assert _cells(_tables(data, Reading(delimiter=","))[0]) == [("1", "5;2")]
    no_header = Reading(header=("x", "y"), delimiter=";")
    assert _cells(_tables(data, no_header)[0]) == [("a", "b"), ("1,5", "2")]
    assert _cells(_tables(b'a\tb\n5"\t6\n', Reading(quoted=False))[0]) == [('5"', "6")]


# Text of fixed width.

REPORT = """\
                     TESTBURG POLICE DEPARTMENT            PAGE 1
                     PERSONNEL HISTORY

EMP NO  NAME                    RANK       HIRED       LEFT
------  ----------------------  ---------  ----------  ----------
000012  SYNTHETIC, AVERY Q      OFFICER    02/03/2001
000013  FICTIVE, ROBIN          SERGEANT   05/06/1999  07/08/2015
\f                     TESTBURG POLICE DEPARTMENT            PAGE 2
EMP NO  NAME                    RANK       HIRED       LEFT
------  ----------------------  ---------  ----------  ----------
000014  EXAMPLE-LONGER, KIM     OFFICER    02/03/2001

3 rows selected.
"""


def test_a_report_of_fixed_width_is_read_by_its_line_of_dashes_page_after_page() -> None:
    (table,) = _tables(REPORT.replace("\n", "\r\n").encode())
    assert table.shape == "text of fixed width, columns at 1, 9, 33, 44, 56, UTF-8"
    assert table.columns == ("EMP NO", "NAME", "RANK", "HIRED", "LEFT")
    assert [(row.line, row.cells) for row in table.rows()] == [
        (6, ("000012", "SYNTHETIC, AVERY Q", "OFFICER", "02/03/2001", "")),
        (7, ("000013", "FICTIVE, ROBIN", "SERGEANT", "05/06/1999", "07/08/2015")),
        (11, ("000014", "EXAMPLE-LONGER, KIM", "OFFICER", "02/03/2001", "")),
    ]
    assert table.skipped == {
        Skipped.PREAMBLE: 2,
        Skipped.BLANK: 2,
        Skipped.RULE: 2,
        Skipped.HEADING_AGAIN: 1,
        Skipped.HEADER_AGAIN: 1,
        Skipped.TOTAL: 1,
    }


def test_a_report_without_a_line_of_dashes_is_read_by_its_blanks_or_by_the_places_that_are_named() -> None:
    lines = ["NO    NAME          HIRED", *(f"{n:03}   SMITH, JO {n % 7}   2001-02-{n % 27 + 1:02}" for n in range(40))]
    data = "\n".join(lines).encode()
    (table,) = _tables(data)
    assert table.columns == ("NO", "NAME", "HIRED")
    assert _cells(table)[3] == ("003", "SMITH, JO 3", "2001-02-04")
    (named,) = _tables(data, Reading(columns_at=(1, 7, 15, 21)))
    assert _cells(named)[3] == ("003", "SMITH, J", "O 3", "2001-02-04")
    with pytest.raises(IntakeError, match="no columns under one another"):
        _tables(b"one\ntwo\n", Reading(format=Format.FIXED))


def test_a_table_with_separators_is_never_taken_for_one_of_fixed_width() -> None:
    rows = "".join(f"00{n},A  B,C    D,2001-02-03\n" for n in range(9))
    (table,) = _tables(f"id,one,two,day\n{rows}".encode())
    assert "separated by commas" in table.shape


# Spreadsheets.


def test_a_spreadsheet_shows_dates_numbers_and_leading_zeros_as_excel_does() -> None:
    sheet = (
        '<row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="C3" t="s"><v>2</v></c></row>'
        '<row r="5"><c r="A5" s="2"><v>42</v></c><c r="B5" s="1"><v>44200</v></c><c r="C5"><v>128103.0</v></c></row>'
        '<row r="6"><c r="A6" t="str"><v>0042</v></c><c r="B6" s="3"><v>44200.5</v></c><c r="C6"><v>1E-3</v></c></row>'
        '<row r="7"><c r="A7" t="b"><v>1</v></c><c r="B7" t="e"><v>#N/A</v></c>'
        '<c r="C7" t="inlineStr"><is><t>in</t><t>line</t></is></c></row>'
    )
    (table,) = _tables(workbook({"People": sheet}, strings=["no", "day", "amount"]))
    assert table.header_line == 3
    assert [(row.line, row.cells) for row in table.rows()] == [
        (5, ("00042", "2021-01-04", "128103")),
        (6, ("0042", "2021-01-04 12:00:00", "0.001")),
        (7, ("TRUE", "#N/A", "inline")),
    ]


@pytest.mark.parametrize(
    ("serial", "since_1904", "shown"),
    [
        ("1", False, "1900-01-01"),
        ("59", False, "1900-02-28"),
        ("60", False, "1900-02-29"),
        ("61", False, "1900-03-01"),
        ("0", True, "1904-01-01"),
        ("42738", True, "2021-01-04"),
        ("2958465", False, "9999-12-31"),
        ("2958466", False, "2958466"),
        ("2958465.9999999", False, "2958465.9999999"),
        ("2957003", True, "9999-12-31"),
        ("2957004", True, "2957004"),
        ("-5", False, "-5"),
        ("1e400", True, "inf"),
        ("NaN", False, "nan"),
        ("0.25", False, "06:00:00"),
        ("2020-01-02", False, "2020-01-02"),
    ],
)
def test_the_days_of_both_of_excels_calendars(serial: str, since_1904: bool, shown: str) -> None:
    assert number_shown(serial, "date", since_1904=since_1904) == shown


def test_every_visible_sheet_is_a_table_and_a_hidden_one_only_when_asked_for() -> None:
    row = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'
    data = workbook({"Final": row, "Pending": row, "Old": row}, hidden={"Old"})
    assert [table.name for table in _tables(data)] == ["file [Final]", "file [Pending]"]
    assert [table.name for table in _tables(data, Reading(sheets=("Old",)))] == ["file [Old]"]
    with pytest.raises(IntakeError, match="none of the sheets"):
        _tables(data, Reading(sheets=("Decertified",)))


def test_attack_a_formula_is_never_evaluated() -> None:
    sheet = (
        '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'
        '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2"><f>WEBSERVICE("http://x/")</f></c></row>'
    )
    (table,) = _tables(workbook({"S": sheet}))
    assert _cells(table) == [("2", '=WEBSERVICE("http://x/")')]


def test_attack_a_range_of_a_billion_rows_and_links_to_other_files_cost_nothing() -> None:
    sheet = (
        '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c><c r="XFD1" s="1"/></row>'
        '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    )
    extra = {"xl/externalLinks/externalLink1.xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"}
    tracemalloc.start()
    try:
        (table,) = _tables(workbook({"S": sheet}, dimension="A1:XFD1048576", extra=extra))
        assert _cells(table) == [("1", "")]
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ('<row r="9999999999"/>', "numbered wrongly"),
        ('<row r="2"/><row r="1"/>', "numbered wrongly"),
        ('<row r="1"><c r="XFE1"><v>1</v></c></row>', "more than 16,384 columns"),
        ('<row r="1"><c r="A1" t="s"><v>7</v></c></row>', "is damaged"),
        ('<row r="1"><c r="A1" t="s"><v>-1', "is damaged"),
        (f'<row r="1"><c r="A1" t="str"><v>{"x" * (FIELD_CHARS_MAX + 1)}</v></c></row>', "a cell longer than"),
        ("", "is empty"),
    ],
)
def test_attack_a_forged_sheet_is_refused_in_words(sheet: str, said: str) -> None:
    with pytest.raises(IntakeError, match=said) as refused:
        _tables(workbook({"S": sheet}))
    assert refused.value.hint


def test_attack_a_document_type_that_multiplies_itself_is_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><sst>&b;</sst>'
    with pytest.raises(IntakeError, match="declares a document type"):
        _tables(workbook({"S": ""}, extra={"xl/sharedStrings.xml": bomb}))


# Columns.


def test_attack_a_name_that_comes_again_is_never_that_of_another_column() -> None:
    (table,) = _tables(b"Name,Name,Name.1,NAME\na,b,c,d\n")
    assert table.columns == ("Name", "Name.1", "Name.1.1", "NAME.2")


def test_what_cannot_be_seen_is_no_part_of_a_columns_name() -> None:
    (table,) = _tables("id,\u200bfull\u00a0name\x1b\n1,x\n".encode())
    assert table.columns == ("id", "full name")


def test_a_file_that_was_hung_onto_another_brings_its_mark_and_header_along() -> None:
    one, other = (f"id,name\n{each},x\n".encode("utf-8-sig") for each in (1, 2))
    (table,) = _tables(one + other)
    assert _cells(table) == [("1", "x"), ("2", "x")]
    assert table.skipped[Skipped.HEADER_AGAIN] == 1


# JSON.


@pytest.mark.parametrize(
    "data",
    [
        b'[{"id": "007", "n": {"first": 1.50}}, {"id": null, "tags": ["a", 2], "ok": true}]',
        b'{"page": {"n": []}, "all": [{"id": "007", "n": {"first": 1.50}}, {"tags": ["a", 2], "ok": true}], "more": 1}',
        b'{"id": "007", "n": {"first": 1.50}}\n\n{"id": null, "tags": ["a", 2], "ok": true}\n',
    ],
)
def test_json_in_each_of_its_shapes_gives_the_same_table(data: bytes) -> None:
    if data.startswith(b'{"id"'):
        data = data.replace(b"\n\n", b"\n")
    (table,) = _tables(data)
    assert table.columns == ("id", "n.first", "tags", "ok")
    assert _cells(table) == [("007", "1.50", "", ""), ("", "", "a; 2", "true")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_single_object_is_a_table_of_one_row(end: bytes) -> None:
    (table,) = _tables(b'{"id": "007", "n": {"first": 1.50}, "tags": []}' + end)
    assert (table.columns, _cells(table)) == (("id", "n.first", "tags"), [("007", "1.50", "")])


def test_json_larger_than_what_is_read_at_once_is_read_whole() -> None:
    rows = [{"id": f"{number:06}", "text": "x" * 500} for number in range(2_000)]
    (table,) = _tables(json.dumps(rows).encode())
    assert [cells[0] for cells in _cells(table)] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'[{"id": 1, "id": 2}]', "two values of one name in object 1"),
        (b'{"id": 1, "n": 1}\n{"id": 1, "id": 2}\n', "two values of one name in line 2"),
        (b'[{"a.b": 1, "a": {"b": 2}}]', "two values of one name in object 1"),
        (b'[{"a": ' + b'{"a": ' * 100 + b"1" + b"}" * 100 + b"}]", "nested too deeply"),
        (b'[{"' + b"k" * 2_000 + b'": 1}]', "names too long"),
    ],
)
def test_attack_json_that_says_two_things_or_goes_deep_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(IntakeError, match=said) as refused:
        _cells(_tables(data)[0])
    assert refused.value.hint


def test_attack_half_a_letter_of_json_is_a_lost_letter() -> None:
    (table,) = _tables(b'[{"na\\ud800me": "a\\ud800b"}]')
    assert table.columns == ("na\ufffdme",)
    assert _cells(table) == [("a\ufffdb",)]


@pytest.mark.parametrize("data", [b"[1, 2]", b'[{"a": 1}', b'[{"a": 1} {"a": 2}]', b'{"a": 1}', b"[", b"[" * 100_000])
def test_attack_json_that_is_no_table_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(IntakeError) as refused:
        _cells(_tables(data, Reading(format=Format.JSON))[0])
    assert refused.value.hint


# What is broken or hostile.


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(PLAIN.encode() * 1000)[:-20], "ends too early or is damaged"),
        (gzip.compress(b"id,name\n" * 20_000)[:60], "ends too early or is damaged"),
        (_zip(a=PLAIN.encode())[:40], "ends too early or is damaged"),
        (gzip.compress(gzip.compress(b"x")), "another packed"),
        (gzip.compress(b""), "is empty"),
        (_zip(), "without the file to import"),
        (_zip(**{f"f{number}": b"x" for number in range(101)}), "more than 100 files"),
        (_zip(**{CONTENT_TYPES: b"<x/>"}), "but no spreadsheet"),
        (b"id,name\n1,a\0b\n", "NUL byte in line 2"),
        ("id,name\n1,a\0b\n".encode("utf-16"), "NUL byte in line 2"),
        (b"id,name\n1,\x81\n", "neither UTF-8 nor Windows-1252: line 2"),
        ("id,name\n1,a\n".encode("utf-16")[:-1], "is not UTF-16: line 2"),
        (b'id,name\n1,"never closed\n' + b"2,x\n" * 40_000, "quotation mark"),
        (b"id,name\n1," + b"x" * 10_000_000 + b"\n", "characters in line 2"),
        (b"x" * (LINE_CHARS_MAX * 3), "characters in line 1"),
        (b"%PDF-1.7\n1 0 obj\n", "is a PDF document"),
        (b"{\\rtf1 id name}", "a word processor's document"),
        (b"\xef\xbb\xbf\r\n<html><table><tr><td>id</td></tr></table></html>", "a web page, whatever its name says"),
        ("<TABLE><tr><td>id</td></tr></TABLE>".encode("utf-16"), "a web page, whatever its name says"),
        (b'<?xml version="1.0"?><Workbook/>', "is XML"),
        (_zip(a=PLAIN.encode(), b=b"%PDF-1.7\n"), r"\[b\] is a PDF document"),
        (PLAIN.encode("utf-32"), "is UTF-32 text"),
        (_zip(a=_zip(b=PLAIN.encode())), r"\[a\] is an archive within an archive"),
        (gzip.compress(_zip(b=PLAIN.encode())), "is an archive within an archive"),
        (_zip(**{"mimetype": b"application/vnd.oasis", "content.xml": b"<x/>"}), "is an OpenDocument file"),
        (_zip(**{CONTENT_TYPES: b"<x/>", "xl/workbook.bin": b"x"}), r"is a binary workbook \(.xlsb\)"),
    ],
    ids=itertools.count(),  # packed files bear the time of their making
)
def test_attack_a_broken_or_hostile_file_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(IntakeError, match=said) as refused:
        [_cells(table) for table in _tables(data)]
    assert refused.value.hint
    assert "nothing was imported" in str(refused.value)


@pytest.mark.parametrize("codec", ["base64", "rot13", "zlib", "hex", "undefined", "a\0b", "no such"])
def test_attack_what_is_no_encoding_of_text_is_refused_in_words(codec: str) -> None:
    with pytest.raises(IntakeError, match="which is no encoding"):
        _tables(PLAIN.encode(), Reading(encoding=codec))


def test_attack_an_encoding_whose_mark_is_missing_is_refused_in_words() -> None:
    with pytest.raises(IntakeError, match="is not UTF-16: line 1"):
        _tables(PLAIN.encode(), Reading(encoding="utf-16"))


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: _zip(bomb=data)])
def test_attack_a_bomb_is_refused_before_it_is_in_memory(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"id,name\n" + b"0,0\n" * (UNPACK_FREE_BYTES // 4 + 1000))
    tracemalloc.start()
    try:
        with pytest.raises(IntakeError, match="unpacks to far more"):
            _tables(bomb)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["", "gzip", "xlsx", "json"]))
def test_attack_whatever_bytes_are_given_reading_ends_in_rows_or_in_words(data: bytes, packing: str) -> None:
    packed = {
        "": data,
        "gzip": gzip.compress(data)[: len(data) + 10],
        "xlsx": workbook({"S": ""}, extra={"xl/worksheets/sheet1.xml": data.decode("latin-1")}),
        "json": b'[{"a":' + data,
    }[packing]
    try:
        for table in _tables(packed):
            for row in table.rows():
                assert row.line > 0
    except IntakeError as refused:
        assert refused.hint  # noqa: PT017 - both ends are right ones


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"

    def peak(rows: int) -> int:
        path.write_text("id,name\n" + f"1234,{'Synthetic' * 10}\n" * rows)
        tracemalloc.start()
        try:
            (table,) = open_tables(Source.of_path(path))
            assert sum(1 for _ in table.rows()) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(40_000) < peak(10_000) + 500_000
