"""kill -9 while a file comes in by a profile: the node holds what it held before, or all of the file; never half."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from waypost.crypto.keystore import Keystore
from waypost.node.intake import Source, import_tables, profiled
from waypost.node.intake.profiles import shipped_profiles
from waypost.node.store import Store

NODE = Path(sys.executable).with_name("waypost-node")
SAMPLE = Path(__file__).parents[4] / "docs" / "samples" / "import" / "florida-employment.csv"
KEY, PASSPHRASE = bytes(range(32)), "correct horse battery"
ROWS, WRONG_EVERY = 12_000, 100
TIMEOUT_S = 120
AGENCIES = "agency,ori,guess,rows\r\nTestburg Police Department,FL9900400,,1\r\n"


def _file(path: Path) -> Path:
    """Officers with an employment each; every hundredth left before he came."""
    with SAMPLE.open(newline="") as sample, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, next(csv.reader(sample)), restval="")
        writer.writeheader()
        for number in range(ROWS):
            row = {"person_nbr": str(number), "employ_class": "LE", "last_name": "Synthetic", "first_name": "Avery"}
            row |= {"agcy_name": "Testburg Police Department", "employ_start_date": "3/23/1999 0:00:00"}
            if number % WRONG_EVERY == 0:
                row |= {"separation_date": "1/1/1990 0:00:00", "separation_code": "Vol"}
            elif number % WRONG_EVERY == 1:
                row |= {"agcy_name": "Nowhere Dept"}
            writer.writerow(row)
    return path


def _state(home: Path) -> tuple[int, ...]:
    with Store.open(home / "node.db", KEY) as store:
        batches = store.imports.newest(9)
        imports = sum(entry.event == "import" for entry in store.audit.newest(99))
        files = sum(len(batch.files) for batch in batches)
        return store.officers.count(), store.employment.count(), len(batches), files, imports


MOMENTS: dict[str, tuple[Callable[[Path], bool], bool]] = {
    # the moment: how it is seen, and whether the import can be whole by then
    "the first rows are being written": (lambda home: _size(home / "node.db-wal") > 100_000, False),
    "the first rejected row is being written": (lambda home: any((home / "rejects").glob(".rejects-*")), False),
    "the rejected rows have just been kept": (lambda home: any((home / "rejects").glob("*.csv")), True),
    "the agencies are noted": (lambda home: "Nowhere" in (home / "agencies.csv").read_text(), True),
}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_attack_power_fails_in_an_import_by_a_profile_when(moment: str, tmp_path: Path) -> None:
    home, path = tmp_path / "home", _file(tmp_path / "export.csv")
    home.mkdir()
    Keystore.create(home / "keys", PASSPHRASE, {"column": KEY})
    (home / "agencies.csv").write_text(AGENCIES)
    old = _state(home)
    come, may_be_whole = MOMENTS[moment]
    environment = {**os.environ, "WAYPOST_HOME": str(home), "WAYPOST_PASSPHRASE": PASSPHRASE}
    command: list[str | Path] = [NODE, "import", path, "--profile", "florida-employment"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + TIMEOUT_S
    while not come(home) and running.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    assert running.wait(TIMEOUT_S) == -signal.SIGKILL or may_be_whole
    imported = ROWS - 2 * ROWS // WRONG_EVERY
    whole = (imported, imported, 1, 1, 1)
    found = _state(home)
    assert found in ({old, whole} if may_be_whole else {old})

    # the same file again: everything is there, once
    with Store.open(home / "node.db", KEY) as store:
        agencies = {"testburg police department": "FL9900400"}
        readers = profiled(Source.of_path(path), shipped_profiles()["florida-employment"], agencies)
        report = import_tables(store, readers, rejects_folder=home / "rejects", at_ms=1, today=date(2026, 11, 24))
    assert report.tally().rejected == ROWS - imported
    assert (report.tally().same, report.tally().new) == ((imported, 0) if found == whole else (0, imported))
    assert _state(home)[:2] == whole[:2]
    (kept,) = (home / "rejects").iterdir()  # what the killed one left behind is gone
    with kept.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(file))) == ROWS - imported + 1
