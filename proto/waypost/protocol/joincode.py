"""Join codes: one line of text that turns an invited agency's node into a member.

A code is "WP1-" and the unpadded base64url form of:

    16 bytes  the invitation's secret (one use, expires at the hub)
    32 bytes  SHA-256 of the enrolment endpoint's certificate (DER)
    32 bytes  SHA-256 of the hub's Ed25519 public key
    32 bytes  SHA-256 of the trustee's Ed25519 public key
     2 bytes  port of the enrolment endpoint, big-endian
     2 bytes  port of the link endpoint, big-endian
     9 bytes  the invited ORI, ASCII
     2 bytes  its state, ASCII
     1 byte   its role (roster.proto)
     1 byte   length of the host name or address, then that many bytes of UTF-8
     n bytes  the agency's name, UTF-8: as the roster will have it
     4 bytes  the first bytes of SHA-256 over all of the above: catches a slip in copying, authenticates nothing
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from waypost.protocol.errors import JoinCodeError
from waypost.protocol.limits import JOIN_CODE_CHARS_MAX
from waypost.protocol.names import valid_ori

_PREFIX: Final = "WP1-"
_FIXED = struct.Struct(">16s32s32s32sHH9s2sBB")
_SUM_BYTES: Final = 4
_HINT: Final = "copy the whole line that the hub's operator sent, or ask for a new invitation"


@dataclass(frozen=True, slots=True)
class JoinCode:
    """What a join code says. Fingerprints are SHA-256, 32 bytes each; the secret is 16 bytes."""

    secret: bytes
    enrolment_certificate: bytes
    hub_key: bytes
    trustee_key: bytes
    enrolment_port: int
    link_port: int
    ori: str
    state: str
    role: int
    name: str
    host: str

    def encode(self) -> str:
        """The code as one line of text."""
        body = (
            _FIXED.pack(
                self.secret,
                self.enrolment_certificate,
                self.hub_key,
                self.trustee_key,
                self.enrolment_port,
                self.link_port,
                self.ori.encode("ascii"),
                self.state.encode("ascii"),
                self.role,
                len(self.host.encode()),
            )
            + self.host.encode()
            + self.name.encode()
        )
        body += hashlib.sha256(body).digest()[:_SUM_BYTES]
        return _PREFIX + base64.urlsafe_b64encode(body).rstrip(b"=").decode("ascii")


def decode_join_code(text: str) -> JoinCode:
    """Read a join code, however it was wrapped in a mail; JoinCodeError when it is not whole."""
    compact = "".join(text.split())
    if len(compact) > JOIN_CODE_CHARS_MAX or not compact.startswith(_PREFIX):
        raise JoinCodeError("malformed", f"this is not a join code: one begins with {_PREFIX}", hint=_HINT)
    coded = compact.removeprefix(_PREFIX)
    try:
        body = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise JoinCodeError("malformed", "the join code has a character that no code has", hint=_HINT) from error
    fixed, rest, check = body[: _FIXED.size], body[_FIXED.size : -_SUM_BYTES], body[-_SUM_BYTES:]
    if len(fixed) < _FIXED.size or not rest or hashlib.sha256(fixed + rest).digest()[:_SUM_BYTES] != check:
        raise JoinCodeError("malformed", "the join code is incomplete or was mistyped", hint=_HINT)
    secret, certificate, hub_key, trustee_key, enrolment_port, link_port, ori, state, role, size = _FIXED.unpack(fixed)
    try:
        code = JoinCode(
            secret=secret,
            enrolment_certificate=certificate,
            hub_key=hub_key,
            trustee_key=trustee_key,
            enrolment_port=enrolment_port,
            link_port=link_port,
            ori=ori.decode("ascii"),
            state=state.decode("ascii"),
            role=role,
            name=rest[size:].decode(),
            host=rest[:size].decode(),
        )
    except UnicodeDecodeError as error:
        raise JoinCodeError("malformed", "the join code names no readable host", hint=_HINT) from error
    if not valid_ori(code.ori) or not code.host or not code.name:
        raise JoinCodeError("malformed", "the join code names no ORI, agency or host", hint=_HINT)
    return code
