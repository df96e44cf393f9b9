"""The fingerprint of a party's public file (hub.json, trustee.json): what two operators compare by telephone.

It covers everything that the file says, keys and certificate authority alike, and not how the JSON is laid out.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from waypost.protocol.errors import ProtocolError

_GROUPS: Final = 8
_GROUP_DIGITS: Final = 4
"""128 bits: nobody finds a second file with the same ones, and a person can read them aloud."""


def fingerprint(path: Path) -> str:
    """Eight groups of four hexadecimal digits: the beginning of the SHA-256 of the file's canonical JSON."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ProtocolError("malformed", f"{path} cannot be read", hint="restore it from a backup") from None
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    digits = hashlib.sha256(canonical.encode()).hexdigest()
    return " ".join(digits[place * _GROUP_DIGITS :][:_GROUP_DIGITS] for place in range(_GROUPS))


def fingerprint_line(path: Path, whose: str) -> str:
    """The line that every command prints, the same at both parties."""
    return f"fingerprint: {fingerprint(path)}  ({whose}, {path.name})"
