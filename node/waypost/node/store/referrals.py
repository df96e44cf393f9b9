"""Referrals offered by this node, and asked for by it.

States of an offer: offered --the asker asks--> open --staff decides--> released or refused; `sent` says that the
decision is on its way. States of one that this node has asked for: due --posted--> asked --the holder decides-->
released or refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from waypost.node.store.cipher import REFERRAL, ColumnCipher
from waypost.node.store.database import NodeDatabase, Row

OFFERED: Final = "offered"
OPEN: Final = "open"
RELEASED: Final = "released"
REFUSED: Final = "refused"
DUE: Final = "due"
ASKED: Final = "asked"


@dataclass(frozen=True, slots=True)
class ReferralOffer:
    """A referral that this node has offered. `request` is the ReferralRequestBody, encrypted in the file."""

    reference: bytes
    check_id: bytes
    asker: str
    officer_id: int
    purpose: str
    authorization_digest: bytes
    asker_reference: str
    offered_at_ms: int
    state: str = OFFERED
    request: bytes | None = None
    asked_at_ms: int = 0
    staff: str = ""
    reason: str = ""
    decided_at_ms: int = 0
    sent: bool = False


@dataclass(frozen=True, slots=True)
class ReferralAsked:
    """A referral that this node has asked for. `request` is the ReferralRequestBody, encrypted in the file."""

    reference: bytes
    check_id: bytes
    ori: str
    request: bytes
    state: str
    reason: str
    at_ms: int
    trouble: str = ""


class ReferralRepository:
    """Both sides' referrals."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def offer(self, offer: ReferralOffer) -> None:
        """Remember what an offer stands for."""
        self._db.run(
            f"INSERT INTO referral_offers ({_OFFER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._offer_values(offer),
        )

    def change_offer(self, offer: ReferralOffer) -> None:
        """Put this in the place of the offer of that reference."""
        sql = (
            "UPDATE referral_offers SET state = ?, request_box = ?, asked_at_ms = ?, staff = ?, reason = ?, "
            "decided_at_ms = ?, sent = ? WHERE reference = ?"
        )
        self._db.run(sql, (*self._offer_values(offer)[8:], offer.reference))

    def offered(self, reference: bytes) -> ReferralOffer | None:
        """The offer of that reference."""
        row = self._db.row(f"SELECT {_OFFER} FROM referral_offers WHERE reference = ?", (reference,))
        return self._offer(row) if row else None

    def requested(self) -> list[ReferralOffer]:
        """Offers that were asked for, decided ones included, oldest first."""
        sql = f"SELECT {_OFFER} FROM referral_offers WHERE state <> ? ORDER BY asked_at_ms, reference"
        return [self._offer(row) for row in self._db.rows(sql, (OFFERED,))]

    def to_send(self) -> list[ReferralOffer]:
        """Decided offers whose decision is not on its way yet."""
        sql = f"SELECT {_OFFER} FROM referral_offers WHERE state IN (?, ?) AND sent = 0 ORDER BY decided_at_ms"
        return [self._offer(row) for row in self._db.rows(sql, (RELEASED, REFUSED))]

    def send_again(self, check_id: bytes, officer_id: int) -> None:
        """A released offer of that check has not left yet, and its decision is to be made anew."""
        sql = "UPDATE referral_offers SET sent = 0 WHERE check_id = ? AND officer_id = ? AND state = ?"
        self._db.run(sql, (check_id, officer_id, RELEASED))

    def put_asked(self, asked: ReferralAsked) -> None:
        """Keep, or change, what this node asks for."""
        box = self._cipher.seal(REFERRAL, asked.request)
        self._db.run(
            f"INSERT OR REPLACE INTO referrals_asked ({_ASKED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (asked.reference, asked.check_id, asked.ori, box, asked.state, asked.reason, asked.at_ms, asked.trouble),
        )

    def asked(self, reference: bytes) -> ReferralAsked | None:
        """What this node asked for under that reference."""
        row = self._db.row(f"SELECT {_ASKED} FROM referrals_asked WHERE reference = ?", (reference,))
        return self._asked(row) if row else None

    def all_asked(self, state: str | None = None) -> list[ReferralAsked]:
        """Everything that this node asked for, in that state if one is given, oldest first."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        sql = f"SELECT {_ASKED} FROM referrals_asked {where} ORDER BY at_ms, reference"
        return [self._asked(row) for row in self._db.rows(sql, values)]

    def asked_in(self, check_id: bytes) -> list[ReferralAsked]:
        """What this node asked for in one check, oldest first."""
        sql = f"SELECT {_ASKED} FROM referrals_asked WHERE check_id = ? ORDER BY at_ms, reference"
        return [self._asked(row) for row in self._db.rows(sql, (check_id,))]

    def _offer_values(self, offer: ReferralOffer) -> tuple[object, ...]:
        box = None if offer.request is None else self._cipher.seal(REFERRAL, offer.request)
        return (
            *(offer.reference, offer.check_id, offer.asker, offer.officer_id, offer.purpose),
            *(offer.authorization_digest, offer.asker_reference, offer.offered_at_ms, offer.state, box),
            *(offer.asked_at_ms, offer.staff, offer.reason, offer.decided_at_ms, offer.sent),
        )

    def _offer(self, row: Row) -> ReferralOffer:
        box, sent = row[_REQUEST_BOX], bool(row[-1])
        request = None if box is None else self._cipher.open(REFERRAL, box)
        values: Row = (*row[:_REQUEST_BOX], request, *row[_REQUEST_BOX + 1 : -1], sent)
        return ReferralOffer(*values)

    def _asked(self, row: Row) -> ReferralAsked:
        reference, check_id, ori, box, *rest = row
        return ReferralAsked(reference, check_id, ori, self._cipher.open(REFERRAL, box), *rest)


_OFFER = (
    "reference, check_id, asker, officer_id, purpose, authorization_digest, asker_reference, offered_at_ms, state, "
    "request_box, asked_at_ms, staff, reason, decided_at_ms, sent"
)
_REQUEST_BOX = _OFFER.split(", ").index("request_box")
_ASKED = "reference, check_id, ori, request_box, state, reason, at_ms, trouble"
