"""Which ORI an agency's name stands for: a table (HOME/agencies.csv) that the custodian confirms once.

1. The columns are agency, ori, guess, rows. A name stands for an ORI when the custodian has written it into `ori`; the
   guess beside it is an offer, and never taken by itself.
2. An import adds names that it met and that are not in the table, without ORI, with its best guess. It changes no line
   that is there.
3. Guesses come from the members' names in the roster and from names that were confirmed before, after `Co.`, `PD`,
   `Dept.` and the like are written out and an alias (`-AKA-`) is left out; below GUESS_SCORE_MIN there is none.
4. The table may have been through a spreadsheet: commas, semicolons or tabs separate its cells. A name that stands
   there twice with two ORIs is refused, for nobody can tell which is meant; twice with one, it has that one.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rapidfuzz import fuzz, process

from waypost.node.errors import IntakeError
from waypost.node.intake.folding import normal
from waypost.node.intake.spreadsheets import guarded, unguarded
from waypost.node.limits import AGENCIES_MAX, FIELD_CHARS_MAX
from waypost.protocol.names import valid_ori
from waypost.protocol.printing import printable
from waypost.protocol.states import ORI_STATES

GUESS_SCORE_MIN: Final = 86
"""Of 100: one word of a name misspelt, or its words in another order."""
_COLUMNS: Final = ("agency", "ori", "guess", "rows")
_ALIAS: Final = re.compile(r"\s*-?\baka\b-?.*", re.IGNORECASE)
_WRITTEN_OUT: Final = {
    "co": "county",
    "cnty": "county",
    "pd": "police department",
    "dept": "department",
    "dpt": "department",
    "so": "sheriff office",
    "sd": "sheriff department",
    "sheriffs": "sheriff",
    "univ": "university",
    "st": "saint",
    "twp": "township",
    "ft": "fort",
    "mt": "mount",
    "police": "police",
    "dep": "department",
    "ofc": "office",
}


@dataclass(frozen=True, slots=True)
class Agency:
    """A line of the table."""

    name: str
    ori: str = ""
    guess: str = ""
    rows: int = 0


def read_agencies(path: Path) -> dict[str, Agency]:
    """The table, by name as `normal` writes it; empty when there is none. IntakeError when it is no such table."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise IntakeError(f"{path} cannot be read as UTF-8 text", hint="save it as CSV UTF-8") from None
    csv.field_size_limit(FIELD_CHARS_MAX)
    first = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))  # rule 4
    found: dict[str, Agency] = {}
    try:
        if not {"agency", "ori"} <= set(rows.fieldnames or ()):
            raise IntakeError(
                f"{path} has not the columns agency and ori", hint="restore its first line: agency,ori,guess,rows"
            )
        for row in rows:
            agency = _agency(f"{path}, line {rows.line_num}", row)
            known = found.get(normal(agency.name))
            if known is not None and known.ori and agency.ori and known.ori != agency.ori:  # rule 4
                raise IntakeError(
                    f"{path}, line {rows.line_num}: {printable(agency.name)} has another ORI than in an earlier line",
                    hint="leave the line with the right one",
                )
            if agency.name.strip() and not (known and known.ori):
                found[normal(agency.name)] = agency
    except csv.Error:
        raise IntakeError(f"{path} is no CSV near line {rows.line_num}", hint="correct that line") from None
    return found


def _agency(where: str, row: Mapping[str, str | None]) -> Agency:
    ori = (row["ori"] or "").strip().upper()
    if ori and not (valid_ori(ori) and ori[:2] in ORI_STATES):
        raise IntakeError(f"{where}: the ori is none", hint="an ORI has nine capital letters and digits")
    return Agency(unguarded(row["agency"] or ""), ori, unguarded(row.get("guess") or ""), _count(row.get("rows")))


def oris(table: Mapping[str, Agency]) -> dict[str, str]:
    """The confirmed ORIs by name as `normal` writes it (rule 1)."""
    return {name: agency.ori for name, agency in table.items() if agency.ori}


def with_found(table: Mapping[str, Agency], found: Mapping[str, int], members: Mapping[str, str]) -> dict[str, Agency]:
    """The table with the names that an import met (rule 2). `members`: names of agencies by ORI."""
    known = {_comparable(name): ori for ori, name in members.items()}
    known |= {_comparable(agency.name): agency.ori for agency in table.values() if agency.ori}
    added = dict(table)
    for name, rows in found.items():
        if normal(name) not in added and len(added) < AGENCIES_MAX:
            added[normal(name)] = Agency(name, "", _guess(name, known), rows)
    return added


def confirmed(table: Mapping[str, Agency], name: str, ori: str) -> dict[str, Agency]:
    """The table with one name confirmed."""
    if not (valid_ori(ori) and ori[:2] in ORI_STATES):
        raise IntakeError(f"{ori!r} is no ORI", hint="an ORI has nine capital letters and digits, like OR0260000")
    return {**table, normal(name): replace(table.get(normal(name), Agency(name)), ori=ori)}


def write_agencies(path: Path, table: Mapping[str, Agency]) -> None:
    """Write the table: those without ORI first, the most frequent first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for agency in sorted(table.values(), key=lambda each: (bool(each.ori), -each.rows, each.name)):
        writer.writerow((guarded(agency.name), agency.ori, guarded(agency.guess), agency.rows))
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.getvalue().encode("utf-8-sig"))
    Path(temporary).replace(path)


def _guess(name: str, known: Mapping[str, str]) -> str:
    """Rule 3."""
    best = process.extractOne(
        _comparable(name), known.keys(), scorer=fuzz.token_sort_ratio, score_cutoff=GUESS_SCORE_MIN
    )
    return known[best[0]] if best else ""


def _comparable(name: str) -> str:
    words = re.findall(r"[a-z0-9]+", _ALIAS.sub("", name).casefold().replace("'", ""))
    return " ".join(_WRITTEN_OUT.get(word, word) for word in words)


def _count(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
