"""The custodian's commands as he meets them: real processes, real files."""

from __future__ import annotations

import hashlib

from tests.unit.node.custody.desk import Desk

from waypost.node.intake import FileKind


def test_a_batch_is_listed_shown_tried_and_undone(desk: Desk) -> None:
    path = desk.file("officers.csv", FileKind.OFFICERS, {}, {"officer_key": "A-2"})
    assert desk.facts("import", path, "--name", "First night", "--complete")["batch"] == 1
    again = desk.file("less.csv", FileKind.OFFICERS, {"given_name": "Denny"})
    said = desk.run("import", again, "--complete")
    assert "officers held, but not in this list: 1, none was removed: A-2" in said.stdout
    shown = desk.facts("batches", "show", "1")
    assert (shown["name"], shown["rows"], shown["complete"]) == ("First night", 2, True)
    assert shown["files"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert desk.facts("batches", "show", "2")["missing_officers"] == ["A-2"]
    refused = desk.run("batches", "undo", "1")
    assert refused.returncode == 1
    error, hint = refused.stderr.splitlines()
    assert error == "error: batch 1 cannot be undone, nothing was changed: officer A-1: was changed by batch 2"
    assert hint.startswith("hint: undo the later batches first")
    tried = desk.run("batches", "undo", "2", "--dry-run")
    assert "batch 2 would be undone:" in tried.stdout
    assert "officers restored: 1" in tried.stdout
    done = desk.facts("batches", "undo", "2")
    assert (done["undone_by"], done["officers_restored"], done["in_the_way"]) == (3, 1, [])
    listed = desk.facts("batches", "list")
    assert [(batch["batch"], batch["undoes"], batch["undone_by"]) for batch in listed] == [
        (3, 2, None),
        (2, None, 3),
        (1, None, None),
    ]
    assert "undone by 3" in desk.run("batches", "list").stdout
    unknown = desk.run("batches", "show", "77")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (1, "error: there is no batch 77")


def test_a_duplicate_is_proposed_merged_shown_and_split(desk: Desk) -> None:
    born = {"date_of_birth": "1979-02-28", "ssn": "912345678"}
    rows = (
        {**born},
        {**born, "officer_key": "B-9", "given_name": "Denny"},
        {"officer_key": "C-1", "family_name": "Hale"},
    )
    desk.facts("import", desk.file("officers.csv", FileKind.OFFICERS, *rows))
    (proposal,) = desk.facts("officers", "duplicates")
    assert (proposal["officer_key"], proposal["other_key"], proposal["differ"]) == ("A-1", "B-9", [])
    printed = desk.run("officers", "duplicates").stdout
    assert "given name: Dennis | Denny (same)" in printed
    assert "912345678" not in printed
    assert "officers split B-9" in desk.run("officers", "merge", "A-1", "B-9", "--reason", "one badge").stdout
    assert desk.facts("officers", "duplicates") == []
    shown = desk.facts("officers", "show", "B-9")
    assert (shown["officer_key"], shown["names"]) == ("A-1", ["Larkin, Dennis", "Larkin, Denny"])
    assert [decision["reason"] for decision in shown["decisions"]] == ["one badge"]
    assert "source B-9: Larkin, Denny" in desk.run("officers", "show", "A-1").stdout
    assert [officer["officer_key"] for officer in desk.facts("officers", "list")] == ["A-1", "C-1"]
    assert [officer["officer_key"] for officer in desk.facts("officers", "list", "hal")] == ["C-1"]
    assert "Larkin, Dennis" in desk.run("officers", "list", "B-").stdout
    assert "two officers again" in desk.run("officers", "split", "B-9").stdout
    assert desk.facts("officers", "duplicates") == []
    unknown = desk.run("officers", "show", "Z-1")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (1, "error: there is no officer Z-1")


def test_the_quality_report_counts_and_writes_files_to_fix(desk: Desk) -> None:
    officers = desk.file("officers.csv", FileKind.OFFICERS, {})
    desk.facts("import", officers, desk.file("conduct.csv", FileKind.CONDUCT, {"hearing": ""}))
    facts = desk.facts("quality")
    assert facts["found"]["no-date-of-birth"] == 1
    assert facts["fair_process_missing"] == {"suspension": {"hearing": 1}}
    assert facts["files"] == {}
    out = desk.home.parent / "fix"
    printed = desk.run("quality", "--out", out).stdout
    assert f"officers without a whole date of birth: 1; to fix: {out / 'no-date-of-birth.csv'}" in printed
    assert "suspension: hearing 1" in printed
    again = desk.facts("import", *sorted(out.iterdir()))
    assert (again["rows"], again["unchanged"]) == (2, 2)


def test_who_corrects_an_ori_is_told_what_stays_under_the_wrong_one(desk: Desk) -> None:
    assert desk.run("import", "agencies", "confirm", "Testburg PD", "OR9900400").stderr == ""
    assert desk.run("import", "agencies", "confirm", "Testburg PD", "OR9900400").stderr == ""
    said = desk.run("import", "agencies", "confirm", "testburg pd", "or9900500")
    assert said.stdout == "testburg pd is OR9900500\n"
    assert "what came in as OR9900400 stays there" in said.stderr
