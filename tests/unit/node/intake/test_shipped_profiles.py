"""The profiles that come with Waypost, each with a synthetic sample of its source's shape and quirks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.parties.commands import do, run

from waypost.node.intake import FileKind, ImportReport, Source, Tally, import_tables, open_tables, profiled
from waypost.node.intake.folding import normal
from waypost.node.intake.inspecting import inspect_table
from waypost.node.intake.profiles import shipped_profiles
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.intake.starting import starter
from waypost.node.persons import Identifier
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
DOCS = Path(__file__).parents[4] / "docs"
SAMPLES = DOCS / "samples" / "import"
AGENCIES = {
    normal(name): "OR9900400"
    for name in (
        *("Testburg Police Department", "Sample County Sheriff's Office", "Sample State University Police"),
        *("Testburg PD", "Testburg Police Dept"),
    )
}
EXPECTED = {
    # profile: rows, officers new, employments new, records new, held, left out by the profile
    "florida-employment": (Tally(new=4, rejected=3), 2, 4, 0, 2, 0),
    "georgia-employment": (Tally(new=5, rejected=2), 3, 5, 0, 1, 0),
    "georgia-sanctions": (Tally(new=3, rejected=2), 0, 0, 3, 1, 1),
    "washington-employment": (Tally(new=5, rejected=2), 5, 5, 0, 2, 0),
    "west-virginia-employment": (Tally(new=4, rejected=1), 4, 5, 0, 1, 0),
    "virginia-decertification": (Tally(new=4, rejected=2), 4, 0, 4, 1, 1),
    "chicago-complaints": (Tally(new=4, rejected=2), 3, 3, 3, 1, 2),
    "chicago-discipline": (Tally(new=3, same=2, rejected=1), 2, 0, 2, 1, 1),
    "chicago-use-of-force": (Tally(new=3, changed=1), 3, 3, 0, 0, 1),
    "city-settlements": (Tally(new=3, rejected=2), 5, 0, 5, 1, 1),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as opened:
        yield opened


def _sample(profile: str) -> Path:
    (path,) = SAMPLES.glob(f"{profile}.[cx]*")
    return path


def _load(store: Store, tmp_path: Path, profile: str) -> ImportReport:
    readers = profiled(Source.of_path(_sample(profile)), shipped_profiles()[profile], AGENCIES)
    return import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=1_000, today=TODAY)


@pytest.mark.parametrize("profile", sorted(EXPECTED))
def test_a_shipped_profile_brings_its_sample_in(store: Store, tmp_path: Path, profile: str) -> None:
    if profile == "georgia-sanctions":
        _load(store, tmp_path, "georgia-employment")
    tally, officers, employments, records, held, left_out = EXPECTED[profile]
    report = _load(store, tmp_path, profile)
    assert report.tally() == tally
    assert report.tally(FileKind.OFFICERS).new == officers
    assert report.tally(FileKind.EMPLOYMENT).new == employments
    assert report.tally(FileKind.CONDUCT).new == records
    assert report.withheld == report.tally(FileKind.CONDUCT).accepted
    assert report.held == held
    by_profile = [n for file in report.files for what, n in file.left_out.items() if "before the header" not in what]
    assert sum(by_profile) == left_out
    again = _load(store, tmp_path, profile)
    assert again.tally() == Tally(same=tally.accepted, rejected=tally.rejected)


@pytest.mark.parametrize(
    ("profile", "key", "state", "number"),
    [
        ("florida-employment", "FL-1", "FL", "1"),
        ("georgia-employment", "GA-O900001", "GA", "O900001"),
        ("washington-employment", "WA-9000-0001", "WA", "9000-0001"),
        ("west-virginia-employment", "WV-9880-0001", "WV", "9880-0001"),
    ],
)
def test_a_boards_number_of_a_person_finds_him(
    store: Store, tmp_path: Path, profile: str, key: str, state: str, number: str
) -> None:
    _load(store, tmp_path, profile)
    officer = store.officers.by_key(key)
    assert officer is not None
    assert officer.person.identifiers == (Identifier("officer-id", state, number),)


def test_every_shipped_profile_has_a_sample_a_source_and_its_place_in_the_guide() -> None:
    guide = (DOCS / "import.md").read_text()
    assert set(shipped_profiles()) == set(EXPECTED)
    for profile in shipped_profiles().values():
        assert profile.source.startswith("https://")
        assert profile.title
        assert profile.about
        assert f"### {profile.name}" in guide
        assert profile.source.split()[0] in guide


def test_the_sheet_of_pending_cases_is_not_read(store: Store, tmp_path: Path) -> None:
    report = _load(store, tmp_path, "virginia-decertification")
    assert not [file for file in report.files if "Pending" in file.name]
    assert store.officers.search("Nobody", 5) == []


def test_a_recruit_who_was_declared_ineligible_lost_no_certification(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, "virginia-decertification")
    actions = Counter(str(each.record.force_outcome) for each in store.conduct.all())
    assert actions == {"revoked": 3, "denied": 1}


def test_an_aide_is_not_sworn_and_a_namesake_is_somebody_else(store: Store, tmp_path: Path) -> None:
    report = _load(store, tmp_path, "chicago-complaints")
    assert "another middle initial" in str(report.reasons)
    namesakes = store.officers.search("Fictive", 5)
    born = {officer.id: officer.person.date_of_birth.year for officer in store.officers.get_many(namesakes)}
    sworn = {born[job.officer_id]: job.employment.sworn for job in store.employment.of_officers(namesakes)}
    assert sworn == {1970: True, 1975: False}


def test_two_files_of_one_department_find_the_same_officers_however_they_write_a_year(
    store: Store, tmp_path: Path
) -> None:
    force, complaints = (SAMPLES / f"chicago-{each}.csv" for each in ("use-of-force", "complaints"))
    row = "9,2021-90009,POLICE OFFICER,15,X,MALE,1970,2001-03-05,2021-02-01,Y,No,,ROBIN,FICTIVE,,"
    both = tmp_path / "force.csv"
    both.write_text(f"{force.read_text().splitlines()[0]}\n{row}\n")
    assert complaints.read_text().count(",1970.0,") > 0
    _load(store, tmp_path, "chicago-complaints")
    readers = profiled(Source.of_path(both), shipped_profiles()["chicago-use-of-force"], AGENCIES)
    again = import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=2_000, today=TODAY)
    assert again.tally() == Tally(same=1)


def test_one_penalty_is_one_record_however_many_allegations_it_was_entered_for(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, "chicago-discipline")
    assert _sample("chicago-discipline").read_text().count(",SUSPENSION,3,FINAL,") == 2
    assert Counter(each.record.kind for each in store.conduct.all()) == {"suspension": 1, "termination": 1}


def test_a_settlement_is_told_as_one_in_every_defendants_record(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, "city-settlements")
    told = {each.record.summary for each in store.conduct.all()}
    assert told == {"EXCESSIVE FORCE. Case Settled", "Excessive Force, False Arrest. Case Settled"}
    unsaid = tmp_path / "unsaid.csv"
    unsaid.write_text(_sample("city-settlements").read_text("utf-8-sig").replace("Case Settled", ""))
    readers = profiled(Source.of_path(unsaid), shipped_profiles()["city-settlements"], AGENCIES)
    import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=2_000, today=TODAY)
    assert {each.record.summary for each in store.conduct.all()} == {"EXCESSIVE FORCE", "Excessive Force, False Arrest"}


def test_a_suffix_in_a_list_of_defendants_belongs_to_the_name_before_it(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, "city-settlements")
    (found,) = store.officers.search("Pretend", 5)
    (officer,) = store.officers.get_many([found])
    name = officer.person.names[0]
    assert (name.given, name.family, name.suffix) == ("Lee", "Pretend", "Jr")


@pytest.mark.parametrize("profile", sorted(EXPECTED))
def test_the_starter_profile_of_every_sample_can_be_read_and_shows_no_person(profile: str) -> None:
    inspections = [inspect_table(table, TODAY) for table in open_tables(Source.of_path(_sample(profile)))]
    assert sum(each.rows for each in inspections) > 0
    for inspection in inspections:
        text = starter(inspection)
        assert text.count("# GUESS") > 0
        shown = f"{text}{[(column.examples, column.values) for column in inspection.columns]}".lower()
        for name in ("synthetic", "fictive", "avery", "robin"):
            assert name not in shown
        if "full_name =" in text or "family_name =" in text:
            made = read_profile("starter.toml", text)
            assert made.guesses > 0


def test_the_guides_corrections_make_the_finished_profile_of_what_inspect_writes(tmp_path: Path) -> None:
    home, made = tmp_path / "home", tmp_path / "mine.toml"
    do("waypost-node", "init", home=home)
    assert run_alone("inspect", str(SAMPLES / "messy-roster.xlsx"), "--write-profile", str(made))
    loading = ["import", str(SAMPLES / "messy-roster.xlsx"), "--profile", str(made)]
    refused = run("waypost-node", *loading, home=home)
    assert refused.returncode == 1
    assert "holds guesses that nobody has confirmed: 14; nothing was imported" in refused.stderr
    assert "14 lines" in run("waypost-node", *loading, "--dry-run", home=home).stderr
    watch = run("waypost-node", "import", "watch", str(tmp_path), "--once", "--profile", str(made), home=home)
    assert "holds guesses" in watch.stderr
    lines = made.read_text().splitlines()
    lines.remove('sworn = { const = "yes" }   # GUESS: everybody is sworn')
    guide = (DOCS / "import.md").read_text()
    for right in ('"Officer" = "yes"', '"Sgt" = "yes"', '"Clerk" = "no"', '"Resigned ILO" = "resigned_in_lieu"'):
        assert right in guide
        (place,) = [at for at, line in enumerate(lines) if line.startswith(f'# {right.split(" = ")[0]} = ""')]
        lines[place] = right
    text = "\n".join(line.removeprefix("# ") if "sworn" in line else line for line in lines).replace("# GUESS", "#")
    mine, finished = (read_profile("mine.toml", each) for each in (text, (SAMPLES / "messy-roster.toml").read_text()))
    assert mine.guesses == finished.guesses == 0
    assert replace(mine, name="", title="", source="", toml="") == replace(
        finished, name="", title="", source="", toml=""
    )


def test_the_guides_messy_roster_comes_in_as_the_guide_says(tmp_path: Path) -> None:
    home = tmp_path / "home"
    do("waypost-node", "init", home=home)
    roster, profile = str(SAMPLES / "messy-roster.xlsx"), str(SAMPLES / "messy-roster.toml")
    for command in (["inspect", roster], ["profiles", "list"], ["profiles", "show", profile]):
        assert run_alone(*command)
    do("waypost-node", "import", roster, "--profile", profile, "--dry-run", home=home)
    first = run("waypost-node", "import", roster, "--profile", profile, home=home)
    assert "Testburg PD: 5 rows" in first.stderr
    for name in ("Testburg PD", "Testburg Police Dept"):
        do("waypost-node", "import", "agencies", "confirm", name, "OR9900400", home=home)
    second = run("waypost-node", "import", roster, "--profile", profile, home=home)
    assert second.returncode == 0
    assert "2 rows were rejected" in second.stderr
    with_guide = (DOCS / "import.md").read_text()
    assert "2 rows were rejected" in with_guide
    rejects = min((home / "rejects").iterdir(), key=lambda path: path.stat().st_size)  # the other has all six rows
    text = rejects.read_text("utf-8-sig").replace("2009-05-18", "2019-05-18").replace("Madeup Sam", '"Madeup, Sam"')
    rejects.write_text(text, "utf-8-sig")
    third = run("waypost-node", "import", str(rejects), "--profile", profile, home=home)
    assert third.returncode == 0
    assert "rejected:" not in third.stderr
    assert "rows in     │   2 │" in third.stdout


def run_alone(*words: str) -> str:
    """A command that needs no home."""
    from typer.testing import CliRunner

    from waypost.node.cli import app

    result = CliRunner().invoke(app, ["import", *words])
    if result.exception is not None:
        raise result.exception
    return result.output
