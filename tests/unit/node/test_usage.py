"""What a user's slip ends in: a sentence that says what is wrong, and a hint that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.parties import commands
from tests.parties.duty_world import World

from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.keystore import Keystore
from waypost.node import settings
from waypost.node.federation import Federation, write_federation
from waypost.protocol import names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.facts import parse_fact
from waypost.protocol.quarters import Quarter, newest_over
from waypost.v1 import compliance_pb2

ROOT_KEY = "ab" * 32


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A member's home: the owner of one record, with a roster."""
    folder = tmp_path_factory.mktemp("home")
    world = World(folder)
    party = world.owner
    party.store.close()
    keys = {
        settings.SIGNING_KEY: party.key.seed,
        settings.SEALING_KEY: party.sealing.to_bytes(),
        settings.TLS_KEY: b"",
        settings.COLUMN_KEY: bytes(32),
    }
    place = folder / "home"
    place.mkdir(mode=0o700)
    (folder / "owner.db").rename(settings.store_path(place))
    Keystore.create(settings.keys_path(place), commands.PASSPHRASE, keys)
    write_federation(place, Federation(party.ori, "", world.hub.public, bytes(range(32)), "", b""))
    yield place
    world.asker.store.close()


def slip(home: Path, *arguments: str) -> str:
    """The sentence and the hint; both are one line."""
    done = commands.run("waypost-node", *arguments, home=home)
    assert done.returncode == 1
    error, hint = done.stderr.strip().splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert len(hint) > len("hint: ")
    return done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "waypost-node checks receipt"),
        (b"\xff\xfe not even text", "waypost-node checks receipt"),
        (b'{"waypost-receipt": 2, "logged_at_ms": 1, "proof": "", "receipt": ""}', "waypost-node checks receipt"),
        (b"waypost-log-export/v1\n", "waypost-hub log verify"),
        (None, "name a receipt's file"),
    ],
    ids=["json", "binary", "of-a-later-version", "a-log", "none"],
)
def test_a_file_that_is_no_receipt_is_said_so_with_what_writes_one(
    home: Path, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    assert words in slip(home, "verify", str(file), "--hub-key", ROOT_KEY, "--trustee-key", ROOT_KEY)


def test_an_officer_cannot_have_been_told_tomorrow(home: Path) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    told = slip(home, "records", "told", "NVPOST-17", "--on", str(tomorrow), "--by", "IA-1")
    assert f"{tomorrow} has not come" in told
    assert "write YYYY-MM-DD" in slip(home, "records", "told", "NVPOST-17", "--on", "2026-13-01", "--by", "IA-1")


def test_a_running_quarter_is_not_attested_yet_and_the_hint_names_the_one_that_can_be() -> None:
    today = date(2026, 11, 26)
    moment_ms = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1000)
    header = header_to_proto(new_header(sender="CA9900100", audience="*", now_ms=moment_ms, lifetime_ms=60_000))
    content = compliance_pb2.Attestation(
        header=header, period=str(Quarter.of(today)), submitted_through="2026-12-31", attested_by="A. Chief"
    )
    with pytest.raises(ProtocolError, match="2026Q4 is not over") as refused:
        parse_fact(names.ATTESTATION, content.SerializeToString())
    assert str(newest_over(today)) in refused.value.hint
    content.period = "2026Q3"
    with pytest.raises(ProtocolError, match="nothing to come") as refused:
        parse_fact(names.ATTESTATION, content.SerializeToString())
    assert "--through" in refused.value.hint
