"""The hub's home folder: what is in it, and how it is founded and opened.

settings.toml   listen, enrol_listen, advertise (host name for join codes), trustee (HOST:PORT), database (URL)
keys            keystore: "signing", "ca", "enrol" (key and certificate), "index-<epoch>"
hub.db          its database, unless settings name another
hub.json        its public keys, for the trustee's operator
trustee.json    the trustee's public keys
enrol.pem       the enrolment endpoint's certificate, whose fingerprint join codes carry
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey
from waypost.crypto.errors import PkiError
from waypost.crypto.keystore import Keystore
from waypost.crypto.serving import utc_now
from waypost.crypto.split_oprf import HalfKey
from waypost.hub.database import open_engine, put_meta
from waypost.hub.errors import SettingsError
from waypost.protocol.homes import party_of

DEFAULT_LISTEN: Final = "127.0.0.1:7400"
DEFAULT_ENROL_LISTEN: Final = "127.0.0.1:7401"
FOUND_HINT: Final = (
    "name the hub's folder with --home or WAYPOST_HOME; a new one is founded with: "
    "waypost-hub init --home DIR --trustee TRUSTEE_JSON --trustee-address HOST:PORT (docs/hub.md)"
)
_KEY_BYTES: Final = 32
_ENROL_LIFETIME: Final = timedelta(days=3650)
"""The enrolment certificate is pinned by join codes, not trusted for its dates."""


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
    def public(self) -> Path:
        return self.folder / "hub.json"

    @property
    def trustee(self) -> Path:
        return self.folder / "trustee.json"

    @property
    def enrol_certificate(self) -> Path:
        return self.folder / "enrol.pem"


@dataclass(frozen=True, slots=True)
class Settings:
    """What settings.toml says. Addresses are HOST:PORT."""

    listen: str
    enrol_listen: str
    advertise: str
    trustee: str
    database: str


@dataclass(frozen=True, slots=True)
class TrusteeIdentity:
    """The trustee's public file: Ed25519 key, index key of epoch 1 (32 bytes each), certificate authority (PEM)."""

    signing_key: bytes
    index_key: bytes
    ca_pem: bytes


def found(home: Home, passphrase: str, settings: Settings, trustee_file: Path) -> None:
    """Make the keys, the database and the public file of a new hub; SettingsError when there is one already."""
    if home.keys.exists() or home.settings.exists():
        held = party_of(home.folder) or "hub"
        raise SettingsError(f"{home.folder} already holds a {held}", hint="name another folder with --home")
    read_trustee(trustee_file)
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing = SigningKey.generate()
    authority = pki.CertificateAuthority.create("Waypost hub", now=utc_now())
    enrol_key, enrol_certificate = pki.self_signed(pki.HUB_TLS_NAME, now=utc_now(), lifetime=_ENROL_LIFETIME)
    secrets = {
        "signing": signing.seed,
        "ca": authority.to_bytes(),
        "enrol": enrol_key,
        index_key_name(1): HalfKey.generate().to_bytes(),
    }
    Keystore.create(home.keys, passphrase, secrets)
    home.trustee.write_bytes(trustee_file.read_bytes())
    home.enrol_certificate.write_bytes(enrol_certificate)
    lines = [f"{name} = {json.dumps(getattr(settings, name))}" for name in Settings.__dataclass_fields__]
    home.settings.write_text("\n".join(lines) + "\n")
    with open_engine(database_url(home, settings), create=True).begin() as connection:
        put_meta(connection, "epoch", "1")
    public = {
        "kind": "waypost-hub",
        "signing_key": signing.public.hex(),
        "ca_pem": authority.certificate_pem.decode(),
    }
    home.public.write_text(json.dumps(public, indent=2) + "\n")
    database = home.folder / "hub.db"
    if database.exists():
        database.chmod(0o600)


def index_key_name(epoch: int) -> str:
    """The keystore's name for the half key of an epoch."""
    return f"index-{epoch}"


def database_url(home: Home, settings: Settings) -> str:
    """The database's URL; hub.db in the home folder unless settings name another."""
    return settings.database or f"sqlite:///{(home.folder / 'hub.db').absolute()}"


def read_settings(home: Home) -> Settings:
    """Read settings.toml; SettingsError when it is missing or incomplete, or another party's."""
    held = party_of(home.folder)
    if held not in {"hub", ""}:
        raise SettingsError(
            f"{home.folder} holds a {held}, not a hub", hint="name the hub's folder with --home or WAYPOST_HOME"
        )
    try:
        content = tomllib.loads(home.settings.read_text())
        return Settings(**{name: str(content[name]) for name in Settings.__dataclass_fields__})
    except FileNotFoundError:
        raise SettingsError(f"{home.folder} holds no hub", hint=FOUND_HINT) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{home.settings} is not TOML: {error}") from None
    except KeyError as error:
        raise SettingsError(f"{home.settings} lacks the setting {error}", hint="see docs/hub.md") from None


def read_public_key(home: Home) -> bytes:
    """The hub's own Ed25519 public key, from its public file."""
    try:
        return bytes.fromhex(json.loads(home.public.read_text())["signing_key"])
    except (OSError, ValueError, KeyError):
        raise SettingsError(f"{home.public} cannot be read", hint="restore it from a backup") from None


def read_trustee(path: Path) -> TrusteeIdentity:
    """Read a trustee's public file; SettingsError when it is none."""
    hint = "the trustee's operator has it as trustee.json"
    try:
        content = json.loads(path.read_text())
        if content["kind"] != "waypost-trustee":
            raise SettingsError(f"{path} is not a trustee's public file", hint=hint)
        identity = TrusteeIdentity(
            bytes.fromhex(content["signing_key"]), bytes.fromhex(content["index_key"]), str(content["ca_pem"]).encode()
        )
        pki.fingerprint(identity.ca_pem)
    except OSError:
        raise SettingsError(f"{path} cannot be read", hint=hint) from None
    except (ValueError, KeyError, TypeError, PkiError):
        raise SettingsError(f"{path} is not a whole public file of a trustee", hint=hint) from None
    if (len(identity.signing_key), len(identity.index_key)) != (_KEY_BYTES, _KEY_BYTES):
        raise SettingsError(f"{path} is not a whole public file of a trustee", hint=hint)
    return identity
