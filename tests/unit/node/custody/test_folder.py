"""A watched folder: settled files are imported once, as one batch, and moved; nothing is half done or done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.parties.agency import csv_of
from tests.unit.node.custody.desk import NODE, TIMEOUT_S, Desk

from waypost.node.custody.folder import Folder, Quiet, Taken
from waypost.node.errors import CustodyError, FileChanged, IntakeError, StoreError
from waypost.node.intake import FileKind
from waypost.node.limits import FOLDER_FILES_MAX, QUIET_WAIT_MAX_S

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
COUNTS = "rows 1, imported 1, unchanged 0, rejected 0"
OLD, NEW = (3, 1, 7), (4, 2, 7)


def _take(folder: Folder, *names: str, known: bool = False, error: Exception | None = None) -> tuple[Taken, list[str]]:
    brought: list[str] = []

    def bring_in(paths: Sequence[Path]) -> int:
        if error is not None:
            raise error
        brought.extend(path.name for path in paths)
        return 7

    taken = folder.take(names, imported_as=lambda _: 3 if known else None, bring_in=bring_in, now=NOW)
    return taken, brought


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    for name in ("done", "failed"):
        (tmp_path / name).mkdir()
    return Folder(tmp_path)


def _names(folder: Folder) -> list[str]:
    return sorted(str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file())


def test_files_that_are_still_being_written_and_things_that_are_no_files_are_left_alone(folder: Folder) -> None:
    for name in (".hidden", "~$book.xlsx", "c.csv.part", "d.TMP"):
        (folder.path / name).write_text("x")
    (folder.path / "link.csv").symlink_to("/etc/hostname")
    os.mkfifo(folder.path / "pipe.csv")
    assert list(folder.look()) == ["a.csv", "b.csv"]


def test_attack_a_folder_is_flooded(folder: Folder) -> None:
    for number in range(FOLDER_FILES_MAX + 20):
        (folder.path / f"x{number:03}.csv").touch()
    assert len(folder.look()) == FOLDER_FILES_MAX


def test_files_go_together_when_all_of_them_are_settled() -> None:
    quiet = Quiet(5)
    assert quiet.settled({"a": OLD}, 0) == ()
    assert quiet.settled({"a": OLD, "b": OLD}, 5) == ()
    assert quiet.settled({"a": OLD, "b": NEW}, 10) == ()
    assert quiet.settled({"a": OLD, "b": NEW}, 15) == ("a", "b")


def test_a_file_that_never_settles_does_not_hold_up_the_others_for_ever() -> None:
    quiet = Quiet(5)
    for second in range(0, QUIET_WAIT_MAX_S, 100):
        assert quiet.settled({"a": OLD, "b": (second, 0, 0)}, second) == ()
    assert quiet.settled({"a": OLD, "b": (9, 9, 9)}, QUIET_WAIT_MAX_S) == ("a",)


def test_what_was_imported_is_moved_and_never_overwrites(folder: Folder) -> None:
    (folder.path / "done" / "20261124T020000Z-a.csv").write_text("earlier")
    taken, brought = _take(folder, "a.csv", "b.csv")
    assert (taken, brought) == (Taken(("a.csv", "b.csv"), 7), ["a.csv", "b.csv"])
    assert _names(folder) == [
        "done/20261124T020000Z-2-a.csv",
        "done/20261124T020000Z-a.csv",
        "done/20261124T020000Z-b.csv",
    ]


def test_a_file_that_was_imported_before_is_moved_and_not_imported_again(folder: Folder) -> None:
    taken, brought = _take(folder, "a.csv", known=True)
    assert (taken, brought) == (Taken((), None, ("a.csv",)), [])
    assert _names(folder) == ["b.csv", "done/20261124T020000Z-a.csv"]


def test_what_cannot_be_imported_goes_aside_with_the_reason(folder: Folder) -> None:
    taken, _ = _take(folder, "a.csv", error=IntakeError("a.csv is empty", hint="export it again"))
    assert (taken.batch, taken.error) == (None, "a.csv is empty")
    why = folder.path / "failed" / "20261124T020000Z-a.csv.why.txt"
    assert why.read_text() == "error: a.csv is empty\nhint: export it again\n"
    assert _names(folder) == ["b.csv", "failed/20261124T020000Z-a.csv", "failed/20261124T020000Z-a.csv.why.txt"]


def test_an_error_of_the_node_itself_leaves_the_files_where_they_are(folder: Folder) -> None:
    with pytest.raises(StoreError):
        _take(folder, "a.csv", error=StoreError("the database is in use"))
    assert _names(folder) == ["a.csv", "b.csv"]


def test_attack_a_file_changes_or_vanishes_under_the_watch(folder: Folder) -> None:
    with pytest.raises(FileChanged):
        _take(folder, "a.csv", error=FileChanged("a.csv was changed while it was read"))
    (folder.path / "a.csv").unlink()
    with pytest.raises(FileChanged, match="is not there"):
        _take(folder, "a.csv", "b.csv")
    assert _names(folder) == ["b.csv"]


def test_attack_a_file_is_taken_away_while_it_is_imported(folder: Folder) -> None:
    def bring_in(paths: Sequence[Path]) -> int:
        paths[0].unlink()
        return 7

    taken = folder.take(["a.csv", "b.csv"], imported_as=lambda _: None, bring_in=bring_in, now=NOW)
    assert taken == Taken(("a.csv", "b.csv"), 7)
    assert _names(folder) == ["done/20261124T020000Z-b.csv"]


def test_an_error_within_the_watch_is_not_told_as_one_of_the_folder(folder: Folder) -> None:
    with pytest.raises(PermissionError), folder.alone():
        raise PermissionError(13, "Permission denied", "elsewhere")


def test_attack_the_name_of_an_export_is_no_text_or_commands_the_terminal(desk: Desk) -> None:
    folder = desk.home.parent / "exports"
    folder.mkdir()
    for number, name in enumerate(("m\udcfcller.csv", "\x1b[31m\u009b5m.csv")):
        (folder / name).write_bytes(csv_of(FileKind.OFFICERS, {"officer_key": f"A-{number}"}, {"officer_key": ""}))
    said = desk.run("import", "watch", folder, "--once", "--settle", "0.1")
    assert said.returncode == 0, said.stderr
    assert all(map(str.isprintable, (said.stdout + said.stderr + desk.run("batches", "show", "1").stdout).split("\n")))
    assert [path.name for path in folder.iterdir() if path.is_file()] == []


def test_one_watch_a_folder(folder: Folder) -> None:
    with folder.alone():
        with pytest.raises(CustodyError, match="is watched already"), Folder(folder.path).alone():
            pass
        assert (folder.path / "done").is_dir()
    with pytest.raises(CustodyError, match="cannot be watched"), Folder(folder.path / "nowhere").alone():
        pass


def test_a_night_is_imported_once_and_a_question_sets_it_aside(desk: Desk) -> None:
    folder = desk.home.parent / "exports"
    folder.mkdir()
    officers = [{"officer_key": f"A-{number}"} for number in range(60)]
    (folder / "officers.csv").write_bytes(csv_of(FileKind.OFFICERS, *officers))
    (folder / "employment.csv").write_bytes(csv_of(FileKind.EMPLOYMENT, {}))
    once = ("import", "watch", folder, "--once", "--settle", "0.1", "--complete")
    (taken,) = [json.loads(line) for line in desk.run(*once, "--json").stdout.splitlines()]
    assert (taken["batch"], taken["files"]) == (1, ["employment.csv", "officers.csv"])
    (folder / "officers.csv").write_bytes(csv_of(FileKind.OFFICERS, *officers))
    assert desk.run(*once).stdout == "imported before: officers.csv\n"
    (folder / "officers.csv").write_bytes(csv_of(FileKind.OFFICERS, {}))
    asked = desk.run(*once)
    assert asked.returncode == 1
    assert "does not look as it did the last time" in asked.stderr
    assert [path.suffix for path in sorted((folder / "failed").iterdir())] == [".csv", ".txt"]
    assert len(desk.facts("batches", "list")) == 1


def test_a_night_says_what_somebody_has_to_look_at(desk: Desk) -> None:
    folder = desk.home.parent / "exports"
    folder.mkdir()
    desk.facts("import", desk.file("first.csv", FileKind.OFFICERS, {"officer_key": "A-9"}))
    (folder / "officers.csv").write_bytes(csv_of(FileKind.OFFICERS, {}, {"officer_key": "A-2", "ssn": "12"}))
    said = desk.run("import", "watch", folder, "--once", "--settle", "0.1", "--complete")
    assert "officers.csv: rows 2, imported 1, unchanged 0, rejected 1" in said.stdout
    assert "officers held, but not in this list: 1, none was removed: A-9" in said.stdout
    assert "1 row was rejected" in said.stderr
    assert "then: waypost-node import " in said.stderr


def test_a_profile_that_cannot_be_used_leaves_the_files_where_they_are(desk: Desk) -> None:
    folder, profile = desk.home.parent / "exports", desk.home.parent / "x.toml"
    folder.mkdir()
    (folder / "officers.csv").write_bytes(csv_of(FileKind.OFFICERS, {}))
    for text in ("profile = ", 'profile = "x"\n[officers]\nofficer_key = "officer_key"   # GUESS'):
        profile.write_text(text)
        said = desk.run("import", "watch", folder, "--once", "--settle", "0.1", "--profile", profile)
        assert said.returncode == 1
        assert "hint: " in said.stderr
    assert [path.name for path in folder.iterdir()] == ["officers.csv"]


def test_a_watch_ends_on_sigterm_and_has_imported_what_came(desk: Desk) -> None:
    folder = desk.home.parent / "exports"
    folder.mkdir()
    command: list[str | Path] = [NODE, "import", "watch", folder, "--settle", "0.1", "--every", "0.1"]
    running = subprocess.Popen(command, env=desk.environment, stdout=subprocess.PIPE, text=True)
    try:
        (folder / "officers.csv").write_bytes(csv_of(FileKind.OFFICERS, {}))
        until = time.monotonic() + TIMEOUT_S
        while not (folder / "done").is_dir() or not list((folder / "done").iterdir()):
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=TIMEOUT_S)
    finally:
        running.kill()
    assert (running.returncode, said) == (0, f"batch 1: officers.csv: {COUNTS}\n")
