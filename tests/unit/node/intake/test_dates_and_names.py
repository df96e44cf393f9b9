"""Dates and names as sources write them: read as they are meant, or not at all."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.node.errors import IntakeError
from waypost.node.intake.inspecting import DATE_FORMATS, formats_of
from waypost.node.intake.profiles.dates import DateFormats
from waypost.node.intake.profiles.names import Order, Taken, take_apart, tidy_family

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("formats", "text", "day"),
    [
        ("YYYY-MM-DD", "2008-12-04", date(2008, 12, 4)),
        ("M/D/YYYY", "12/4/2008 0:00:00", date(2008, 12, 4)),
        ("M/D/YYYY", "02/07/2008 2:06:46 PM", date(2008, 2, 7)),
        ("YYYY-MM-DD", "1994-06-16 00:00:00.000", date(1994, 6, 16)),
        ("YYYY-MM-DD", "1994-06-16T00:00:00Z", date(1994, 6, 16)),
        ("D-Mon-YY", "4-Dec-08", date(2008, 12, 4)),
        ("D Mon YYYY", "4 December 2008", date(2008, 12, 4)),
        ("Mon D, YYYY", "Dec. 4, 2008", date(2008, 12, 4)),
        ("M/D/YY", "11/24/26", date(2026, 11, 24)),
        ("M/D/YY", "11/24/27", date(1927, 11, 24)),
        ("excel", "44200", date(2021, 1, 4)),
        ("excel", "44200.5", date(2021, 1, 4)),
        ("M/D/YYYY M/D/YY excel", "1/2/71", date(1971, 1, 2)),
    ],
)
def test_a_date_is_read_by_the_formats_of_the_profile(formats: str, text: str, day: date) -> None:
    assert (
        DateFormats.of(formats.split() if "," not in formats and "D Mon" not in formats else (formats,)).read(
            text, TODAY
        )
        == day
    )


def test_two_digits_of_a_birth_year_make_the_person_sixteen_or_older() -> None:
    formats = DateFormats.of(("M/D/YY",))
    assert formats.read("3/7/10", TODAY, birth=True) == date(2010, 3, 7)
    assert formats.read("3/7/11", TODAY, birth=True) == date(1911, 3, 7)
    assert formats.read("3/7/11", TODAY) == date(2011, 3, 7)


@pytest.mark.parametrize("text", ["", " ", "1/1/1900", "1/1/1900 0:00:00", "9999-12-31", "n/a", "N/A"])
def test_placeholders_are_known_as_such(text: str) -> None:
    formats = DateFormats.of(("M/D/YYYY", "YYYY-MM-DD"), ("1/1/1900", "9999-12-31", "N/A"))
    assert formats.read(text, TODAY) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("11/02/20217", "no date"),
        ("0000-00-00", "no date"),
        ("2021-02-30", "no date"),
        ("1905", "no date"),
        ("RE-INSTATED, 05/18/2023", "no date"),
        ("3/4/2021", "two days"),
    ],
)
def test_attack_a_date_is_never_guessed(text: str, why: str) -> None:
    read = DateFormats.of(("M/D/YYYY", "D/M/YYYY", "YYYY-MM-DD", "excel")).read(text, TODAY)
    assert isinstance(read, str)
    assert why in read
    assert text not in read


def test_a_format_that_is_none_is_refused() -> None:
    with pytest.raises(IntakeError, match="no format of dates"):
        DateFormats.of(("%Y-%m-%d",))


def _written(day: date, written: str) -> str:
    for token, text in (
        ("YYYY", f"{day.year:04}"),
        ("YY", f"{day.year % 100:02}"),
        ("Mon", day.strftime("%b")),
        ("MM", f"{day.month:02}"),
        ("DD", f"{day.day:02}"),
        ("M/", f"{day.month}/"),
        ("M-", f"{day.month}-"),
        ("M.", f"{day.month}."),
        ("D", str(day.day)),
    ):
        if token != "Mon" or "Mon" in written:
            written = written.replace(token, text.replace("D", "\0").replace("M", "\1"), 1)
    return written.replace("\0", "D").replace("\1", "M")


@given(st.dates(date(1930, 1, 1), TODAY), st.sampled_from(DATE_FORMATS))
def test_whatever_the_day_each_format_gives_it_back(day: date, written: str) -> None:
    if "YYYY" not in written and (TODAY - day).days > 36_000:
        return
    assert DateFormats.of((written,)).read(_written(day, written), TODAY) == day


def test_an_inspection_finds_out_which_formats_a_column_mixes() -> None:
    assert formats_of(["2001-02-03", "12/31/2020", "1/2/2003"], TODAY) == ["M/D/YYYY", "YYYY-MM-DD"]
    assert formats_of(["31/12/2020", "13/1/2003"], TODAY) == ["D/M/YYYY"]
    assert formats_of(["44200", "44300"], TODAY) == ["excel"]
    assert formats_of(["A", "B", "2001-02-03"], TODAY) == []


@pytest.mark.parametrize(
    ("text", "order", "taken"),
    [
        ("SMITH, JOHN Q JR", Order.COMMA, Taken("SMITH", "JOHN", "Q", "JR")),
        ("John Q. Smith Jr", Order.GIVEN_FIRST, Taken("Smith", "John", "Q", "Jr")),
        ("DE LA CRUZ, MARIA", Order.COMMA, Taken("DE LA CRUZ", "MARIA")),
        ("de la Cruz, Maria Ana", Order.COMMA, Taken("de la Cruz", "Maria", "Ana")),
        ("Smith,John", Order.COMMA, Taken("Smith", "John")),
        ("Smith, Jr., John Quincy", Order.COMMA, Taken("Smith", "John", "Quincy", "Jr")),
        ("Smith, John Q., III", Order.COMMA, Taken("Smith", "John", "Q", "III")),
        ("Smith, Prince", Order.COMMA, Taken("Smith", "Prince")),
        ("SMITH JOHN Q", Order.FAMILY_FIRST, Taken("SMITH", "JOHN", "Q")),
        ("SMITH JR JOHN", Order.FAMILY_FIRST, Taken("SMITH", "JOHN", "", "JR")),
        ("DE LA CRUZ MARIA", Order.FAMILY_FIRST, Taken("DE LA CRUZ", "MARIA")),
        ("SMITH Q JOHN", Order.FAMILY_MIDDLE_GIVEN, Taken("SMITH", "JOHN", "Q")),
        ("SMITH JOHN", Order.FAMILY_MIDDLE_GIVEN, Taken("SMITH", "JOHN")),
        ("SMITH QUINCY JOHN JR", Order.FAMILY_MIDDLE_GIVEN, Taken("SMITH", "JOHN", "QUINCY", "JR")),
        ("DE LA CRUZ L MARIA", Order.FAMILY_MIDDLE_GIVEN, Taken("DE LA CRUZ", "MARIA", "L")),
        ("O`BRIEN, ANN", Order.COMMA, Taken("O'BRIEN", "ANN")),
        ("Jones(Spriggs), Ann", Order.COMMA, Taken("Jones", "Ann", former=("Spriggs",))),
        ("(Spilman) Kercher, Ann", Order.COMMA, Taken("Kercher", "Ann", former=("Spilman",))),
        ("BATES V, ANN MARY", Order.COMMA, Taken("BATES V", "ANN", "MARY")),
        ("Officers Ann Hale", Order.GIVEN_FIRST, Taken("Hale", "Ann")),
        ("P.O. Ann B. Hale", Order.GIVEN_FIRST, Taken("Hale", "Ann", "B")),
        ("Ofc. Ann Hale", Order.GIVEN_FIRST, Taken("Hale", "Ann")),
    ],
)
def test_a_full_name_is_taken_apart(text: str, order: Order, taken: Taken) -> None:
    assert take_apart(text, order) == taken


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("Smith John", Order.COMMA),
        ("VAN DYKE JASON D", Order.FAMILY_FIRST),
        ("VAN DYKE D JASON", Order.FAMILY_MIDDLE_GIVEN),
        ("SMITH JOHN Q", Order.FAMILY_MIDDLE_GIVEN),
        ("ST JOHN MARY ANN", Order.FAMILY_MIDDLE_GIVEN),
        ("ST JOHN MARY ANN", Order.FAMILY_FIRST),
        ("Cher", Order.GIVEN_FIRST),
        ("Trooper Hale", Order.GIVEN_FIRST),
        ("TPD / Ofc. Ann Hale", Order.GIVEN_FIRST),
        ("Smith,", Order.COMMA),
        ("", Order.COMMA),
        (",", Order.COMMA),
        ("JR", Order.GIVEN_FIRST),
        ("417", Order.GIVEN_FIRST),
    ],
)
def test_attack_a_name_that_can_be_read_in_two_ways_is_not_guessed(text: str, order: Order) -> None:
    why = take_apart(text, order)
    assert isinstance(why, str)
    assert not text.strip(" ,") or text not in why


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("Allen Jr.,", ("Allen", "Jr", ())),
        ("Bates   V", ("Bates", "V", ())),
        ("Claiborne, III", ("Claiborne", "III", ())),
        ("Jones(Spriggs)", ("Jones", "", ("Spriggs",))),
        ("De La Cruz", ("De La Cruz", "", ())),
        ("V", ("V", "", ())),
        ("", ("", "", ())),
    ],
)
def test_a_surname_column_gives_up_its_suffix_and_former_names(
    text: str, taken: tuple[str, str, tuple[str, ...]]
) -> None:
    assert tidy_family(text) == taken


_WORD = st.text(st.characters(categories=("Lu", "Ll")), min_size=2, max_size=9)


@given(_WORD, _WORD, st.sampled_from(["", "Q", "Ann Lee"]), st.sampled_from(["", "JR", "III"]))
def test_whatever_the_name_a_comma_gives_it_back(family: str, given_name: str, middle: str, suffix: str) -> None:
    taken = take_apart(" ".join(filter(None, (f"{family},", given_name, middle, suffix))), Order.COMMA)
    if {family.upper(), given_name.upper()} & {"JR", "SR", "II", "III", "IV"} or family.isspace():
        return
    assert taken == Taken(family, given_name, middle, suffix)


@given(st.text(max_size=40), st.sampled_from(Order))
def test_attack_whatever_text_stands_for_a_name_it_is_one_or_why_not(text: str, order: Order) -> None:
    assert isinstance(take_apart(text, order), (Taken, str))
