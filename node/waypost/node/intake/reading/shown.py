"""What a spreadsheet shows of a number that it stores: a day, a time, digits with their leading zeros.

A number with a date format is a date (1900 or 1904 system, with Excel's 29 February 1900), written YYYY-MM-DD, with a
time only if it has one. A number with a format of zeros keeps its leading zeros. Any other is written without exponent
or useless decimals.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

DATE_IDS: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
"""Built-in number formats that show a date or a time (ECMA-376 part 1, 18.8.30)."""
GENERAL: Final = ""
DATE: Final = "date"
_LITERAL: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]hms][^\]]*\]', re.IGNORECASE)
"""What of a format code is shown as it is: quoted, escaped, padding, colours and conditions."""
_ZEROS: Final = re.compile(r"0{2,}")
_DAY_END: Final = 2_958_466
"""The day after 31 December 9999: from there on a number is no day, and shown as a number."""
_DAY_END_1904: Final = _DAY_END - 1_462
_LEAP_BUG: Final = 60
_DAY_SECONDS: Final = 86_400


def style_of(code: str) -> str:
    """What a format code shows: GENERAL, DATE, or as many zeros as a number shows digits."""
    plain = _LITERAL.sub("", code.split(";", maxsplit=1)[0])
    if any(letter in "dmyhs" for letter in plain.lower().replace("general", "")):
        return DATE
    return plain if _ZEROS.fullmatch(plain) else GENERAL


def number_shown(value: str, style: str, *, since_1904: bool) -> str:
    """The number in that style, as text."""
    try:
        number = float(value)
    except ValueError:
        return value  # a date that is stored as text (type d)
    if style == DATE and _is_day(number, _DAY_END_1904 if since_1904 else _DAY_END):
        return _day_shown(number, since_1904=since_1904)
    if number.is_integer() and abs(number) < 1e15:  # noqa: PLR2004 - all its digits are exact
        return str(int(number)).zfill(len(style) if style != DATE else 0)
    shown = repr(number)
    return f"{number:f}".rstrip("0").rstrip(".") if "e" in shown else shown


def _is_day(number: float, end: int) -> bool:
    return 0 <= number <= end and round(number * _DAY_SECONDS) < end * _DAY_SECONDS


def _day_shown(number: float, *, since_1904: bool) -> str:
    day, second = divmod(round(number * _DAY_SECONDS), _DAY_SECONDS)
    time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    if day == 0 and second:
        return time
    if since_1904:
        shown = (date(1904, 1, 1) + timedelta(days=day)).isoformat()
    elif day == _LEAP_BUG:
        shown = "1900-02-29"  # Excel's own day; it does not exist
    else:
        shown = (date(1899, 12, 31) + timedelta(days=day - (day > _LEAP_BUG))).isoformat()
    return f"{shown} {time}" if second else shown
