"""Dates as a source writes them, by the formats that its profile names.

1. A format is written in letters: YYYY or YY, MM or M, DD or D, Mon (Jan, January), and what stands between. M and D
   take one digit or two. `excel` is a day number of a spreadsheet.
2. A time behind the date is excess precision and left out: 12/4/2008 0:00:00, 1994-06-16 00:00:00.000,
   2020-01-01T00:00:00Z.
3. Two digits of a year mean the latest such year that has come; of a birth, the latest that makes the person 16 or
   older.
4. A value that two of the profile's formats read as two days is ambiguous and no date.
5. Placeholders (1/1/1900, 9999-12-31, N/A) are no dates, and mean that none is known. A time behind one does not
   matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from waypost.node.errors import IntakeError
from waypost.node.limits import AGE_YEARS_MIN, DATE_CHARS_MAX

EXCEL: Final = "excel"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TOKENS: Final = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short>\d{2})",
    "Mon": r"(?P<name>[A-Za-z]{3,9})\.?",
    "MM": r"(?P<month>\d{2})",
    "DD": r"(?P<day>\d{2})",
    "M": r"(?P<month>\d{1,2})",
    "D": r"(?P<day>\d{1,2})",
}
_TOKEN: Final = re.compile(r"YYYY|YY|Mon|MM|DD|M|D")
_TIME: Final = re.compile(r"[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?:Z| ?[+-]\d{2}:?\d{2})?$")
_SERIAL: Final = re.compile(r"(\d{4,6})(?:\.\d+)?")
_SERIAL_ZERO: Final = date(1899, 12, 30)
_SERIALS: Final = range(7_306, 80_000)
"""1920 to 2119: other numbers are years, or no dates."""
_CENTURY: Final = 100


@dataclass(frozen=True, slots=True)
class DateFormats:
    """The formats of one profile, compiled."""

    formats: tuple[str, ...]
    placeholders: frozenset[str]
    _patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, formats: Sequence[str], placeholders: Sequence[str] = ()) -> DateFormats:
        """IntakeError when a format is none."""
        patterns = tuple(_pattern(each) for each in formats if each != EXCEL)
        return cls(tuple(formats), frozenset(_plain(each) for each in placeholders), patterns)

    def read(self, text: str, today: date, *, birth: bool = False) -> date | str | None:
        """The day; why it is none; or None when it is a placeholder or empty."""
        if len(text) > DATE_CHARS_MAX:  # taking the time off takes the square of the length
            return f"is longer than {DATE_CHARS_MAX} characters, and no date"
        plain = _plain(text)
        if not plain or plain in self.placeholders or text.strip().lower() in self.placeholders:  # rule 5
            return None
        days = {
            day
            for pattern in self._patterns
            if (found := pattern.fullmatch(plain)) and (day := _day(found.groupdict(), today, birth=birth))
        }
        if EXCEL in self.formats and (serial := _SERIAL.fullmatch(plain)) and int(serial[1]) in _SERIALS:
            days.add(_SERIAL_ZERO + timedelta(days=int(serial[1])))
        if len(days) > 1:  # rule 4
            return "is a date that can be read as two days"
        if not days:
            return f"is no date as the profile writes them ({', '.join(self.formats)})"
        return days.pop()


def _plain(text: str) -> str:
    """Rule 2."""
    return _TIME.sub("", text.strip()).lower()


def _pattern(written: str) -> re.Pattern[str]:
    pattern, at = "", 0
    for token in _TOKEN.finditer(written):
        pattern += re.escape(written[at : token.start()]) + _TOKENS[token[0]]
        at = token.end()
    pattern += re.escape(written[at:])
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error:
        compiled = re.compile("")
    if not ({"year", "short"} & set(compiled.groupindex)):
        raise IntakeError(f"{written!r} is no format of dates", hint="write it like M/D/YYYY, D-Mon-YY or YYYY-MM-DD")
    return compiled


def _day(found: dict[str, str | None], today: date, *, birth: bool) -> date | None:
    month = found.get("month")
    if name := found.get("name"):
        numbers = [at for at, each in enumerate(_MONTHS, start=1) if name[:3] == each]
        month = str(numbers[0]) if numbers else "0"
    year = int(found["year"] or 0) if found.get("year") else _full_year(int(found["short"] or 0), today, birth=birth)
    try:
        return date(year, int(month or 1), int(found.get("day") or 1))
    except ValueError:
        return None


def _full_year(short: int, today: date, *, birth: bool) -> int:
    """Rule 3."""
    latest = today.year - (AGE_YEARS_MIN if birth else 0)
    return latest - (latest - short) % _CENTURY
