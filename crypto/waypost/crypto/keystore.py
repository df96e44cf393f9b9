"""A party's private keys in one file under a passphrase: Argon2id and XSalsa20-Poly1305 (libsodium's SecretBox).

The file is one JSON object of text, so that an operator sees what it is:

    {"waypost-keystore": 1, "salt": hex 16 bytes, "box": hex}

1. The box's plaintext is JSON of {name: hex} together with the format's version, so the version is authenticated.
2. The key of the box is Argon2id of the passphrase and the salt, with libsodium's INTERACTIVE limits (64 MiB).
3. Every write goes to a new file in the same folder, is flushed to the disk, and then takes the old one's place: a
   crash leaves the old file or the new one.
4. The file is readable by its owner alone (0600); a file that others can read is refused.
5. The file is read in the one form in which it is written: any changed byte is noticed.
6. A file that another process has changed meanwhile is not overwritten, nor is any file by a new keystore. Writers of
   one folder take turns (flock).
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nacl import pwhash, secret, utils
from nacl.exceptions import CryptoError as NaclError

from waypost.crypto.errors import KeystoreError
from waypost.crypto.limits import KEYSTORE_BYTES_MAX

VERSION: Final = 1
SALT_BYTES: Final = pwhash.argon2id.SALTBYTES
PASSPHRASE_CHARS_MIN: Final = 8
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Keystore:
    """Named secrets in a file. Create or open one; every change is on the disk when the call returns."""

    def __init__(self, path: Path, key: bytes, salt: bytes, secrets: Mapping[str, bytes], on_disk: bytes) -> None:
        self._path = path
        self._key = key
        self._salt = salt
        self._secrets = dict(secrets)
        self._on_disk = on_disk  # the file as we last read or wrote it; empty: there must be none (rule 6)

    @classmethod
    def create(cls, path: Path, passphrase: str, secrets: Mapping[str, bytes]) -> Keystore:
        """A new file; KeystoreError when one is there already, or the passphrase is too short."""
        _require_passphrase(passphrase)
        salt = utils.random(SALT_BYTES)
        store = cls(path, _stretch(passphrase, salt), salt, secrets, b"")
        store._save()
        return store

    @classmethod
    def open(cls, path: Path, passphrase: str) -> Keystore:
        """Open an existing file; KeystoreError says whether it is missing, damaged, unprotected, or does not open."""
        data = _read(path)
        salt, box = _parse(path, data)
        key = _stretch(passphrase, salt)
        try:
            content = json.loads(secret.SecretBox(key).decrypt(box))
        except NaclError:
            raise KeystoreError(
                f"{path} does not open with this passphrase", hint="check the passphrase; or restore the file's backup"
            ) from None
        if content["version"] != VERSION:
            raise _damaged(path)
        return cls(path, key, salt, {name: bytes.fromhex(value) for name, value in content["secrets"].items()}, data)

    def get(self, name: str) -> bytes:
        """The secret of that name; KeystoreError when there is none."""
        try:
            return self._secrets[name]
        except KeyError:
            raise KeystoreError(f"{self._path} holds no key named {name}") from None

    def names(self) -> frozenset[str]:
        """Names of all secrets."""
        return frozenset(self._secrets)

    def put(self, name: str, value: bytes) -> None:
        """Add or replace one secret."""
        self.change({name: value})

    def change(self, changes: Mapping[str, bytes | None]) -> None:
        """Add or replace secrets, or forget those that are None: all of them in one write, or none."""
        previous = dict(self._secrets)
        kept = {name: value for name, value in previous.items() if name not in changes}
        self._secrets = kept | {name: value for name, value in changes.items() if value is not None}
        try:
            self._save()
        except KeystoreError:
            self._secrets = previous
            raise

    def remove(self, name: str) -> None:
        """Forget one secret for good; without effect when there is none of that name."""
        if name not in self._secrets:
            return
        previous = dict(self._secrets)
        del self._secrets[name]
        try:
            self._save()
        except KeystoreError:
            self._secrets = previous
            raise

    def change_passphrase(self, old: str, new: str) -> None:
        """Put the file under another passphrase; the old file stays as it is unless everything went well."""
        if _stretch(old, self._salt) != self._key:
            raise KeystoreError("the present passphrase is wrong; nothing was changed")
        _require_passphrase(new)
        salt = utils.random(SALT_BYTES)
        changed = Keystore(self._path, _stretch(new, salt), salt, self._secrets, self._on_disk)
        changed._save()
        self._key, self._salt, self._on_disk = changed._key, salt, changed._on_disk

    def _save(self) -> None:
        content = {"version": VERSION, "secrets": {name: value.hex() for name, value in self._secrets.items()}}
        box = bytes(secret.SecretBox(self._key).encrypt(json.dumps(content).encode()))
        data = _document(self._salt, box)
        if len(data) > KEYSTORE_BYTES_MAX:
            raise KeystoreError(f"{self._path} would be larger than a keystore may be; nothing was changed")
        try:
            with _locked(self._path.parent) as folder:
                _require_unchanged(self._path, self._on_disk)
                _replace(self._path, data)
                os.fsync(folder)
        except OSError as error:
            raise KeystoreError(
                f"{self._path} cannot be written: {error.strerror}", hint="look at the folder's owner and free space"
            ) from error
        self._on_disk = data

    def __repr__(self) -> str:
        return f"Keystore({self._path}, {sorted(self._secrets)})"


def _require_passphrase(passphrase: str) -> None:
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise KeystoreError(
            f"the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters", hint="take several words"
        )


def _stretch(passphrase: str, salt: bytes) -> bytes:
    try:
        phrase = passphrase.encode()
    except UnicodeEncodeError:
        raise KeystoreError("the passphrase is not text in UTF-8", hint="look how it was saved or exported") from None
    return pwhash.argon2id.kdf(
        secret.SecretBox.KEY_SIZE,
        phrase,
        salt,
        opslimit=pwhash.argon2id.OPSLIMIT_INTERACTIVE,
        memlimit=pwhash.argon2id.MEMLIMIT_INTERACTIVE,
    )


def _damaged(path: Path) -> KeystoreError:
    return KeystoreError(f"{path} is not a whole keystore", hint="restore it from a backup")


def _document(salt: bytes, box: bytes) -> bytes:
    return json.dumps({"waypost-keystore": VERSION, "salt": salt.hex(), "box": box.hex()}).encode() + b"\n"


def _read(path: Path) -> bytes:
    """The file's bytes, if they are bounded and the owner's alone (rule 4)."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(KEYSTORE_BYTES_MAX + 1)
    except OSError as error:
        raise KeystoreError(
            f"{path} cannot be read: {error.strerror}", hint="run `init` first, or name the right --home"
        ) from error
    if mode & _OTHERS:
        raise KeystoreError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    if len(data) > KEYSTORE_BYTES_MAX:
        raise _damaged(path)
    return data


def _parse(path: Path, data: bytes) -> tuple[bytes, bytes]:
    """Salt and box."""
    try:
        document: dict[str, Any] = json.loads(data)
        version = document["waypost-keystore"]
        salt, box = bytes.fromhex(document["salt"]), bytes.fromhex(document["box"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(path) from None
    if version != VERSION:
        raise KeystoreError(
            f"{path} has another format than this version of Waypost reads", hint="use the version that wrote it"
        )
    if len(salt) != SALT_BYTES or len(box) <= secret.SecretBox.NONCE_SIZE + secret.SecretBox.MACBYTES:
        raise _damaged(path)
    if _document(salt, box) != data:  # rule 5
        raise _damaged(path)
    return salt, box


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """A descriptor of the folder, locked against other writers until it is closed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _require_unchanged(path: Path, expected: bytes) -> None:
    """Rule 6: the file is what we last saw, or, when we saw none, is still none."""
    if not expected:
        if path.exists():
            raise KeystoreError(f"{path} exists already", hint="keys are never overwritten: move it away first")
    elif path.read_bytes() != expected:
        raise KeystoreError(f"{path} was changed by another process; nothing was written", hint="start again")


def _replace(path: Path, data: bytes) -> None:
    """Write a new file beside `path`, flush it, and let it take the path's place (rule 3)."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
