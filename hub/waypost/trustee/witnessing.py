"""Whether a checkpoint of the hub's transparency log may bear the trustee's cosignature. A core without I/O.

1. The accepted hub signed it, for the log of its own key.
2. The proof starts from the checkpoint cosigned last; otherwise nothing is judged, and the hub is told that one's size.
3. It is not smaller, and continues that one (waypost.protocol.transparency, rules 3 and 4).
4. The new checkpoint is held before the cosignature leaves.

A checkpoint that breaks rule 3 is kept: together with the one that was cosigned it proves that the hub rewrote its log,
for both bear its signature.
"""

from __future__ import annotations

from collections.abc import Sequence

from waypost.crypto.envelope import SigningKey
from waypost.crypto.tlog.checkpoint import Checkpoint, cosign
from waypost.protocol.errors import TransparencyError
from waypost.protocol.transparency import LogKeys, accept_signed
from waypost.trustee.errors import Refused


def judge(
    note: bytes, old_size: int, consistency: Sequence[bytes], *, held: Checkpoint | None, keys: LogKeys
) -> Checkpoint | None:
    """The checkpoint that may be cosigned; None for a proof that starts elsewhere (rule 2); Refused otherwise."""
    try:
        accept_signed(note, (), held=None, keys=keys)
        if old_size != (held.size if held is not None else 0):
            return None
        return accept_signed(note, consistency, held=held, keys=keys)
    except TransparencyError as error:
        raise Refused(error.reason, f"the checkpoint was refused: {error}") from error


def signature_line(checkpoint: Checkpoint, keys: LogKeys, key: SigningKey, now_ms: int) -> str:
    """The trustee's cosignature, as a line of the note."""
    return str(cosign(checkpoint, keys.witness.name, key, now_ms // 1000))
