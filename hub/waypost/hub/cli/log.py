"""`waypost-hub log show | export | verify | heads`: the transparency log, and that nobody has rewritten it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from waypost.crypto.tlog.merkle import Frontier, leaf_hash
from waypost.hub import disclosure_heads, settings, transparency
from waypost.hub.database import open_engine
from waypost.hub.errors import SettingsError
from waypost.protocol.errors import TransparencyError
from waypost.protocol.log_files import VerifiedLog, export_log, require_tree, verify_log_file
from waypost.protocol.shell import HomeOption, JsonOption, RootKeyOption, root_key
from waypost.protocol.transparency import WORDS, LogKeys, log_keys

DEFAULT_HOME = Path("waypost-hub")
app = typer.Typer(help="The transparency log: what the hub did, which nobody can rewrite unseen.", no_args_is_help=True)


@app.command("show")
def show_log(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show how long the log is, and its newest checkpoint with both signatures."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with engine.begin() as connection:
        size, published = transparency.size_of(connection), transparency.published(connection)
    facts = {
        "entries": size,
        "checkpoint_size": published.size if published else 0,
        "cosigned_at_ms": published.cosigned_at_ms if published else 0,
        "checkpoint": published.note.decode() if published else "",
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{size} entries, {facts['checkpoint_size']} of them under the newest cosigned checkpoint:\n")
    typer.echo(facts["checkpoint"] or "(none yet)", nl=False)


@app.command("export")
def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the log.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write every entry under the newest checkpoint to a file that anybody can verify."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with engine.begin() as connection:
        published = transparency.published(connection)
        if published is None:
            raise SettingsError("the log has no cosigned checkpoint yet", hint="serve the hub and the trustee first")
        entries = itertools.islice(transparency.all_entries(connection), published.size)
        with output.open("wb") as file:
            file.writelines(export_log(entries, published.note))
    typer.echo(f"Wrote {published.size} entries to {output}.")


@app.command("verify")
def verify(
    file: Annotated[Path | None, typer.Argument(help="An exported log; the hub's own database otherwise.")] = None,
    home: HomeOption = DEFAULT_HOME,
    hub_key: RootKeyOption = "",
    trustee_key: RootKeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Compute the tree from every entry, and compare it with the checkpoint that hub and trustee have signed."""
    place = settings.Home(home)
    hub = root_key(hub_key) if hub_key else settings.read_public_key(place)
    trustee = root_key(trustee_key) if trustee_key else settings.read_trustee(place.trustee).signing_key
    if file is not None:
        try:
            with file.open("rb") as lines:
                verified = verify_log_file(lines, hub_key=hub, trustee_key=trustee)
        except OSError as error:
            raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    else:
        engine = open_engine(settings.database_url(place, settings.read_settings(place)))
        with engine.begin() as connection:
            verified = _verify_own(connection, log_keys(hub, trustee))
    checkpoint, counts = verified.witnessed.checkpoint, verified.counts
    cosigned = datetime.fromtimestamp(verified.witnessed.cosigned_at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if as_json:
        facts = {"entries": checkpoint.size, "root": checkpoint.root.hex(), "cosigned_at": cosigned, "counts": counts}
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"The log is whole: {checkpoint.size} entries, cosigned by the trustee at {cosigned}.")
    for word, count in sorted(counts.items()):
        typer.echo(f"  {word:<16} {count}")


@app.command("heads")
def heads(
    ori: Annotated[str, typer.Argument(help="A member's ORI.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the heads of a member's disclosure log: what that log must contain when it is audited."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with engine.begin() as connection:
        found = disclosure_heads.digests_of(connection, ori)
    for at_ms, digest in found:
        if as_json:
            typer.echo(json.dumps({"at_ms": at_ms, "digest": digest.hex()}))
        else:
            typer.echo(f"{datetime.fromtimestamp(at_ms / 1000, UTC).strftime('%Y-%m-%d %H:%M:%S')}  {digest.hex()}")


def register(parent: typer.Typer) -> None:
    """Add this noun."""
    parent.add_typer(app, name="log")


def _verify_own(connection: Connection, keys: LogKeys) -> VerifiedLog:
    published = transparency.published(connection)
    if published is None:
        raise SettingsError("the log has no cosigned checkpoint yet", hint="serve the hub and the trustee first")
    tree, counts = Frontier(), Counter[str]()
    for entry in itertools.islice(transparency.all_entries(connection), published.size):
        tree.add(leaf_hash(entry.to_bytes()))
        counts[WORDS[entry.kind]] += 1
    witnessed = require_tree(tree, published.note, keys)
    if transparency.root_of(connection, published.size) != tree.root:
        raise TransparencyError("split-view", "the stored tree is not that of the entries", hint="restore a backup")
    return VerifiedLog(witnessed, dict(counts))
