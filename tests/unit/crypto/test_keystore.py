"""A party's private keys survive crashes, and open for nobody without the passphrase."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from waypost.crypto.errors import KeystoreError
from waypost.crypto.keystore import Keystore
from waypost.crypto.limits import KEYSTORE_BYTES_MAX

PASSPHRASE = "seven waypoints north"
OTHER = "eight waypoints south"
SECRETS = {"signing": bytes(range(32)), "index-1": b"\xff" * 32, "ca": b"-----BEGIN A SYNTHETIC SECRET-----"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keystore is."""
    return tmp_path / "keys"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keystore on disk, shared by tests that only read it."""
    path = tmp_path_factory.mktemp("home") / "keys"
    Keystore.create(path, PASSPHRASE, SECRETS)
    return path


def contents(store: Keystore) -> dict[str, bytes]:
    """Everything in a store."""
    return {name: store.get(name) for name in store.names()}


def test_secrets_come_back_with_the_passphrase(written: Path) -> None:
    assert contents(Keystore.open(written, PASSPHRASE)) == SECRETS


def test_an_added_secret_is_on_the_disk_when_the_call_returns(path: Path) -> None:
    store = Keystore.create(path, PASSPHRASE, SECRETS)
    store.put("index-2", b"new")
    store.put("signing", b"replaced")
    assert contents(Keystore.open(path, PASSPHRASE)) == {**SECRETS, "index-2": b"new", "signing": b"replaced"}


def test_the_file_tells_nothing_in_the_clear(written: Path) -> None:
    data = written.read_bytes()
    assert all(value not in data and value.hex().encode() not in data for value in SECRETS.values())
    assert b"signing" not in data
    assert set(json.loads(data)) == {"waypost-keystore", "salt", "box"}


def test_a_wrong_passphrase_opens_nothing_and_says_what_to_do(written: Path) -> None:
    with pytest.raises(KeystoreError, match="does not open with this passphrase") as refused:
        Keystore.open(written, OTHER)
    assert "passphrase" in refused.value.hint


def test_a_missing_file_says_what_to_do(path: Path) -> None:
    with pytest.raises(KeystoreError, match="cannot be read") as refused:
        Keystore.open(path, PASSPHRASE)
    assert "init" in refused.value.hint


def test_a_missing_secret_is_named(written: Path) -> None:
    with pytest.raises(KeystoreError, match="no key named column"):
        Keystore.open(written, PASSPHRASE).get("column")


def test_a_passphrase_that_can_be_guessed_is_refused_before_anything_is_written(path: Path) -> None:
    with pytest.raises(KeystoreError, match="fewer than"):
        Keystore.create(path, "1234567", SECRETS)
    assert list(path.parent.iterdir()) == []


def test_a_passphrase_that_is_no_text_is_refused(path: Path) -> None:
    with pytest.raises(KeystoreError, match="UTF-8"):
        Keystore.create(path, os.fsdecode(b"\xff\xfe passphrase"), SECRETS)


def test_the_file_is_its_owners_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        store = Keystore.create(path, PASSPHRASE, SECRETS)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        store.put("column", b"x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(path: Path, mode: int) -> None:
    Keystore.create(path, PASSPHRASE, SECRETS)
    path.chmod(mode)
    with pytest.raises(KeystoreError, match="by others") as refused:
        Keystore.open(path, PASSPHRASE)
    assert refused.value.hint == f"chmod 600 {path}"
    path.chmod(0o600)
    assert contents(Keystore.open(path, PASSPHRASE)) == SECRETS


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2**16), flip=st.integers(1, 255))
@example(place=-1, flip=ord("\n") ^ ord(" "))
def test_any_changed_byte_is_noticed(written: Path, path: Path, place: int, flip: int) -> None:
    data = bytearray(written.read_bytes())
    data[place % len(data)] ^= flip
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(KeystoreError) as refused:
        Keystore.open(path, PASSPHRASE)
    assert refused.value.hint


def test_the_same_content_written_differently_is_noticed(written: Path, path: Path) -> None:
    document = json.loads(written.read_bytes())
    document["box"] = document["box"].upper()
    path.write_text(json.dumps(document) + "\n")
    path.chmod(0o600)
    with pytest.raises(KeystoreError, match="not a whole keystore"):
        Keystore.open(path, PASSPHRASE)


@pytest.mark.parametrize("kept", [0, 1, 40, 100, -100, -2, -1])
def test_a_truncated_file_is_said_to_be_damaged(written: Path, path: Path, kept: int) -> None:
    path.write_bytes(written.read_bytes()[:kept])
    path.chmod(0o600)
    with pytest.raises(KeystoreError, match="not a whole keystore") as refused:
        Keystore.open(path, PASSPHRASE)
    assert "backup" in refused.value.hint


def test_a_file_of_a_later_format_is_told_from_a_damaged_one(written: Path, path: Path) -> None:
    path.write_bytes(written.read_bytes().replace(b'"waypost-keystore": 1', b'"waypost-keystore": 2'))
    path.chmod(0o600)
    with pytest.raises(KeystoreError, match="another format"):
        Keystore.open(path, PASSPHRASE)


def test_an_endless_file_is_not_read_to_its_end(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(KEYSTORE_BYTES_MAX * 1024)
    path.chmod(0o600)
    with pytest.raises(KeystoreError, match="not a whole keystore"):
        Keystore.open(path, PASSPHRASE)


def test_keys_are_never_overwritten_by_new_ones(path: Path) -> None:
    Keystore.create(path, PASSPHRASE, SECRETS)
    before = path.read_bytes()
    with pytest.raises(KeystoreError, match="exists already"):
        Keystore.create(path, OTHER, {})
    assert path.read_bytes() == before


def test_a_changed_passphrase_opens_and_the_old_one_does_not(path: Path) -> None:
    store = Keystore.create(path, PASSPHRASE, SECRETS)
    store.change_passphrase(PASSPHRASE, OTHER)
    store.put("column", b"x")
    assert contents(Keystore.open(path, OTHER)) == {**SECRETS, "column": b"x"}
    with pytest.raises(KeystoreError):
        Keystore.open(path, PASSPHRASE)


@pytest.mark.parametrize(("old", "new"), [(OTHER, OTHER), (PASSPHRASE, "short")])
def test_a_refused_change_of_passphrase_leaves_the_file_as_it_was(path: Path, old: str, new: str) -> None:
    store = Keystore.create(path, PASSPHRASE, SECRETS)
    before = path.read_bytes()
    with pytest.raises(KeystoreError):
        store.change_passphrase(old, new)
    assert path.read_bytes() == before
    assert contents(Keystore.open(path, PASSPHRASE)) == SECRETS


def test_a_process_with_old_keys_does_not_undo_what_another_has_written(path: Path) -> None:
    daemon = Keystore.create(path, PASSPHRASE, SECRETS)
    Keystore.open(path, PASSPHRASE).change_passphrase(PASSPHRASE, OTHER)
    with pytest.raises(KeystoreError, match="another process"):
        daemon.put("index-2", b"new")
    assert "index-2" not in daemon.names()
    assert contents(Keystore.open(path, OTHER)) == SECRETS


def test_a_store_that_would_grow_beyond_its_bound_is_left_as_it_was(path: Path) -> None:
    store = Keystore.create(path, PASSPHRASE, SECRETS)
    with pytest.raises(KeystoreError, match="larger"):
        store.put("column", bytes(KEYSTORE_BYTES_MAX))
    assert contents(store) == contents(Keystore.open(path, PASSPHRASE)) == SECRETS


def test_a_folder_that_is_gone_gives_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="cannot be written") as refused:
        Keystore.create(tmp_path / "nowhere" / "keys", PASSPHRASE, SECRETS)
    assert refused.value.hint


CRASH = """
import os, sys
from pathlib import Path
from waypost.crypto.keystore import Keystore

store = Keystore.open(Path(sys.argv[1]), sys.argv[2])
Path.replace = lambda *_: os._exit(9)  # the power goes when the new file is written and the old one still in place
store.change_passphrase(sys.argv[2], sys.argv[3])
"""


def test_a_crash_before_the_rename_leaves_the_old_file_whole(path: Path) -> None:
    Keystore.create(path, PASSPHRASE, SECRETS)
    before = path.read_bytes()
    crashed = subprocess.run([sys.executable, "-c", CRASH, path, PASSPHRASE, OTHER], check=False, timeout=30)
    assert crashed.returncode == 9
    assert len(list(path.parent.iterdir())) == 2  # the new file was written beside
    assert path.read_bytes() == before
    store = Keystore.open(path, PASSPHRASE)
    assert contents(store) == SECRETS
    store.change_passphrase(PASSPHRASE, OTHER)  # and what is left over is in nobody's way
    assert contents(Keystore.open(path, OTHER)) == SECRETS


def test_nothing_secret_is_in_the_stores_description(written: Path) -> None:
    described = repr(Keystore.open(written, PASSPHRASE))
    assert PASSPHRASE not in described
    assert all(value.hex() not in described and repr(value) not in described for value in SECRETS.values())
