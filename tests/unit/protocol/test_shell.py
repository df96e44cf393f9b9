"""A user's mistake ends a command with a sentence; a fault of ours is not dressed up as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.protocol import shell


def test_a_path_that_cannot_be_written_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "missing" / "letter.pdf"
    with pytest.raises(SystemExit) as ended:
        shell.run(lambda: path.write_bytes(b"%PDF-"), ())
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {path}: no such file or directory")
    assert "Traceback" not in told


def test_an_operating_systems_error_without_a_file_is_our_fault_and_stays_one() -> None:
    def work() -> None:
        raise OSError(9, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file descriptor"):
        shell.run(work, ())


def test_bytes_on_a_command_line_that_are_no_text_are_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        shell.run(lambda: b"R-\xff".decode("utf-8", "surrogateescape").encode(), ())
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: an argument holds bytes that are no UTF-8 text")


def test_attack_an_error_that_repeats_what_others_wrote_does_not_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        shell.fail("no column \x1b]0;title\x07 in\n\u009b31mred", "see \x1b[2J")
    assert capsys.readouterr().err == "error: no column ?]0;title? in\n?31mred\nhint: see ?[2J\n"
