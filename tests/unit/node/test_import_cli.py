"""`waypost-node import` and `records` as their users meet them: real processes, real files, and a real kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from waypost.crypto.keystore import Keystore
from waypost.node.intake import COLUMNS, FileKind
from waypost.node.store import Store

NODE = Path(sys.executable).with_name("waypost-node")
KEY = bytes(range(32))
PASSPHRASE = "correct horse battery"
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    Keystore.create(path, PASSPHRASE, {"column": KEY})
    return path


@pytest.fixture
def home(tmp_path: Path, keys: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "keys").write_bytes(keys.read_bytes())
    (folder / "keys").chmod(0o600)
    return folder


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "WAYPOST_HOME": str(home), "WAYPOST_PASSPHRASE": PASSPHRASE, "COLUMNS": "120"}


def _run(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [NODE, *arguments]
    return subprocess.run(
        command, env=_environment(home), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def _facts(home: Path, *arguments: str | Path) -> Any:
    done = _run(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _write(path: Path, kind: FileKind, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[kind], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _officers(path: Path, count: int, *, first: int = 0) -> Path:
    rows = [
        {
            "officer_key": f"A-{number}",
            "family_name": "Larkin",
            "given_name": "Dennis",
            "date_of_birth": f"19{60 + number % 40}-02-03",
            "ssn": f"9{number:08}",
            "cert_state": "OR",
            "cert_number": f"P{number}",
        }
        for number in range(first, first + count)
    ]
    return _write(path, FileKind.OFFICERS, rows)


def _conduct(path: Path, **cells: str) -> Path:
    row = {
        "officer_key": "A-1",
        "record_key": "R-1",
        "kind": "suspension",
        "occurred_on": "2023-05-05",
        "effective_on": "2023-07-17",
        "notice_on": "2023-06-07",
        "decided_by": "Chief",
        "decided_on": "2023-07-17",
        "appeal": "none",
        "final_on": "2023-08-31",
        "told_on": "2023-09-05",
        "status": "active",
    }
    return _write(path, FileKind.CONDUCT, [{**row, **cells}])


def test_attack_power_fails_in_the_middle_of_an_import(home: Path, tmp_path: Path) -> None:
    few, many = _officers(tmp_path / "few.csv", 3), _officers(tmp_path / "many.csv", 12_000, first=3)
    assert _facts(home, "import", few)["officers_new"] == 3
    running = subprocess.Popen(
        [NODE, "import", many], env=_environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = home / "node.db-wal"
    until = time.monotonic() + TIMEOUT_S
    while not (log.exists() and log.stat().st_size > 100_000):  # the transaction is being written
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    assert running.wait(TIMEOUT_S) == -signal.SIGKILL
    assert log.stat().st_size > 100_000  # it died within
    with Store.open(home / "node.db", KEY) as store:
        assert store.officers.count() == 3
        assert len(store.imports.newest(9)) == 1
        assert store.officers.by_key("A-3") is None
        assert store.officers.by_key("A-2") is not None
    assert _facts(home, "import", few, many)["officers_new"] == 12_000
    with Store.open(home / "node.db", KEY) as store:
        assert store.officers.count() == 12_003


def test_two_imports_at_once_both_arrive(home: Path, tmp_path: Path) -> None:
    parts = [_officers(tmp_path / f"part{part}.csv", 500, first=part * 500) for part in range(2)]
    running = [
        subprocess.Popen([NODE, "import", part], env=_environment(home), stdout=subprocess.DEVNULL) for part in parts
    ]
    assert [process.wait(TIMEOUT_S) for process in running] == [0, 0]
    with Store.open(home / "node.db", KEY) as store:
        assert store.officers.count() == 1000


def test_an_import_says_what_it_did_and_again_that_it_did_nothing(home: Path, tmp_path: Path) -> None:
    officers = _officers(tmp_path / "officers.csv", 3)
    conduct = _conduct(tmp_path / "conduct.csv", hearing="not_offered")
    facts = _facts(home, "import", conduct, officers)
    assert (facts["rows"], facts["imported"], facts["unchanged"], facts["rejected"]) == (4, 4, 0, 0)
    assert (facts["officers"], facts["records"], facts["shareable"], facts["withheld"]) == (3, 1, 0, 1)
    assert facts["missing"] == {"hearing": 1}
    again = _facts(home, "import", conduct, officers)
    assert (again["imported"], again["unchanged"], again["officers"], again["withheld"]) == (0, 4, 3, 1)
    printed = _run(home, "import", conduct, officers)
    assert "withheld for want of fair process: 1" in printed.stdout
    assert printed.stderr == ""


def test_rejected_rows_are_named_and_kept_and_do_not_fail_the_rest(home: Path, tmp_path: Path) -> None:
    path = _officers(tmp_path / "officers.csv", 3)
    path.write_text(path.read_text().replace("1961-02-03", "1961-02-30"))
    done = _run(home, "import", path)
    assert done.returncode == 0
    assert "1 row was rejected" in done.stderr
    assert f"{path}, line 3: date_of_birth is a date that does not exist" in done.stderr
    rejects = next((home / "rejects").iterdir())
    assert str(rejects) in done.stderr
    rejects.write_text(rejects.read_text(encoding="utf-8-sig").replace("1961-02-30", "1961-02-28"))
    assert _facts(home, "import", rejects)["officers_new"] == 1
    facts = _facts(home, "import", path)
    assert (facts["officers_same"], facts["rejected"]) == (2, 1)
    assert facts["rejections"][0]["problems"] == [
        {"column": "date_of_birth", "value": "date", "reason": "is a date that does not exist"}
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not there"),
        (b"", "is empty"),
        (b"\xff\xfeo\0", "is none of the three files"),
        (b"officer_key,family_name\nA,B\n", "is none of the three files"),
        (",".join(COLUMNS[FileKind.OFFICERS]).encode() + b'\nA-9,"Hale,Ann\n', "quotation mark"),
    ],
)
def test_a_users_mistake_is_two_lines_and_loses_nothing(
    home: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    good, bad = _officers(tmp_path / "good.csv", 1), tmp_path / "bad.csv"
    if content is not None:
        bad.write_bytes(content)
    done = _run(home, "import", good, bad)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: {bad} ")
    assert said in error
    assert error.endswith("nothing was imported")
    assert hint.startswith("hint: ")
    assert not (home / "node.db").exists()


def test_a_folder_that_is_no_home_a_wrong_passphrase_and_a_wrong_option_are_told_apart(
    home: Path, tmp_path: Path
) -> None:
    path = _officers(tmp_path / "officers.csv", 1)
    nowhere = _run(home, "import", path, "--home", tmp_path)
    assert (nowhere.returncode, nowhere.stderr.splitlines()[0]) == (1, f"error: {tmp_path} is no node's home")
    (tmp_path / "phrase").write_text("another passphrase\n")
    wrong = _run(home, "import", path, "--passphrase-file", tmp_path / "phrase")
    assert wrong.returncode == 1
    assert "does not open with this passphrase" in wrong.stderr
    assert _run(home, "import", path, "--froce").returncode == 2
    assert _run(home, "import").returncode == 2


def test_withheld_records_are_listed_with_exactly_what_is_missing(home: Path, tmp_path: Path) -> None:
    officers = _officers(tmp_path / "officers.csv", 2)
    _facts(home, "import", officers, _conduct(tmp_path / "one.csv", hearing="held", record_key="R-2"))
    conduct = _conduct(tmp_path / "two.csv", hearing="", told_on="")
    _facts(home, "import", conduct)
    words = ["no hearing is recorded", "the officer was not told that the record will be shared"]
    (withheld,) = _facts(home, "records", "withheld")
    assert (withheld["record_key"], withheld["missing"], withheld["shareable"]) == ("R-1", words, False)
    assert _run(home, "records", "withheld").stdout.splitlines() == [
        "R-1 (suspension, officer A-1)",
        *(f"  {word}" for word in words),
        "records withheld: 1",
    ]
    listed = _facts(home, "records", "list")
    assert [(record["record_key"], record["shareable"]) for record in listed] == [("R-1", False), ("R-2", True)]
    printed = _run(home, "records", "list").stdout
    assert "R-1" in printed
    assert "withheld" in printed


def test_a_record_is_shown_with_all_of_its_versions(home: Path, tmp_path: Path) -> None:
    officers = _officers(tmp_path / "officers.csv", 2)
    _facts(home, "import", officers, _conduct(tmp_path / "one.csv", hearing="held"))
    _facts(home, "import", _conduct(tmp_path / "two.csv", hearing="held", status="voided", summary="[red]x"))
    shown = _facts(home, "records", "show", "R-1")
    assert [(version["version"], version["status"]) for version in shown["versions"]] == [(1, "active"), (2, "voided")]
    assert shown["missing"] == ["the record is voided"]
    printed = _run(home, "records", "show", "R-1").stdout
    assert "R-1, version 2, of officer A-1" in printed
    assert "summary: [red]x" in printed
    unknown = _run(home, "records", "show", "R-9")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (1, "error: there is no record of that key")
