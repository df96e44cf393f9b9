"""A profile's file (TOML) becomes a Profile, or an IntakeError that names the file, the place and what to write.

Whatever the file says that is not known here is refused: a misspelt word would otherwise be lost silently.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from waypost.node.errors import IntakeError
from waypost.node.intake.folding import normal
from waypost.node.intake.profiles.dates import DateFormats
from waypost.node.intake.profiles.model import (
    PERSON,
    As,
    Cell,
    Condition,
    NameCell,
    Profile,
    Section,
    Split,
    Unknown,
    ValueMap,
)
from waypost.node.intake.profiles.names import Order
from waypost.node.intake.profiles.patterns import compile_pattern
from waypost.node.intake.reading import Format, Reading
from waypost.node.intake.reading.wishes import NO_DELIMITER, separates
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.rows import COLUMNS, FileKind
from waypost.node.limits import KEY_CHARS_MAX, LINE_CHARS_MAX

Word = TypeVar("Word", bound=StrEnum)

_TABLES: Final = frozenset(
    {
        *("profile", "title", "source", "about", "unknown_values", "repeated_officers", "tidy_names", "read"),
        *("dates", "blanks", "maps", "keep", "officers", "employment", "conduct", "split", "people"),
    }
)
_NEEDED: Final[dict[FileKind, tuple[str, ...]]] = {
    FileKind.OFFICERS: (),
    FileKind.EMPLOYMENT: ("ori", "sworn", "hired_on"),
    FileKind.CONDUCT: ("record_key", "kind", "status"),
}
_KEY: Final = "officer_key"
_REPEATED: Final = "repeated"
_SETS_MAX: Final = 100
"""Sets of columns that a wide file may repeat."""
_COUNT_MAX: Final = 1_000_000


def read_profile(name: str, text: str) -> Profile:
    """The profile; IntakeError when the file is none. `name` is the file's."""
    try:
        facts = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise IntakeError(f"{name} is no TOML: {error}", hint="correct that place") from None
    except RecursionError:
        raise IntakeError(f"{name} is no profile: it is nested without end", hint="start from an inspection") from None
    return _Parser(name).profile(facts, text)


class _Parser:
    def __init__(self, name: str) -> None:
        self._name = name
        self._maps: Mapping[str, Any] = {}

    def refuse(self, where: str, what: str) -> NoReturn:
        raise IntakeError(f"{self._name}: {where} {what}", hint="docs/import.md tells what a profile may say")

    def profile(self, facts: Mapping[str, Any], text: str) -> Profile:
        self._only("the profile", facts, _TABLES)
        self._maps = self._table("maps", facts.get("maps", {}))
        officers = self._table("officers", facts.get("officers", {}))
        if _KEY not in officers:
            self.refuse("officers", f"has no {_KEY}, by which a person is known")
        profile = Profile(
            name=self._text("profile", facts.get("profile", "")) or self.refuse("profile", "has no name"),
            title=self._text("title", facts.get("title", "")),
            source=self._text("source", facts.get("source", "")),
            about=self._text("about", facts.get("about", "")),
            reading=self._reading(self._table("read", facts.get("read", {}))),
            dates=self._dates(self._table("dates", facts.get("dates", {}))),
            blanks=frozenset(normal(value) for value in self._texts("blanks", facts.get("blanks", []))),
            maps={key: self._map(key, value) for key, value in self._maps.items()},
            keep=self._conditions("keep", facts.get("keep", [])),
            officer_key=self._cell(f"officers.{_KEY}", officers[_KEY]),
            sections=self._sections(facts, officers),
            unknown=self._word("unknown_values", Unknown, facts.get("unknown_values", Unknown.HOLD)),
            repeated=self._word("repeated_officers", Repeated, facts.get("repeated_officers", Repeated.REJECT)),
            tidy_names=self._flag("tidy_names", facts.get("tidy_names", True)),
            split=self._split(facts.get("split")),
            people=self._texts("people", facts.get("people", [])),
            guesses=len(re.findall(r"# GUESS", text)),
            toml=text,
        )
        if profile.people and not any(PERSON in column for column in profile.columns):
            self.refuse("people", f"says how columns of several people end, and no column has {PERSON} in its name")
        if profile.people and profile.split:
            self.refuse("people", "and split both take a row apart: only one of them can")
        if profile.officer_key.const is not None:
            self.refuse(f"officers.{_KEY}", "is the same for everybody")
        if not profile.sections:
            self.refuse("the profile", "brings in nothing: neither names nor employment nor conduct")
        return profile

    def _reading(self, facts: Mapping[str, Any]) -> Reading:
        known = {
            "format",
            "encoding",
            "delimiter",
            "quoted",
            "columns_at",
            "sheets",
            "members",
            "header_line",
            "header",
        }
        self._only("read", facts, known)
        return Reading(
            format=self._word("read.format", Format, facts["format"]) if "format" in facts else None,
            encoding=self._text("read.encoding", facts["encoding"]) if "encoding" in facts else None,
            delimiter=self._delimiter(facts["delimiter"]) if "delimiter" in facts else None,
            quoted=self._flag("read.quoted", facts.get("quoted", True)),
            columns_at=self._places("read.columns_at", facts.get("columns_at", [])),
            sheets=self._texts("read.sheets", facts.get("sheets", [])),
            members=self._texts("read.members", facts.get("members", [])),
            header_line=self._count("read.header_line", facts["header_line"]) if "header_line" in facts else None,
            header=self._texts("read.header", facts.get("header", [])),
        )

    def _delimiter(self, value: object) -> str:
        delimiter = self._text("read.delimiter", value)
        return delimiter if separates(delimiter) else self.refuse("read.delimiter", NO_DELIMITER)

    def _dates(self, facts: Mapping[str, Any]) -> DateFormats:
        self._only("dates", facts, {"formats", "placeholders"})
        formats = self._texts("dates.formats", facts.get("formats", ["YYYY-MM-DD"]))
        placeholders = self._texts("dates.placeholders", facts.get("placeholders", []))
        try:
            return DateFormats.of(formats, placeholders)
        except IntakeError as error:
            self.refuse("dates.formats:", str(error))

    def _map(self, name: str, facts: object) -> ValueMap:
        table = self._table(f"maps.{name}", facts)
        known = {key: value for key, value in table.items() if key != "otherwise"}
        values = {normal(key): self._text(f"maps.{name}: {key!r}", value) for key, value in known.items()}
        return ValueMap(name, values, self._text("otherwise", table["otherwise"]) if "otherwise" in table else None)

    def _sections(self, facts: Mapping[str, Any], officers: Mapping[str, Any]) -> tuple[Section, ...]:
        person = {key: value for key, value in officers.items() if key != _KEY}
        sections = [self._section(FileKind.OFFICERS, "officers", person)] if person else []
        for kind in (FileKind.EMPLOYMENT, FileKind.CONDUCT):
            entries = facts.get(kind, [])
            for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
                where = f"{kind} {number}"
                table = dict(self._table(where, entry))
                sections += self._each(kind, where, table, table.pop("each", [""]))
        return tuple(sections)

    def _each(self, kind: FileKind, where: str, table: Mapping[str, Any], each: object) -> list[Section]:
        """A section for each suffix; or for each set of columns that the file repeats under the same names."""
        if each != _REPEATED:
            suffixes = self._texts(f"{where}: each", each)
            return [self._section(kind, where, _filled_in(table, suffix)) for suffix in suffixes] or self.refuse(
                f"{where}: each", "is empty"
            )
        first = self._section(kind, where, _filled_in(table, ""))
        later = [self._section(kind, where, _filled_in(table, f".{number}")) for number in range(1, _SETS_MAX)]
        if first.columns == later[0].columns:
            self.refuse(f"{where}: each", "is repeated, and no column has {} in its name")
        return [first, *(replace(section, repeated=section.columns - first.columns) for section in later)]

    def _section(self, kind: FileKind, where: str, facts: Mapping[str, Any]) -> Section:
        special = {"when", "full_name", "former_names"} if kind is FileKind.OFFICERS else {"when"}
        self._only(where, facts, {*COLUMNS[kind], *special} - {_KEY})
        for column in _NEEDED[kind]:
            if column not in facts:
                self.refuse(where, f"has no {column}")
        if kind is FileKind.OFFICERS and "full_name" not in facts and not {"family_name", "given_name"} <= set(facts):
            self.refuse(where, "has neither full_name nor family_name and given_name")
        cells = {key: self._cell(f"{where}: {key}", value) for key, value in facts.items() if key not in special}
        return Section(
            kind,
            cells,
            self._conditions(f"{where}: when", facts.get("when", [])),
            self._name_cell(f"{where}: full_name", facts["full_name"]) if "full_name" in facts else None,
            self._name_cell(f"{where}: former_names", facts["former_names"]) if "former_names" in facts else None,
        )

    def _name_cell(self, where: str, facts: object) -> NameCell:
        table = {"column": facts} if isinstance(facts, str) else self._table(where, facts)
        self._only(where, table, {"column", "order"})
        return NameCell(
            self._text(where, table.get("column", "")) or self.refuse(where, "names no column"),
            self._word(where, Order, table.get("order", Order.COMMA)),
        )

    def _cell(self, where: str, facts: object) -> Cell:
        if isinstance(facts, str):
            return Cell(column=facts or self.refuse(where, "names no column"))
        table = self._table(where, facts)
        sources = ("column", "first_of", "const", "template", "digest_of")
        self._only(where, table, {*sources, "as", "digits", "map", "pattern", "prefix", "capitals"})
        if sum(key in table for key in sources) != 1:
            self.refuse(where, f"says not exactly one of {', '.join(sources)}")
        if (named := self._text(where, table.get("map", ""))) and named not in self._maps:
            self.refuse(where, f"names a map that is not there: {named!r}")
        if table.get("digest_of") == [] or table.get("first_of") == []:
            self.refuse(where, "names no column")
        pattern = self._text(where, table.get("pattern", ""))
        if pattern and self._pattern(where, pattern).groups != 1:
            self.refuse(where, "has a pattern without exactly one group")
        cell = Cell(
            column=self._text(where, table.get("column", "")),
            first_of=self._texts(where, table.get("first_of", [])),
            const=self._text(where, table["const"]) if "const" in table else None,
            template=self._text(where, table.get("template", "")),
            digest_of=self._texts(where, table.get("digest_of", [])),
            tidy=self._word(where, As, table.get("as", As.TEXT)),
            digits=self._count(where, table.get("digits", 0), KEY_CHARS_MAX),
            map=named,
            pattern=pattern,
            prefix=self._text(where, table.get("prefix", "")),
            capitals=self._flag(f"{where}: capitals", table.get("capitals", False)),
        )
        return cell if cell.const is not None or cell.columns else self.refuse(where, "names no column")

    def _conditions(self, where: str, facts: object) -> tuple[Condition, ...]:
        entries = facts if isinstance(facts, list) else [facts]
        return tuple(self._condition(where, self._table(where, entry)) for entry in entries)

    def _condition(self, where: str, table: Mapping[str, Any]) -> Condition:
        self._only(where, table, {"column", "is", "is_not", "otherwise", "filled", "why"})
        yes, no = self._texts(where, table.get("is", [])), self._texts(where, table.get("is_not", []))
        otherwise, filled = (
            self._flag(f"{where}: {key}", table[key]) if key in table else None for key in ("otherwise", "filled")
        )
        if filled is None and not ((yes and no) or ((yes or no) and otherwise is not None)):
            self.refuse(where, "says not for which values it holds (is), for which not (is_not), or otherwise")
        return Condition(
            self._text(where, table.get("column", "")) or self.refuse(where, "names no column"),
            frozenset(map(normal, yes)),
            frozenset(map(normal, no)),
            otherwise,
            filled,
            self._text(where, table.get("why", "")),
        )

    def _split(self, facts: object) -> Split | None:
        if facts is None:
            return None
        table = self._table("split", facts)
        self._only("split", table, {"columns", "by", "drop"})
        drop = self._text("split.drop", table.get("drop", ""))
        self._pattern("split.drop", drop)
        by = self._texts("split.by", table.get("by", []))
        if not all(by) or not by:
            self.refuse("split", "says not what separates the items")
        columns = self._texts("split.columns", table.get("columns", []))
        return Split(columns or self.refuse("split", "names no column"), tuple(sorted(by, key=len, reverse=True)), drop)

    def _only(self, where: str, facts: Mapping[str, Any], known: set[str] | frozenset[str]) -> None:
        if unknown := sorted(set(facts) - known):
            self.refuse(where, f"says what no profile says: {', '.join(map(repr, unknown))}")

    def _table(self, where: str, value: object) -> Mapping[str, Any]:
        return value if isinstance(value, dict) else self.refuse(where, "is not a table")

    def _flag(self, where: str, value: object) -> bool:
        return value if isinstance(value, bool) else self.refuse(where, "is neither true nor false")

    def _count(self, where: str, value: object, most: int = _COUNT_MAX) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.refuse(where, f"is no whole number from 0 to {most:,}")
        return value

    def _pattern(self, where: str, pattern: str) -> re.Pattern[str]:
        compiled = compile_pattern(pattern)
        return self.refuse(where, compiled) if isinstance(compiled, str) else compiled

    def _text(self, where: str, value: object) -> str:
        return value if isinstance(value, str) else self.refuse(where, "is not text in quotation marks")

    def _texts(self, where: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            self.refuse(where, "is not a list in brackets")
        return tuple(self._text(where, item) for item in value)

    def _places(self, where: str, value: object) -> tuple[int, ...]:
        places = value if isinstance(value, list) else []
        numbers = tuple(each for each in places if type(each) is int and 0 < each <= LINE_CHARS_MAX)
        if len(numbers) != len(places) or list(numbers) != sorted(set(numbers)) or (value and not numbers):
            self.refuse(where, "is not a list of places that rise, counted from 1: [1, 9, 40]")
        return numbers

    def _word(self, where: str, words: type[Word], value: object) -> Word:
        try:
            return words(str(value))
        except ValueError:
            self.refuse(where, f"is none of {', '.join(words)}")


def _filled_in(value: Any, suffix: str) -> Any:  # noqa: ANN401 - whatever TOML holds
    """The value with every `{}` of its texts replaced: one employment of a wide row."""
    if isinstance(value, dict):
        return {key: _filled_in(item, suffix) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled_in(item, suffix) for item in value]
    return value.replace("{}", suffix) if isinstance(value, str) else value
