"""Signed notes (c2sp.org/signed-note, version 1.0.0): text, a blank line, and a line for each signature.

1. A note is valid UTF-8 without control characters other than newline, at most NOTE_BYTES_MAX.
2. Its text ends in a newline; the last empty line parts it from the signatures, of which there are 1 to 16.
3. A signature line is an em dash, the key's name, and base64 of the key id (4 bytes) and the signature, in the one
   canonical encoding.
4. A signature by an unknown key is ignored; one that names a known key must verify, or the whole note is refused.

Two types are used: 0x01, Ed25519 over the text, and 0x04, the timestamped cosignature of checkpoint.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.exceptions import CryptoError as NaclError

from waypost.crypto.envelope import KEY_BYTES, SIGNATURE_BYTES, SigningKey
from waypost.crypto.errors import LogError
from waypost.crypto.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX

KEY_ID_BYTES: Final = 4
TYPE_ED25519: Final = 0x01
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_NAME: Final = re.compile(r"[^\s+]+")
_SIGNATURE: Final = re.compile(r"\N{EM DASH} ([^\s+]+) (\S+)")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier's key: its name (no spaces, no plus), the signature type's byte, and 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        if not _KEY_NAME.fullmatch(self.name) or len(self.public) != KEY_BYTES:
            raise LogError("a note's key has a name without spaces and 32 bytes")

    @property
    def id(self) -> bytes:
        """The key id: SHA-256(name || newline || type || public key), its first four bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """The verifier key of the specification: name+id+key."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name and id, and what follows the id, whose form depends on the type."""

    name: str
    key_id: bytes
    signature: bytes

    def is_by(self, key: NoteKey) -> bool:
        """Whether it claims to be of this key."""
        return self.name == key.name and self.key_id == key.id

    def __str__(self) -> str:
        return f"\N{EM DASH} {self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """Text with a final newline, and its signatures. Nothing in it is trusted before a signature was verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"


def parse_note(data: bytes) -> Note:
    """Read a note (rules 1 to 3); LogError when it is none."""
    if len(data) > NOTE_BYTES_MAX:
        raise LogError("the note is larger than the protocol allows")
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        raise LogError("the note is no UTF-8 text") from None
    if _CONTROL.search(decoded):
        raise LogError("the note holds control characters")
    text, blank, block = decoded.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise LogError("the note has no signatures")
    lines = block[:-1].split("\n")
    if len(lines) > NOTE_SIGNATURES_MAX:
        raise LogError("the note bears more signatures than the protocol allows")
    return Note(text + "\n", tuple(_parse_signature(line) for line in lines))


def sign_text(text: str, name: str, key: SigningKey) -> NoteSignature:
    """An Ed25519 signature (type 0x01) over the text."""
    own = NoteKey(name, TYPE_ED25519, key.public)
    return NoteSignature(name, own.id, key.signature(text.encode()))


def verify_text(note: Note, key: NoteKey) -> None:
    """Rule 4 for a key of type 0x01; LogError unless it has signed the text, and nothing else in its name."""
    entries = [entry.signature for entry in note.signatures if entry.is_by(key)]
    if not entries or not all(verifies(note.text.encode(), entry, key.public) for entry in entries):
        raise LogError(f"the note is not signed by {key.name}")


def verifies(message: bytes, signature: bytes, public: bytes) -> bool:
    """Whether an Ed25519 signature (64 bytes) is of this key over this message."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (BadSignatureError, NaclError):
        return False
    return True


def decode_base64(text: str) -> bytes:
    """Base64 in its one canonical form (RFC 4648 section 4); LogError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LogError("a line is not base64") from None
    if encode_base64(data) != text:
        raise LogError("a line is not in the canonical form of base64")
    return data


def encode_base64(data: bytes) -> str:
    """Base64, RFC 4648 section 4."""
    return base64.b64encode(data).decode()


def _parse_signature(line: str) -> NoteSignature:
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise LogError("a line of the note's signatures is malformed")
    name, data = found[1], decode_base64(found[2])
    if len(data) <= KEY_ID_BYTES:
        raise LogError("a signature of the note is too short")
    return NoteSignature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])
