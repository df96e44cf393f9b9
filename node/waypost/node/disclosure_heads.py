"""Binding the node to its disclosure log: once a day the chain's head goes, hidden and signed, into the hub's log.

1. A head commits to the number of entries and the last link, under a salt that stays here: the hub must not learn how
   often this member discloses, nor on which days it does not.
2. The head, its salt and the outgoing message are stored in one transaction, so a crash loses no head.
3. A disclosure log is whole when the chain follows from its entries, every posted head is a link of that chain under
   its number, the node has signed it, and the hub's log holds it (by the proof that the node keeps).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from typing import Final

from waypost.crypto.envelope import SigningKey, parse_envelope, sign, verify_signatures
from waypost.crypto.errors import EnvelopeError, LogError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.tlog.proof import parse_proof, verify_proof
from waypost.node.running import Running, now_ms
from waypost.node.store import DisclosureChain, KeptHead, KeptProof, Store
from waypost.protocol import names
from waypost.protocol.limits import DISCLOSURE_HEAD_INTERVAL_MS, DISCLOSURE_HEAD_LIFETIME_MS
from waypost.protocol.transparency import Entry, LogKeys, head_commitment
from waypost.v1 import log_pb2

OUTBOX_HEAD: Final = "disclosure-head"
_SALT_BYTES: Final = 32
_CHECK_INTERVAL_S: Final = 60.0


class DisclosureHeads:
    """The task of one node."""

    def __init__(self, node: Running) -> None:
        self._node = node

    async def step(self) -> None:
        """Post a head when a day has passed since the last one."""
        node, moment_ms = self._node, now_ms()
        await node.threads.in_store(lambda: post_if_due(node.store, ori=node.ori, key=node.key, now_ms=moment_ms))
        await asyncio.sleep(_CHECK_INTERVAL_S)


def post_if_due(store: Store, *, ori: str, key: SigningKey, now_ms: int) -> bool:
    """Put the chain's head into the outbox once a day (rules 1 and 2); whether it was due."""
    with store.writing():
        if now_ms - store.chain.last_posted_ms() < DISCLOSURE_HEAD_INTERVAL_MS:
            return False
        (entries, head), salt = store.chain.newest(), os.urandom(_SALT_BYTES)
        header = new_header(sender=ori, audience=names.HUB, now_ms=now_ms, lifetime_ms=DISCLOSURE_HEAD_LIFETIME_MS)
        payload = log_pb2.DisclosureHead(
            header=header_to_proto(header), commitment=head_commitment(salt, entries, head)
        ).SerializeToString()
        envelope = sign(names.DISCLOSURE_HEAD, payload, key).SerializeToString()
        store.chain.add_head(KeptHead(now_ms, entries, head, salt, envelope))
        store.outbox.add(OUTBOX_HEAD, header.message_id, envelope, now_ms)
    return True


@dataclass(frozen=True, slots=True)
class HeadState:
    """What is wrong with the disclosure log or a posted head, in words; empty when nothing is. `logged`: of all heads
    that were posted, how many the hub's log is proven to hold; `removed` entries are gone by retention.
    """

    entries: int
    posted: int
    logged: int
    trouble: str
    removed: int = 0


def judge(
    chain: DisclosureChain,
    heads: list[tuple[KeptHead, KeptProof | None]],
    *,
    signing_keys: frozenset[bytes],
    keys: LogKeys,
) -> HeadState:
    """Whether a disclosure log is whole (rule 3). `signing_keys` are those that the member has had."""
    trouble = f"entry {chain.broken_at} does not fit the chain" if chain.broken_at else ""
    logged = 0
    for head, proof in heads:
        trouble = trouble or _mismatch(chain, head, signing_keys)
        if proof is None:
            continue
        if not _is_logged(head, proof, keys):
            trouble = trouble or f"the proof of the head after entry {head.entries} does not hold"
        logged += 1
    return HeadState(chain.entries, len(heads), logged, trouble, chain.removed)


def _mismatch(chain: DisclosureChain, head: KeptHead, signing_keys: frozenset[bytes]) -> str:
    if head.entries > chain.entries:
        return f"{head.entries} disclosures were logged at the hub, {chain.entries} are here"
    if chain.heads[head.entries] != head.head:
        return f"the first {head.entries} disclosures are not those that were logged at the hub"
    envelope = parse_envelope(head.envelope)
    try:
        verify_signatures(envelope, signing_keys, required=1, expected_type=names.DISCLOSURE_HEAD)
    except EnvelopeError as error:
        return f"the head after entry {head.entries} is not signed by this member: {error}"
    stated = log_pb2.DisclosureHead.FromString(envelope.payload).commitment
    if stated != head_commitment(head.salt, head.entries, head.head):
        return f"the head after entry {head.entries} is not the one that was posted"
    return ""


def digest_of(head: KeptHead) -> bytes:
    """Under which digest the hub's log holds a head."""
    return hashlib.sha256(parse_envelope(head.envelope).payload).digest()


def _is_logged(head: KeptHead, proof: KeptProof, keys: LogKeys) -> bool:
    entry = Entry(log_pb2.LOG_KIND_DISCLOSURE_HEAD, proof.at_ms, digest_of(head))
    try:
        verify_proof(parse_proof(proof.proof.encode()), entry.to_bytes(), keys.log, keys.witness)
    except LogError:
        return False
    return True
