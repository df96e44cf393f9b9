"""`waypost-hub release`: build the public release of section 3(c), prove it logged, verify one, list all."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from sqlalchemy import Connection, func, insert, select

from waypost.crypto.envelope import SigningKey, parse_envelope
from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.crypto.tlog.proof import Proof
from waypost.hub import schema, settings, transparency
from waypost.hub.audit import Event
from waypost.hub.cli.compliance import day_of
from waypost.hub.database import add_audit, open_engine, reading
from waypost.hub.errors import SettingsError
from waypost.hub.evidence import Rosters, read_evidence
from waypost.hub.round_results import list_results
from waypost.protocol.errors import ProtocolError
from waypost.protocol.limits import OFFICERS_MAX
from waypost.protocol.names import valid_state
from waypost.protocol.release_folder import past_folders, read_manifest, verify_release
from waypost.protocol.release_log import Logged, release_proof, verify_release_proof
from waypost.protocol.releases import LOGGED, MANIFEST, open_manifest
from waypost.protocol.round_results import open_result
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption, ask_passphrase
from waypost.v1 import log_pb2

if TYPE_CHECKING:
    from waypost.hub.release.edition import Past, Population
    from waypost.hub.release.results import SignedResult

DEFAULT_HOME = Path("waypost-hub")
app = typer.Typer(help="The public release of section 3(c).", no_args_is_help=True)
_FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The release's folder.")]
_KEY_BYTES = 32
_STATE_OFFICERS_MAX = 100 * OFFICERS_MAX


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="release")


@app.command()
def build(
    folder: _FolderArgument,
    population: Annotated[Path, typer.Option(help="A CSV file of officers employed by state: state, officers.")],
    source: Annotated[str, typer.Option(help="Where these figures are from; it stands in the release.")],
    as_of: Annotated[str, typer.Option(help="The day that it shows, YYYY-MM-DD (UTC); today unless given.")] = "",
    notice: Annotated[str, typer.Option(help="A notice for the top of every page.")] = "",
    home: HomeOption = DEFAULT_HOME,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Build a release: pages, data and signed manifest. Earlier releases in the folder stay, and stay listed."""
    from waypost.hub.release import building
    from waypost.hub.release.folder import put_release, require_place

    place, folder = settings.Home(home), folder.absolute()
    require_place(folder)
    day, officers = day_of(as_of), _read_population(population, source)
    key = _signing_key(place, passphrase_file)
    trustee_key = settings.read_trustee(place.trustee).signing_key
    former = _number_in(folder, key.public, trustee_key)
    now_ms = time.time_ns() // 1_000_000
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with reading(engine) as connection:
        evidence, broken = read_evidence(Rosters(connection, key.public, trustee_key), day)
        if broken:
            raise SettingsError(f"{len(broken)} stored facts do not verify", hint="waypost-hub compliance names them")
        given = building.Ingredients(
            number=_next_number(connection),
            as_of=day,
            notice=notice,
            evidence=evidence,
            results=tuple(_results(connection, key.public, trustee_key)),
            population=officers,
            past=tuple(_past(connection, folder, former)),
            hub_key=key.public,
            trustee_key=trustee_key,
        )
    with Console(stderr=True).status("Working out what may be shown, and drawing it"):
        edition = building.make_edition(given)
        files = building.make_files(edition)
    previous = bytes.fromhex(given.past[0].digest) if given.past else b""
    manifest = building.make_manifest(edition, files, previous, key, now_ms)
    with engine.begin() as connection:
        _record(connection, given.number, day, manifest.SerializeToString(), now_ms)
    put_release(folder, files, manifest.SerializeToString(), former=former)
    typer.echo(f"Release {given.number} as of {day}: {len(files)} files in {folder}; open {folder / 'index.html'}")
    typer.echo(f"Once the log holds it, prove that it does: waypost-hub release prove {folder}")
    typer.echo(f"The trustee's operator verifies and signs it with: waypost-trustee cosign-release {folder}")


@app.command()
def verify(
    folder: _FolderArgument,
    hub_key: Annotated[str, typer.Option(help="The hub's public key, hexadecimal; from the home unless given.")] = "",
    trustee_key: Annotated[str, typer.Option(help="The trustee's public key, hexadecimal; likewise.")] = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Verify a release and the earlier ones in its folder: every file, every signed result, whose signatures."""
    keys = {"hub_key": _public(hub_key, home, "hub"), "trustee_key": _public(trustee_key, home, "trustee")}
    for place in (folder, *past_folders(folder)):
        found = verify_release(place, **keys)
        facts = {
            "release": found.manifest.number,
            "as_of": found.manifest.as_of.isoformat(),
            "files": len(found.manifest.files),
            "results": found.results,
            "signed_by": ["hub", "trustee"] if found.manifest.cosigned else ["hub"],
            "logged_at_ms": found.logged.at_ms if found.logged else None,
            "log_entry": found.logged.index if found.logged else None,
            "manifest_sha256": found.manifest.digest.hex(),
        }
        if as_json:
            typer.echo(json.dumps(facts))
            continue
        signers = "hub and trustee" if found.manifest.cosigned else "the hub alone; the trustee has not signed it yet"
        typer.echo(
            f"Release {found.manifest.number} as of {found.manifest.as_of} is what was signed: "
            f"{len(found.manifest.files)} files, {found.results} results signed by both. Signed by {signers}. "
            f"{_logged(found.logged)}"
        )


@app.command()
def prove(folder: _FolderArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Put the proof that it is in the transparency log beside a release and the earlier ones in its folder.

    The log must have a checkpoint over the entry, which hub and trustee make within seconds while both are served.
    """
    place = settings.Home(home)
    keys = {"hub_key": settings.read_public_key(place), "trustee_key": settings.read_trustee(place.trustee).signing_key}
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    for each in (folder, *past_folders(folder)):
        manifest = open_manifest(read_manifest(each), **keys)
        with reading(engine) as connection:
            proof = _proof(connection, manifest.digest)
        logged = verify_release_proof(proof, manifest.digest, **keys)
        written = each / f".{LOGGED}.new"
        written.write_bytes(proof)
        written.replace(each / LOGGED)
        typer.echo(f"Release {manifest.number}: {_logged(logged)}")


@app.command("list")
def list_releases(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List every release that this hub has built."""
    place = settings.Home(home)
    with open_engine(settings.database_url(place, settings.read_settings(place))).begin() as connection:
        rows = connection.execute(select(schema.releases).order_by(schema.releases.c.number)).all()
    for row in rows:
        digest = hashlib.sha256(parse_envelope(row.manifest).payload).hexdigest()
        if as_json:
            typer.echo(json.dumps({"release": row.number, "as_of": row.as_of, "manifest_sha256": digest}))
        else:
            typer.echo(f"{row.number:>4}  {row.as_of}  {digest}")


def _proof(connection: Connection, digest: bytes) -> bytes:
    """The proof's file; SettingsError while no checkpoint holds the entry."""
    published = transparency.published(connection)
    found = published and transparency.find(connection, log_pb2.LOG_KIND_RELEASE, digest, published.size)
    if not published or not found:
        raise SettingsError(
            "no checkpoint of the transparency log holds the release yet",
            hint="serve hub and trustee for a minute, then: waypost-hub release prove",
        )
    return release_proof(found.at_ms, Proof(found.index, tuple(found.proof), published.note))


def _logged(logged: Logged | None) -> str:
    if logged is None:
        return "Nothing here proves that it is in the transparency log."
    when = datetime.fromtimestamp(logged.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"Entry {logged.index} of the transparency log, of {when}."


def _results(connection: Connection, hub_key: bytes, trustee_key: bytes) -> list[SignedResult]:
    """Every result, verified again."""
    from waypost.hub.release.results import SignedResult

    found = []
    for each in list_results(connection):
        result = open_result(each.envelope, hub_key=hub_key, trustee_key=trustee_key)
        found.append(SignedResult(result, each.envelope))
    return found


def _past(connection: Connection, folder: Path, former: int | None) -> list[Past]:
    """Earlier releases, newest first, and whether their pages are in the folder."""
    from waypost.hub.release.edition import Past

    here = {int(path.name) for path in past_folders(folder)} | ({former} if former is not None else set())
    rows = connection.execute(select(schema.releases).order_by(schema.releases.c.number.desc())).all()
    return [
        Past(
            row.number,
            date.fromisoformat(row.as_of),
            hashlib.sha256(parse_envelope(row.manifest).payload).hexdigest(),
            row.number in here,
        )
        for row in rows
    ]


def _number_in(folder: Path, hub_key: bytes, trustee_key: bytes) -> int | None:
    """The number of the release that the folder holds; None for a new one."""
    if not (folder / MANIFEST).exists():
        return None
    return open_manifest(read_manifest(folder), hub_key=hub_key, trustee_key=trustee_key).number


def _next_number(connection: Connection) -> int:
    return (connection.scalar(select(func.max(schema.releases.c.number))) or 0) + 1


def _record(connection: Connection, number: int, day: date, manifest: bytes, now_ms: int) -> None:
    if _next_number(connection) != number:
        raise SettingsError("another release was built meanwhile", hint="build again: it follows that one")
    row = {"number": number, "as_of": day.isoformat(), "built_at_ms": now_ms, "manifest": manifest}
    connection.execute(insert(schema.releases).values(row))
    digest = hashlib.sha256(parse_envelope(manifest).payload).digest()
    add_audit(connection, now_ms, Event.RELEASE_BUILT, str(number), digest.hex())
    transparency.append(connection, log_pb2.LOG_KIND_RELEASE, digest, now_ms)


def _signing_key(place: settings.Home, passphrase_file: Path | None) -> SigningKey:
    keystore = Keystore.open(place.keys, find_passphrase(passphrase_file, ask_passphrase))
    return SigningKey.from_seed(keystore.get("signing"))


def _public(text: str, home: Path, party: str) -> bytes:
    """A public key as given, or from the hub's home."""
    if not text:
        place = settings.Home(home)
        if party == "hub":
            return settings.read_public_key(place)
        return settings.read_trustee(place.trustee).signing_key
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"the {party}'s key is no key", hint="64 hexadecimal digits, as the operators publish them")
    return key


def _read_population(path: Path, source: str) -> Population:
    from waypost.hub.release.edition import Population

    hint = "columns state, officers: one row a state, such as CA,78000"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(row["state"], int(row["officers"])) for row in csv.DictReader(file)]
    except OSError:
        raise SettingsError(f"{path} cannot be read", hint=hint) from None
    except (KeyError, ValueError, TypeError):
        raise SettingsError(f"{path} is not a file of officers by state", hint=hint) from None
    officers = dict(rows)
    if len(officers) != len(rows) or not all(
        valid_state(state) and 0 < count <= _STATE_OFFICERS_MAX for state, count in rows
    ):
        raise SettingsError(f"{path} has a state twice, or figures that cannot be", hint=hint)
    if not officers or not source.strip():
        raise ProtocolError("malformed", "a release needs the officers of at least one state, and a source", hint=hint)
    return Population(officers, source.strip())
