"""Regular expressions that a profile brings along.

1. A pattern is one that Python reads without a warning, and of a length that a person has written.
2. A repetition without end holds neither another one nor a choice: on a text that nearly matches, the time for such a
   pattern doubles with each letter, and an import would never end.
3. A text to be searched has at most PATTERN_TEXT_CHARS_MAX characters, for the same reason.
"""

from __future__ import annotations

import re
import warnings
from re import _constants as codes  # type: ignore[attr-defined]  # the only way to see what a pattern consists of
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from waypost.node.limits import PATTERN_CHARS_MAX, PATTERN_TEXT_CHARS_MAX

_NEVER_DONE: Final = "has a repetition or a choice within a repetition without end, which may never be done"
_ENDLESS: Final = 16
"""A repetition that may come so often counts as one without end."""


def compile_pattern(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str] | str:
    """The pattern, or why it is none (rules 1 and 2)."""
    if len(pattern) > PATTERN_CHARS_MAX:
        return f"has a pattern of more than {PATTERN_CHARS_MAX} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(pattern, flags)
            endless = _explodes(parser.parse(pattern), within=False)
    except (re.error, Warning, RecursionError, OverflowError):
        return "has a pattern that is no regular expression"
    return _NEVER_DONE if endless else compiled


def searchable(text: str) -> bool:
    """Rule 3."""
    return len(text) <= PATTERN_TEXT_CHARS_MAX


def _explodes(parsed: Any, *, within: bool) -> bool:  # noqa: ANN401 - the parser's own, without types
    """Rule 2. `within`: it is repeated without end."""
    for code, argument in parsed:
        repeats = code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
        endless = repeats and argument[1] >= _ENDLESS
        if within and (endless or code is codes.BRANCH):
            return True
        if any(_explodes(part, within=within or endless) for part in _parts(code, argument)):
            return True
    return False


def _parts(code: Any, argument: Any) -> list[Any]:  # noqa: ANN401 - the same
    """What stands within one piece of a pattern."""
    if code is codes.BRANCH:
        return list(argument[1])
    pieces = argument if isinstance(argument, tuple) else (argument,)
    return [each for each in pieces if isinstance(each, parser.SubPattern)]
