"""The table of agencies: names that imports met, guesses beside them, and what a person or a spreadsheet made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.node.errors import IntakeError
from waypost.node.intake.agencies import Agency, confirmed, oris, read_agencies, with_found, write_agencies


def test_the_table_of_agencies_offers_guesses_and_takes_none(tmp_path: Path) -> None:
    path = tmp_path / "agencies.csv"
    found = {"Testburg PD": 5, "Sample Co. Sheriff's Office -AKA- SCSO": 2, "Elsewhere": 1}
    members = {"OR9900400": "Testburg Police Department", "OR9900500": "Sample County Sheriff's Office"}
    write_agencies(path, with_found({}, found, members))
    table = read_agencies(path)
    assert [(each.name, each.ori, each.guess) for each in table.values()] == [
        ("Testburg PD", "", "OR9900400"),
        ("Sample Co. Sheriff's Office -AKA- SCSO", "", "OR9900500"),
        ("Elsewhere", "", ""),
    ]
    assert oris(table) == {}
    write_agencies(path, confirmed(table, "TESTBURG  PD", "OR9900400"))
    assert oris(read_agencies(path)) == {"testburg pd": "OR9900400"}
    with pytest.raises(IntakeError, match="is no ORI"):
        confirmed(table, "Elsewhere", "ELSEWHERE")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_that_was_through_a_spreadsheet_is_read(tmp_path: Path, separator: str, encoding: str) -> None:
    path = tmp_path / "agencies.csv"
    lines = (
        ("agency", "ori", "guess", "rows"),
        ('"Testburg PD"', "or9900400 ", "", "3"),
        ("", "", "", ""),
        ("testburg  pd", "", "", "1"),
        ("'=SUM(1)", "OR9900500", "'=1", "2"),
    )
    path.write_text("\r\n".join(map(separator.join, lines)), encoding)
    assert [*read_agencies(path).values()] == [
        Agency("Testburg PD", "OR9900400", "", 3),
        Agency("=SUM(1)", "OR9900500", "=1", 2),
    ]
    write_agencies(path, read_agencies(path))
    assert "'=SUM(1),OR9900500,'=1,2" in path.read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("Testburg PD,OR9900400\nTESTBURG PD,OR9900500", "line 3: TESTBURG PD has another ORI"),
        ("Testburg PD,OR99004", "line 2: the ori is none"),
        (f"{'x' * 70_000},OR9900400", "is no CSV near line"),
    ],
)
def test_attack_a_table_that_says_two_things_or_nothing_is_refused_in_words(
    tmp_path: Path, lines: str, said: str
) -> None:
    path = tmp_path / "agencies.csv"
    path.write_text(f"agency,ori\n{lines}\n")
    with pytest.raises(IntakeError, match=said) as refused:
        read_agencies(path)
    assert refused.value.hint
