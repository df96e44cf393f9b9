"""Rows of a JSON file: an array of objects, an object that holds one, or one object a line.

1. Objects are read one by one; a file is never held whole.
2. Numbers are kept as they are written, true and false are "true" and "false", null is empty.
3. An object within an object gives columns named "outer.inner"; an array of plain values is joined by "; ".
4. Columns are the keys of all objects, in the order of their first appearance: the file is read once more for them.
5. In JSON lines a row's number is its line; else it is the number of its object, from 1.
6. A name that comes twice in an object is refused: nobody can tell which value is meant. So are objects nested deeper,
   and names longer, than any export's: a few letters would become gigabytes of names.
7. Half of a letter (a lone surrogate, which no text can hold) becomes U+FFFD, which stands for a lost letter.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from waypost.node.intake.reading.packing import Part
from waypost.node.intake.reading.source import refuse
from waypost.node.intake.reading.sparse import Sparse
from waypost.node.intake.reading.text import Cells
from waypost.node.limits import COLUMNS_MAX, LINE_CHARS_MAX, NESTED_MAX, NESTED_NAME_CHARS_MAX, OBJECT_CHARS_MAX

_BLOCK: Final = 64 * 1024


class _Twice(Exception):  # noqa: N818 - what was found
    """A name comes twice in one object (rule 6)."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


_DECODER: Final = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_once
)  # rules 2 and 6
_HALF_LETTER: Final = re.compile("[\ud800-\udfff]")
_SPACE: Final = " \t\r\n"
_HINT: Final = "export it again as a JSON array of objects, or one object a line"
_HINT_TWICE: Final = "have it exported with each name once, for nobody can tell which value is meant"


def columns_of(part: Part, codec: str, *, lines: bool) -> tuple[str, ...]:
    """Rule 4."""
    columns: dict[str, None] = {}
    for _, row in _flat(part, codec, lines=lines):
        columns.update(dict.fromkeys(row))
        if len(columns) > COLUMNS_MAX:
            refuse(part.name, f"has more than {COLUMNS_MAX:,} columns", _HINT)
    return tuple(columns)


def rows_of(part: Part, codec: str, columns: tuple[str, ...], *, lines: bool) -> Iterator[Cells]:
    """Every object as cells in the order of the columns."""
    sparse = Sparse(part.name)
    for number, row in _flat(part, codec, lines=lines):
        sparse.see(len(columns), len(row))
        yield number, tuple(row.get(column, "") for column in columns)


def is_lines(part: Part, codec: str) -> bool:
    """Whether the file holds one object a line: its first line is an object of its own, and another follows it.

    If nothing follows it, it is the one row, unless it holds an array of objects: then that is the table.
    """
    with part.open() as file, io.TextIOWrapper(file, codec) as text:
        first, second = text.readline(LINE_CHARS_MAX), text.readline(LINE_CHARS_MAX)
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or second.strip():
        return isinstance(value, dict) and second.lstrip().startswith("{")
    arrays = [item for item in value.values() if isinstance(item, list)]
    return not any(isinstance(item, dict) for array in arrays for item in array)


def _flat(part: Part, codec: str, *, lines: bool) -> Iterator[tuple[int, dict[str, str]]]:
    with part.open() as file:
        for number, value in _lines(part, file, codec) if lines else _array(part, file, codec):
            if not isinstance(value, dict):
                refuse(part.name, f"holds something else than an object as number {number}", _HINT)
            row: dict[str, str] = {}
            try:
                _flatten("", value, row, NESTED_MAX)
            except _Twice:
                refuse(part.name, f"has two values of one name in object {number}", _HINT_TWICE)
            except (_TooDeep, RecursionError):
                refuse(part.name, f"has objects nested too deeply, or names too long, in object {number}", _HINT)
            yield number, row


class _TooDeep(Exception):  # noqa: N818 - what was found
    """Rule 6."""


def _flatten(prefix: str, value: dict[str, Any], row: dict[str, str], left: int) -> None:
    """Rule 3. `left`: how much deeper it may go."""
    for key, item in value.items():
        name = prefix + _whole(key)
        if not left or len(name) > NESTED_NAME_CHARS_MAX:
            raise _TooDeep
        if isinstance(item, dict):
            _flatten(f"{name}.", item, row, left - 1)
        elif name in row:
            raise _Twice
        elif isinstance(item, list):
            row[name] = "; ".join(_plain(each) for each in item)
        else:
            row[name] = _plain(item)


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _whole(value if isinstance(value, str) else json.dumps(value))


def _whole(text: str) -> str:
    """Rule 7."""
    return text if text.isascii() else _HALF_LETTER.sub("\N{REPLACEMENT CHARACTER}", text)


def _lines(part: Part, file: IO[bytes], codec: str) -> Iterator[tuple[int, Any]]:
    with io.TextIOWrapper(file, codec) as text:
        number = 0
        while line := text.readline(OBJECT_CHARS_MAX + 1):
            number += 1
            if len(line) > OBJECT_CHARS_MAX:
                refuse(part.name, f"has more than {OBJECT_CHARS_MAX:,} characters in line {number}", _HINT)
            if line.strip():
                try:
                    yield number, _DECODER.decode(line)
                except _Twice:
                    refuse(part.name, f"has two values of one name in line {number}", _HINT_TWICE)
                except (ValueError, RecursionError):
                    refuse(part.name, f"holds no JSON in line {number}", _HINT)


def _array(part: Part, file: IO[bytes], codec: str) -> Iterator[tuple[int, Any]]:
    """The objects of the first array of the file (rule 1)."""
    with io.TextIOWrapper(file, codec) as text:
        buffer = _Buffer(part.name, text)
        buffer.skip_to_array()
        number = 0
        while buffer.peek() != "]":
            number += 1
            yield number, buffer.value(number)
            if buffer.peek() == ",":
                buffer.take()
            elif buffer.peek() != "]":
                refuse(part.name, f"holds no JSON after object {number}", _HINT)


class _Buffer:
    """The part of the text that is being read."""

    def __init__(self, name: str, text: IO[str]) -> None:
        self._name, self._file = name, text
        self._text, self._at = "", 0

    def _more(self) -> bool:
        block = self._file.read(max(_BLOCK, len(self._text) - self._at))
        self._text, self._at = self._text[self._at :] + block, 0
        return bool(block)

    def peek(self) -> str:
        """The next character that is no space; the file must not end here."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                refuse(self._name, "ends within its JSON", "fetch or export it again")

    def take(self) -> None:
        """Go over the next character."""
        self._at += 1

    def skip_to_array(self) -> None:
        """To the first array: at the top, or among the entries of the outermost object."""
        if self.peek() == "{":
            while self.peek() in "{,":
                self.take()
                self.value(0)  # the key
                if self.peek() != ":":
                    refuse(self._name, "holds no JSON", _HINT)
                self.take()
                if self.peek() == "[":
                    break
                self.value(0)
        if self.peek() != "[":
            refuse(self._name, "holds no array of objects", _HINT)
        self.take()

    def value(self, number: int) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The next value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except _Twice:
                refuse(self._name, f"has two values of one name in object {number}", _HINT_TWICE)
            except (ValueError, RecursionError):
                end = -1
            if 0 <= end < len(self._text):  # a number at the very end may go on
                self._at = end
                return value
            if len(self._text) - self._at > OBJECT_CHARS_MAX or not self._more():
                refuse(self._name, f"holds no JSON, or too much of it, in object {number}", _HINT)
