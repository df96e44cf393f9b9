"""Files whose truth is known: import gives it back, and rejects a wrong row for what is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parties.exports import as_fixed_width, as_json, as_json_lines, sheet_rows, workbook

from waypost.node.intake import Source, import_tables, profiled
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.persons import PersonName
from waypost.node.records import Employment, SeparationKind
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
FORMATS: dict[str, Callable[[date], str]] = {
    "YYYY-MM-DD": lambda day: day.isoformat(),
    "M/D/YYYY": lambda day: f"{day.month}/{day.day}/{day.year} 0:00:00",
    "D-Mon-YY": lambda day: f"{day.day}-{day:%b}-{day:%y}",
    "M/D/YY": lambda day: f"{day.month}/{day.day}/{day:%y}",
}
ORDERS: dict[str, Callable[[PersonName], str]] = {
    "comma": lambda name: f"{name.family}, {name.given} {name.middle} {name.suffix}".strip(),
    "given-first": lambda name: " ".join(
        filter(None, (name.given, name.middle, name.family, name.suffix and f"{name.suffix}."))
    ),
}
REASONS = {"Quit": SeparationKind.RESIGNED, "RETIRED ": SeparationKind.RETIRED, "Let go": SeparationKind.LAID_OFF}
_FAMILIES = st.sampled_from(["Muñoz", "O'Neill", "Larkin-Hale", "Weiß", "DE LA CRUZ", "Zoë"])
_GIVENS = st.sampled_from(["Ann", "José", "Renée", "Bo"])


@dataclass(frozen=True, slots=True)
class True_:  # noqa: N801 - a person as he is
    """What is true of one officer; `slip` is what his row gets wrong."""

    name: PersonName
    hired_on: date
    days: int
    reason: str
    slip: str

    @property
    def employment(self) -> Employment:
        return Employment(
            "OR9900400", "", True, self.hired_on, self.hired_on + timedelta(self.days), REASONS[self.reason]
        )


_PEOPLE = st.lists(
    st.builds(
        True_,
        st.builds(PersonName, _FAMILIES, _GIVENS, st.sampled_from(["", "Q"]), st.sampled_from(["", "JR", "III"])),
        st.dates(date(1950, 1, 1), date(2000, 1, 1)),
        st.integers(0, 9_000),
        st.sampled_from(sorted(REASONS)),
        st.sampled_from(["", "", "", "", "hired", "reason", "name"]),
    ),
    max_size=8,
)
_WRONG = {"hired": "2021-02-30", "reason": "Gone fishing", "name": "???"}
_COLUMN = {"hired": "Hired", "reason": "How", "name": "Name"}


def _rows(people: list[True_], written: str, order: str) -> list[list[str]]:
    rows = [["Synthetic roster", "", "", "", ""], ["No", "Name", "Hired", "Left", "How"], [""] * 5]
    for number, person in enumerate(people):
        cells = {
            "name": ORDERS[order](person.name),
            "hired": FORMATS[written](person.hired_on),
            "left": FORMATS[written](person.hired_on + timedelta(person.days)),
            "reason": person.reason,
        }
        if person.slip:
            cells[person.slip] = _WRONG[person.slip]
        rows.append([f"00{number}", cells["name"], cells["hired"], cells["left"], cells["reason"]])
    return [*rows, ["No", "Name", "Hired", "Left", "How"], ["Total", str(len(people)), "", "", ""]]


def _dressed(rows: list[list[str]], dress: str) -> bytes:
    if dress == "xlsx":
        return workbook({"Roster": sheet_rows(rows)})
    if dress in _TABLES and len(rows) > 5:  # a list of nobody has no header
        return _TABLES[dress](rows[1], rows[3:-2])
    kind, encoding, packing = dress.split("/") if "/" in dress else ("comma", "utf-8", "")
    text = io.StringIO()
    csv.writer(text, delimiter={"comma": ",", "semicolon": ";", "tab": "\t"}[kind]).writerows(rows)
    data = text.getvalue().encode(encoding)
    return gzip.compress(data) if packing else data


_TABLES = {"json": as_json, "json lines": as_json_lines, "fixed width": as_fixed_width}
"""Dresses without the lines that are no rows."""
_DRESSES = ["xlsx", *_TABLES] * 3 + [
    f"{kind}/{encoding}/{packing}"
    for kind in ("comma", "semicolon", "tab")
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252")
    for packing in ("", "gzip")
]


@settings(max_examples=60, deadline=None)
@given(_PEOPLE, st.sampled_from(sorted(FORMATS)), st.sampled_from(sorted(ORDERS)), st.sampled_from(_DRESSES))
def test_import_gives_back_what_is_true_and_rejects_what_is_wrong(
    people: list[True_], written: str, order: str, dress: str
) -> None:
    profile = read_profile(
        "x",
        f"""
        profile = "truth"
        [dates]
        formats = ["{written}"]
        [officers]
        officer_key = "No"
        full_name = {{ column = "Name", order = "{order}" }}
        [[employment]]
        ori = {{ const = "OR9900400" }}
        sworn = {{ const = "yes" }}
        hired_on = "Hired"
        separated_on = "Left"
        separation_kind = {{ column = "How", map = "how" }}
        [maps.how]
        "quit" = "resigned"
        "retired" = "retired"
        "let go" = "laid_off"
        """,
    )
    data = _dressed(_rows(people, written, order), dress)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "node.db", bytes(32)) as store:
        readers = profiled(Source.of_bytes("truth", data), profile, {})
        report = import_tables(store, readers, rejects_folder=Path(folder) / "rejects", at_ms=1, today=TODAY)
        right = [(number, person) for number, person in enumerate(people) if not person.slip]
        tally = report.tally()
        assert (tally.new, tally.rejected, tally.rows) == (len(right), len(people) - len(right), len(people))
        assert [each.columns for each in report.rejections] == [_COLUMN[each.slip] for each in people if each.slip]
        assert report.held == sum(person.slip == "reason" for person in people)
        for number, person in right:
            officer = store.officers.by_key(f"00{number}")
            assert officer is not None
            assert officer.person.names == (person.name,)
            assert officer.employment == (person.employment,)
