"""The trustee's home folder: what is in it, and how it is founded and opened.

settings.toml   listen = "HOST:PORT"
keys            keystore: "signing", "ca", "index-<epoch>"
trustee.db      its database
trustee.json    its public keys, for the hub's operator
hub.json        the public keys of the one hub it serves, after `accept`
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey
from waypost.crypto.errors import PkiError
from waypost.crypto.keystore import Keystore
from waypost.crypto.serving import utc_now
from waypost.crypto.split_oprf import HalfKey
from waypost.protocol.homes import party_of
from waypost.trustee.errors import SettingsError
from waypost.trustee.store import FOUND_HINT, Store, require_trustee

KEY_BYTES: Final = 32
DEFAULT_LISTEN: Final = "127.0.0.1:7402"


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """The accepted hub: its Ed25519 key (32 bytes) and its certificate authority (PEM)."""

    signing_key: bytes
    ca_pem: bytes


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the home folder."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "settings.toml"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def database(self) -> Path:
        return self.folder / "trustee.db"

    @property
    def public(self) -> Path:
        return self.folder / "trustee.json"

    @property
    def hub(self) -> Path:
        return self.folder / "hub.json"


def found(home: Home, passphrase: str, listen: str) -> None:
    """Make the keys, the database and the public file of a new trustee; SettingsError when there is one already."""
    if home.keys.exists() or home.database.exists():
        held = party_of(home.folder) or "trustee"
        raise SettingsError(f"{home.folder} already holds a {held}", hint="name another folder with --home")
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing, index = SigningKey.generate(), HalfKey.generate()
    authority = pki.CertificateAuthority.create("Waypost trustee", now=utc_now())
    secrets = {"signing": signing.seed, "ca": authority.to_bytes(), index_key_name(1): index.to_bytes()}
    Keystore.create(home.keys, passphrase, secrets)
    Store(home.database, create=True).close()
    home.settings.write_text(f'listen = "{listen}"\n')
    public = {
        "kind": "waypost-trustee",
        "signing_key": signing.public.hex(),
        "index_key": index.public.hex(),
        "ca_pem": authority.certificate_pem.decode(),
    }
    home.public.write_text(json.dumps(public, indent=2) + "\n")


def index_key_name(epoch: int) -> str:
    """The keystore's name for the half key of an epoch."""
    return f"index-{epoch}"


def listen_address(home: Home) -> str:
    """Where to listen: HOST:PORT; SettingsError when the folder is not a trustee's home."""
    require_trustee(home.folder)
    try:
        address = tomllib.loads(home.settings.read_text())["listen"]
    except FileNotFoundError:
        raise SettingsError(f"{home.folder} holds no trustee", hint=FOUND_HINT) from None
    except (tomllib.TOMLDecodeError, KeyError):
        raise SettingsError(f'{home.settings} has no line: listen = "HOST:PORT"') from None
    return str(address)


def read_hub(path: Path) -> HubIdentity:
    """Read a hub's public file; SettingsError when it is none."""
    try:
        content = json.loads(path.read_text())
        if content["kind"] != "waypost-hub":
            raise SettingsError(f"{path} is not a hub's public file", hint="it is named hub.json in the hub's home")
        identity = HubIdentity(bytes.fromhex(content["signing_key"]), str(content["ca_pem"]).encode())
        pki.fingerprint(identity.ca_pem)
    except FileNotFoundError:
        raise SettingsError(
            f"{path} does not exist", hint="the hub's operator has hub.json; with that: waypost-trustee accept HUB_JSON"
        ) from None
    except (ValueError, KeyError, TypeError, PkiError):
        raise SettingsError(f"{path} is not a whole public file of a hub", hint="ask the hub's operator anew") from None
    if len(identity.signing_key) != KEY_BYTES:
        raise SettingsError(f"{path} is not a whole public file of a hub", hint="ask the hub's operator anew")
    return identity
