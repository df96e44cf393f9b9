"""What a node knows of its federation (HOME/federation.json): who it is, where the hub is, which roots it trusts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from waypost.node.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Federation:
    """The node's ORI, the hub's addresses HOST:PORT, and both roots' Ed25519 keys (32 bytes each).

    `enrolment_certificate` is the fingerprint of the enrolment endpoint's certificate, as the join code had it.
    """

    ori: str
    hub_address: str
    hub_key: bytes
    trustee_key: bytes
    enrolment_address: str
    enrolment_certificate: bytes


def federation_path(home: Path) -> Path:
    """Where it stands."""
    return home / "federation.json"


def certificate_path(home: Path) -> Path:
    """The node's certificate."""
    return home / "certificate.pem"


def authority_path(home: Path) -> Path:
    """The hub's certificate authority."""
    return home / "authority.pem"


def read_federation(home: Path) -> Federation:
    """What was written when the node joined; SettingsError before that."""
    try:
        content = json.loads(federation_path(home).read_text())
        return Federation(
            content["ori"],
            content["hub_address"],
            bytes.fromhex(content["hub_key"]),
            bytes.fromhex(content["trustee_key"]),
            content["enrolment_address"],
            bytes.fromhex(content["enrolment_certificate"]),
        )
    except FileNotFoundError:
        raise SettingsError(
            f"{home} has not joined a federation",
            hint="run: waypost-node join CODE",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{federation_path(home)} is damaged", hint="restore it from a backup") from None


def write_federation(home: Path, federation: Federation) -> None:
    """Remember it."""
    content = asdict(federation)
    for name in ("hub_key", "trustee_key", "enrolment_certificate"):
        content[name] = content[name].hex()
    federation_path(home).write_text(json.dumps(content, indent=2) + "\n")
