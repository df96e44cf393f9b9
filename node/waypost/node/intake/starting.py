"""A starter profile: the best guesses that a table's columns allow, each marked `# GUESS`, for a person to confirm.

1. A guess is made from the column's name, by the words that real exports use: of several that fit, the one that says it
   best, and never an empty one; where none fits, the line is there as a comment, to be filled in.
2. What a value means is never guessed: a map is written with every value that was seen, each standing for "", which
   holds its rows back until a person has written what it means. A value that is one of Waypost's own words stands for
   itself.
3. The profile can be read as it is, whatever it was made from; it is imported by when no guess is left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from waypost.node.intake.inspecting import Column, Inspection
from waypost.node.records import Appeal, ConductKind, Hearing, SeparationKind

_GUESSES: Final[dict[str, str | tuple[str, ...]]] = {
    "officer_key": (
        r"(person|officer|employee|emp|uid|badge|star|cert|serial).?(id|key|no|nbr|num|number)?",
        r"id.?(no|nbr|num|number)",
    ),
    "family_name": r"last.?name|family.?name|surname|(officer|person|employee).?last.*",
    "given_name": r"first.?name|given.?name|(officer|person|employee).?first.*",
    "middle_name": r"middle.?(name|initial)|m\.?i\.?|(officer|person|employee).?middle.*",
    "suffix": r"(name.?)?suffix(.?name)?",
    "full_name": r"(full|officer|person|employee|member).?name|name|officer|name.?\(last.*",
    "date_of_birth": r"(date.?of.?)?birth.?(date|day|year)?|dob|year.?of.?birth|yob",
    "ssn": r"ssn|soc(ial)?.?sec(urity)?.*",
    "ori": ("ori", "agc?y.?name|agency.?name", "agency|dep(artmen)?t(.?name)?|employer|current.?agency"),
    "rank": ("rank", "title|position|(employ|job).?title", "(employ|job).?type|type"),
    "hired_on": r"(employ(ment)?.?)?(start|hired?|appoint(ed|ment)?|begin|st).?(date|on)?|date.?(hired|of.?hire)",
    "separated_on": r"(employ(ment)?.?)?(end|separat(ion|ed)|term(ination)?|left).?(date|on)?|date.?(left|separated)",
    "separation_kind": (
        "(separation|leave|term(ination)?).?(reason|code|type|kind|status)|how.?left",
        "reason",
        "employ(ment)?.?status",
        "status",
    ),
    "occurred_on": r"(incident|occurred|occurrence|event|violation|complaint).?(date|on|dt)|date.?occurred",
    "decided_on": r"deci(ded|sion).?(date|on)|date.?(decided|of.?decision)",
    "effective_on": r"(sanction|action|decert(ification)?|discipline|effective|closed).?(date|on)",
    "notice_on": r"notice.?(date|on|given)?|date.?of.?notice",
    "hearing": r"hearing(.?(type|kind|status|held))?",
    "decided_by": r"deci(ded|sion).?by|decision.?maker|deciding.?(official|authority)",
    "appeal": r"appeal(.?(status|result|outcome))?",
    "final_on": r"final.?(date|on)|date.?final",
    "told_on": r"(officer.?)?told.?(date|on)",
    "record_key": r"(case|complaint|cr|log|incident|matter|record|file|cause|trr).?(id|no|nbr|number|num|key)",
    "finding": r"(final.?|recommended.?)?(finding|disposition|outcome|result)(.?code)?|sanction|discipline|penalty.*",
    "amount": r"(settlement|judgment|paid|total.?paid|amount)(.?amount|.?paid)?",
    "summary": r"allegation.*|violation|charge|reason|description|category|complaint|type.?of.?claim",
}
_PATTERNS: Final = {
    target: [re.compile(each) for each in ((patterns,) if isinstance(patterns, str) else patterns)]
    for target, patterns in _GUESSES.items()
}
"""The names that say it best come first."""
_EMPLOYED: Final = frozenset({"rank", "hired_on", "separated_on"})
"""Columns that tell of an employment."""
_FAIR_PROCESS: Final = ("notice_on", "hearing", "decided_by", "decided_on", "appeal", "final_on", "told_on")
_SWORN: Final = [re.compile(each) for each in ("(is.?)?sworn", "employ.?class|type|function")]
"""Columns that tell police from jailers and clerks; where there is none, the rank does."""
_HEAD: Final = """\
# A starter profile. Lines marked GUESS were guessed from the names of columns: look at each, correct it, and take the
# mark off. docs/import.md tells everything a profile may say. Try it: waypost-node import FILE --profile THIS --dry-run
profile = {name}
title = {title}
source = ""
unknown_values = "hold"       # a value that no map knows holds its row back, and is listed
"""


def starter(inspection: Inspection) -> str:
    """The profile's text."""
    guessed = _guess(inspection.columns)
    parts = [_head(inspection), *_reading(inspection), *_dates(inspection), *_blanks(inspection, guessed)]
    parts += [*_officers(guessed), *_employment(guessed), *_conduct(guessed), *_maps(guessed, inspection)]
    return "\n".join(parts) + "\n"


def _guess(columns: Sequence[Column]) -> dict[str, Column]:
    """Which column may hold what (rule 1)."""
    found: dict[str, Column] = {}
    taken: set[str] = set()
    for target, patterns in _PATTERNS.items():
        column = _best([each for each in columns if each.name not in taken], patterns)
        if column is not None:
            found[target] = column
            if target != "finding":
                taken.add(column.name)
    sworn = _best(columns, _SWORN) or found.get("rank")
    if sworn is not None:
        found["sworn"] = sworn
    if {"family_name", "given_name"} <= set(found):
        found.pop("full_name", None)
    return found


def _best(columns: Sequence[Column], patterns: Sequence[re.Pattern[str]]) -> Column | None:
    """The column whose name fits best; an empty one only where all that fit are empty."""
    fitting = [column for pattern in patterns for column in columns if pattern.fullmatch(_words(column))]
    return next((column for column in fitting if column.filled), fitting[0] if fitting else None)


def _words(column: Column) -> str:
    """The name in small letters, with `#` in words, and without the full stop of an abbreviation (`No.`, `Dept.`)."""
    return re.sub(r"[\s_]+", " ", column.name.replace("#", " no ")).strip().rstrip(".").lower()


def _head(inspection: Inspection) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", Path(inspection.table.name.partition(" [")[0]).name.lower()).strip("-") or "mine"
    return _HEAD.format(name=_text(stem), title=_text(f"Made from {inspection.rows:,} rows"))


def _reading(inspection: Inspection) -> Iterator[str]:
    reading = inspection.table.reading
    facts = {"format": reading.format, "encoding": reading.encoding, "delimiter": reading.delimiter}
    yield "[read]"
    yield from (f"{key} = {_text(str(value))}" for key, value in facts.items() if value)
    if reading.columns_at:
        yield f"columns_at = {json.dumps(reading.columns_at)}   # GUESS: where each column begins, counted from 1"
    if reading.sheets:
        yield f"sheets = {_text(list(reading.sheets))}   # name other sheets of this shape here, too"
    if inspection.headless:
        names = [column.name for column in inspection.columns]
        yield f"header = {_text(names)}   # GUESS: the file seems to have none; name its columns"
        return
    yield f"# header_line = {inspection.table.header_line}   # found by itself; write it if it is another\n"


def _dates(inspection: Inspection) -> Iterator[str]:
    formats: dict[str, None] = {}
    placeholders: dict[str, None] = {}
    for column in inspection.columns:
        formats.update(dict.fromkeys(column.date_formats))
        if column.date_formats:
            placeholders.update(dict.fromkeys(column.placeholders))
    yield "[dates]"
    yield f"formats = {_text(list(formats) or ['YYYY-MM-DD'])}   # GUESS: each way in which the file writes days"
    yield f"placeholders = {_text(list(placeholders))}   # GUESS: dates that mean that none is known\n"


def _blanks(inspection: Inspection, guessed: dict[str, Column]) -> Iterator[str]:
    words = {word.casefold() for column in inspection.columns for word in column.placeholders if not word[:1].isdigit()}
    if "appeal" in guessed:
        words -= {Appeal.NONE}  # no appeal was taken: that is a fact
    if words:
        yield f"# blanks = {_text(sorted(words))}   # to stand at the top: values that mean an empty cell\n"


def _officers(guessed: dict[str, Column]) -> Iterator[str]:
    yield "[officers]"
    key = guessed.get("officer_key")
    if key is not None:
        digits = f", digits = {width}" if (width := _digits(key)) else ""
        yield f'officer_key = {{ column = {_text(key.name)}, as = "id"{digits} }}   # GUESS'
    else:
        names = [guessed[each].name for each in ("family_name", "given_name", "full_name") if each in guessed]
        if names:
            yield "# no column of numbers was recognized: two persons of one name would become one"
            yield f"officer_key = {{ digest_of = {_text(names)} }}   # GUESS"
        else:
            yield 'officer_key = "?"   # GUESS: name the column of the officer\'s number; none was recognized'
    if "full_name" in guessed:
        yield f'full_name = {{ column = {_text(guessed["full_name"].name)}, order = "comma" }}   # GUESS'
    for target in ("family_name", "given_name", "middle_name", "suffix", "date_of_birth", "ssn"):
        if target in guessed and ("full_name" not in guessed or target in {"date_of_birth", "ssn"}):
            yield f"{target} = {_text(guessed[target].name)}   # GUESS"
    if not {"full_name", "family_name"} & set(guessed):
        yield "# without names: its rows are of officers that the node holds already"
    yield ""


def _employment(guessed: dict[str, Column]) -> Iterator[str]:
    lacking = [words for target, words in (("ori", "agency"), ("hired_on", "hire date")) if target not in guessed]
    if lacking:
        if _EMPLOYED & set(guessed):
            yield f"# no employment is read: no column of the {' and none of the '.join(lacking)} was recognized"
            yield "# if there is one, write an [[employment]] with ori, sworn and hired_on: docs/import.md"
            yield '# (ori = { const = "OR9900400" } where the agency is always one)\n'
        return
    yield "[[employment]]"
    yield f'ori = {{ column = {_text(guessed["ori"].name)}, as = "agency" }}   # GUESS'
    yield 'sworn = { const = "yes" }   # GUESS: everybody is sworn'
    if "sworn" in guessed:
        yield f'# sworn = {{ column = {_text(guessed["sworn"].name)}, map = "sworn" }}   # instead, if not everybody is'
    for target in ("rank", "hired_on", "separated_on"):
        if target in guessed:
            yield f"{target} = {_text(guessed[target].name)}   # GUESS"
    if "separation_kind" in guessed:
        yield f'separation_kind = {{ column = {_text(guessed["separation_kind"].name)}, map = "separation" }}   # GUESS'
    yield ""


def _conduct(guessed: dict[str, Column]) -> Iterator[str]:
    if "record_key" not in guessed:
        return
    key = guessed["officer_key"].name if "officer_key" in guessed else ""
    template = f"{{{guessed['record_key'].name}}}" + (f"-{{{key}}}" if key else "")
    yield "[[conduct]]"
    yield f"record_key = {{ template = {_text(template)} }}   # GUESS"
    if "finding" in guessed:
        yield f'kind = {{ column = {_text(guessed["finding"].name)}, map = "kind" }}   # GUESS'
    else:
        yield 'kind = { const = "sustained_complaint" }   # GUESS'
    for target in (
        "occurred_on",
        "effective_on",
        "summary",
        "notice_on",
        "decided_by",
        "decided_on",
        "final_on",
        "told_on",
    ):
        if target in guessed:
            yield f"{target} = {_text(guessed[target].name)}   # GUESS"
    for target in ("hearing", "appeal"):
        if target in guessed:
            yield f'{target} = {{ column = {_text(guessed[target].name)}, map = "{target}" }}   # GUESS'
    if missing := [target for target in _FAIR_PROCESS if target not in guessed]:
        yield f"# withheld until the facts of fair process are known; no column was recognized of: {', '.join(missing)}"
    if "amount" in guessed:
        yield f'amount = {{ column = {_text(guessed["amount"].name)}, as = "amount" }}   # GUESS'
    yield 'status = { const = "active" }   # GUESS\n'


def _maps(guessed: dict[str, Column], inspection: Inspection) -> Iterator[str]:
    """Rule 2."""
    wanted = (
        *(("separation", "separation_kind", SeparationKind), ("kind", "finding", ConductKind)),
        *(("hearing", "hearing", Hearing), ("appeal", "appeal", Appeal)),
    )
    used = {
        "separation": {"ori", "hired_on", "separation_kind"} <= set(guessed),
        **{name: {"record_key", target} <= set(guessed) for name, target, _ in wanted[1:]},
        "sworn": {"ori", "hired_on", "sworn"} <= set(guessed),
    }
    if used["sworn"] and (values := guessed["sworn"].values):
        yield "# [maps.sworn]   # whether who has that is sworn: yes or no"
        yield from (f'# {_text(value)} = ""   # {_rows(count)}' for value, count in values.items())
        yield ""
    for name, target, words in wanted:
        if not used[name]:
            continue
        column = next(each for each in inspection.columns if each.name == guessed[target].name)
        yield f"[maps.{name}]   # what each value means: one of {', '.join(words)}"
        for value, count in (column.values or {}).items():
            plain = "_".join(value.lower().replace("-", " ").split())
            known = f'{_text(value)} = "{plain}"   # GUESS' if plain in set(words) else f'# {_text(value)} = ""'
            yield f"{known}   # {_rows(count)}"
        yield ""


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _digits(column: Column) -> int:
    """How many digits the numbers of a column have, where all have the same and some begin with zeros; else 0."""
    widths = {len(value) for value in column.samples}
    numbers = all(value.isdecimal() for value in column.samples)
    zeros = any(value.startswith("0") for value in column.samples)
    return widths.pop() if numbers and zeros and len(widths) == 1 else 0


def _text(value: str | list[str]) -> str:
    """As TOML writes it; JSON's strings and lists of strings are TOML's, too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
