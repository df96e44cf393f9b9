"""A proof to keep and to show (c2sp.org/tlog-proof@v1): that an entry is in a log, verifiable without a network.

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=         the inclusion proof, a hash a line
    ...
                                                          an empty line, then the checkpoint as it was signed
    waypost/log/0f3c...
    109482
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

    - waypost/log/0f3c... hI2DJw...

Extra data, which the specification lets stand unauthenticated in the second line, is refused: nothing here writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from waypost.crypto.errors import LogError
from waypost.crypto.limits import LOG_PROOF_BYTES_MAX, LOG_PROOF_HASHES_MAX
from waypost.crypto.tlog.checkpoint import Witnessed, open_witnessed
from waypost.crypto.tlog.merkle import leaf_hash, verify_inclusion
from waypost.crypto.tlog.note import NoteKey, decode_base64, encode_base64

_MAGIC: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's place, its inclusion proof (32 bytes a hash), and the checkpoint's note it leads to."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    def __str__(self) -> str:
        lines = [_MAGIC, f"index {self.index}", *map(encode_base64, self.hashes), "", self.checkpoint.decode()]
        return "\n".join(lines)


def parse_proof(data: bytes) -> Proof:
    """Read a proof; LogError when it is none. Nothing is verified yet."""
    if len(data) > LOG_PROOF_BYTES_MAX:
        raise LogError("the proof is larger than the protocol allows")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        magic, index, *hashes = head.decode().split("\n")
    except ValueError:  # too few lines, or no UTF-8
        raise LogError("the proof is malformed") from None
    found = _INDEX.fullmatch(index)
    if not blank or magic != _MAGIC or not found or len(hashes) > LOG_PROOF_HASHES_MAX:
        raise LogError("the proof is malformed")
    return Proof(int(found[1]), tuple(decode_base64(line) for line in hashes), checkpoint)


def verify_proof(proof: Proof, entry: bytes, log: NoteKey, cosigner: NoteKey) -> Witnessed:
    """The checkpoint that holds `entry`, by its log's and the cosigner's signature; LogError when it does not."""
    witnessed = open_witnessed(proof.checkpoint, log, cosigner)
    size, root = witnessed.checkpoint.size, witnessed.checkpoint.root
    verify_inclusion(leaf_hash(entry), proof.index, size, proof.hashes, root)
    return witnessed
