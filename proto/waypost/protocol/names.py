"""Names on the wire: parties, payload types and sealing purposes. One constant each; nothing else spells them out."""

from __future__ import annotations

import re
from typing import Final

from waypost.crypto.envelope import payload_type
from waypost.protocol.errors import ProtocolError

HUB: Final = "hub"
TRUSTEE: Final = "trustee"
ALL_MEMBERS: Final = "*"

ROSTER: Final = payload_type("roster")
ROSTER_PROPOSAL: Final = payload_type("roster-proposal")
JOIN_APPLICATION: Final = payload_type("join-application")
EVALUATION_REQUEST: Final = payload_type("evaluation-request")
REGISTRATION: Final = payload_type("registration")
CHECK_REQUEST: Final = payload_type("check-request")
ANSWER: Final = payload_type("answer")
RECEIPT: Final = payload_type("receipt")
ROUND: Final = payload_type("round")
ROUND_ANSWER: Final = payload_type("round-answer")
ROUND_SEED_SHARE: Final = payload_type("round-seed-share")
ROUND_CLOSE: Final = payload_type("round-close")
ROUND_PARTIAL_SUM: Final = payload_type("round-partial-sum")
ROUND_RESULT: Final = payload_type("round-result")
DISCLOSURE_HEAD: Final = payload_type("disclosure-head")
WATCH_REGISTRATION: Final = payload_type("watch-registration")
REFERRAL_REQUEST: Final = payload_type("referral-request")
REFERRAL_DECISION: Final = payload_type("referral-decision")
WATCH_HIT: Final = payload_type("watch-hit")
NOTICE: Final = payload_type("notice")
NOTICE_TAKEN: Final = payload_type("notice-taken")

ATTESTATION: Final = payload_type("attestation")
CREDENTIAL_APPLICATION: Final = payload_type("credential-application")
CREDENTIAL_PROCESS: Final = payload_type("credential-process")
CREDENTIAL: Final = payload_type("credential")
CREDENTIAL_REVOCATION: Final = payload_type("credential-revocation")
TIMELINESS: Final = payload_type("timeliness")
BODY_CERTIFICATION: Final = payload_type("body-certification")
BODY_WITHDRAWAL: Final = payload_type("body-withdrawal")
MEMBER_DESCRIPTION: Final = payload_type("member-description")
RECONCILIATION_DAY: Final = payload_type("reconciliation-day")
FACT_ACCEPTANCE: Final = payload_type("fact-acceptance")
COMPLIANCE_DAY: Final = payload_type("compliance-day")
RELEASE_MANIFEST: Final = payload_type("release-manifest")

SEAL_ANSWER: Final = "answer"
"""Purpose in the sealing context of an answer."""
SEAL_VECTOR_SHARE: Final = "round-vector-share"
SEAL_SEED_SHARE: Final = "round-seed-share"
"""Purposes in the sealing contexts of the two shares of a round's counts."""

SEAL_REFERRAL: Final = "referral"
SEAL_REFERRAL_DECISION: Final = "referral-decision"
"""Purposes in the sealing contexts of a referral's request and decision."""

SEAL_NOTICE: Final = "notice"
"""Purpose in the sealing context of a notice."""

_ORI = re.compile(r"[A-Z]{2}[A-Z0-9]{7}")
_STATE = re.compile(r"[A-Z]{2}")


def valid_ori(text: str) -> bool:
    """Whether `text` has an ORI's form: nine characters, A-Z and 0-9, the first two letters the state."""
    return _ORI.fullmatch(text) is not None


def valid_state(text: str) -> bool:
    """Whether `text` has the form of a two-letter state."""
    return _STATE.fullmatch(text) is not None


def require_ori(text: str) -> str:
    """Give `text` back if it is an ORI; ProtocolError otherwise."""
    if not valid_ori(text):
        raise ProtocolError(
            "malformed",
            "not an ORI: it has nine characters, capital letters and digits, the first two the state",
            hint="look the agency's ORI up, for example CA0194200",
        )
    return text
