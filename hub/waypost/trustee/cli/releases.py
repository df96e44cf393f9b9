"""`waypost-trustee cosign-release`: the second signature on a public release."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from waypost.crypto.envelope import SigningKey, countersign
from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.protocol.release_folder import verify_release
from waypost.protocol.releases import MANIFEST
from waypost.protocol.shell import HomeOption, PassphraseOption, ask_passphrase
from waypost.trustee import settings
from waypost.trustee.audit import Event
from waypost.trustee.store import Store

_DEFAULT_HOME = Path("waypost-trustee")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("cosign-release")(cosign_release)


def cosign_release(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The release's folder.")],
    home: HomeOption = _DEFAULT_HOME,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Verify a release, every file and every result in it, and add the trustee's signature to its manifest."""
    place = settings.Home(home)
    hub_key = settings.read_hub(place.hub).signing_key
    keystore = Keystore.open(place.keys, find_passphrase(passphrase_file, ask_passphrase))
    key = SigningKey.from_seed(keystore.get("signing"))
    found = verify_release(folder, hub_key=hub_key, trustee_key=key.public)
    if found.manifest.cosigned:
        typer.echo(f"Release {found.manifest.number} bears the trustee's signature already.")
        return
    signed, written = countersign(found.envelope, key), folder / f".{MANIFEST}.new"
    written.write_bytes(signed.SerializeToString())
    os.replace(written, folder / MANIFEST)  # noqa: PTH105 - atomic, over the manifest that is there
    number, digest = str(found.manifest.number), found.manifest.digest.hex()
    Store(place.database).audit(time.time_ns() // 1_000_000, Event.RELEASE_COSIGNED, number, digest)
    typer.echo(f"Release {number} is verified ({found.results} results) and signed by the trustee.")
