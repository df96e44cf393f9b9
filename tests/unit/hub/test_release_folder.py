"""Releases as documents: built into a folder, kept, cosigned, verified, and every forgery named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from tests.parties import commands
from tests.parties import release_world as given
from tests.parties.operators import Operators

from waypost.crypto.envelope import SigningKey, parse_envelope, sign
from waypost.hub import round_schema, schema
from waypost.hub.database import open_engine
from waypost.protocol import names
from waypost.protocol.errors import ProtocolError, TransparencyError
from waypost.protocol.release_folder import VerifiedRelease, read_manifest, verify_release
from waypost.protocol.release_log import verify_release_proof
from waypost.protocol.releases import LOGGED, MANIFEST
from waypost.v1 import compliance_pb2, log_pb2, release_pb2

pytestmark = pytest.mark.xdist_group("release-folder")  # what they share is made once


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Operators:
    """A release of a few agencies and two results, cosigned."""
    place = Operators(tmp_path_factory.mktemp("operators"))
    world = place.world
    for ori in given.agencies("CA"):
        world.join(ori)
    world.publish("2026-01-01")
    for ori in given.agencies("CA"):
        described = compliance_pb2.MemberDescription(ori=ori, officers=90, locale=compliance_pb2.LOCALE_URBAN)
        world.hub_says(names.MEMBER_DESCRIPTION, described, "2026-01-03")
    given.store(world, given.make_result(world, "records", "2023..2025", states=("CA",)))
    given.store(world, given.make_result(world, "records", "2023..2025", states=("TX",)))
    done = place.build()
    assert done.returncode == 0, done.stderr
    return place


def test_a_release_verifies_and_the_trustees_signature_is_told_apart(operators: Operators) -> None:
    assert "the hub alone" in operators.verify().stdout
    assert "1 results" in operators.cosign().stdout
    assert "already" in operators.cosign().stdout
    facts = json.loads(operators.verify("--json").stdout)
    assert (facts["release"], facts["results"], facts["signed_by"]) == (1, 1, ["hub", "trustee"])


def test_a_release_is_entered_in_the_transparency_log_when_it_is_built(operators: Operators) -> None:
    query = select(schema.log_queue.c.digest).where(schema.log_queue.c.kind == log_pb2.LOG_KIND_RELEASE)
    with open_engine(f"sqlite:///{operators.hub / 'hub.db'}").begin() as connection:
        digests = list(connection.scalars(query))
    manifest = parse_envelope((operators.site / MANIFEST).read_bytes())
    assert hashlib.sha256(manifest.payload).digest() in digests


def test_keys_given_by_hand_are_enough_and_others_do_not_verify(operators: Operators) -> None:
    ours = ("--hub-key", operators.hub_key.public.hex(), "--trustee-key", operators.trustee_key.public.hex())
    assert operators.verify(*ours).returncode == 0
    foreign = SigningKey.generate().public.hex()
    done = operators.verify("--hub-key", foreign, "--trustee-key", foreign)
    assert (done.returncode, "error: " in done.stderr) == (1, True)
    assert "64 hexadecimal digits" in operators.verify("--hub-key", "00").stderr


def test_earlier_releases_stay_listed_as_they_were(operators: Operators) -> None:
    before = (operators.site / MANIFEST).read_bytes()
    assert operators.build("--notice", "Synthetic data").returncode == 0
    past = operators.site / "past" / "1"
    assert (past / MANIFEST).read_bytes() == before
    assert b'href="past/1/index.html"' in (operators.site / "releases.html").read_bytes()
    lines = [json.loads(line) for line in operators.verify("--json").stdout.splitlines()]
    assert [line["release"] for line in lines] == [2, 1]
    listed = commands.do("waypost-hub", "release", "list", "--json", home=operators.hub)
    assert [json.loads(line)["manifest_sha256"] for line in listed.splitlines()] == [
        line["manifest_sha256"] for line in reversed(lines)
    ]


def verified(operators: Operators, site: Path) -> VerifiedRelease:
    return verify_release(site, hub_key=operators.hub_key.public, trustee_key=operators.trustee_key.public)


@pytest.fixture
def copy(operators: Operators, tmp_path: Path) -> Path:
    """The release, to be forged."""
    site = tmp_path / "copy"
    shutil.copytree(operators.site, site)
    verified(operators, site)
    return site


def altered(site: Path) -> None:
    (site / "data" / "results.csv").write_text("measure\n")


def missing(site: Path) -> None:
    (site / "method.html").unlink()


def added(site: Path) -> None:
    (site / "press.html").write_text("what was never released")


def linked(site: Path) -> None:
    (site / "method.html").unlink()
    (site / "method.html").symlink_to(site / "index.html")


def linked_folder(site: Path) -> None:
    (site / "more").symlink_to(site / "data")


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (altered, "altered-file"),
        (missing, "missing-file"),
        (added, "extra-file"),
        (linked, "malformed"),
        (linked_folder, "malformed"),
    ],
)
def test_a_release_with_a_file_altered_missing_added_or_linked_is_refused(
    operators: Operators, copy: Path, forge: Callable[[Path], None], reason: str
) -> None:
    forge(copy)
    with pytest.raises(ProtocolError) as caught:
        verified(operators, copy)
    assert caught.value.reason == reason
    before = (copy / MANIFEST).read_bytes()
    assert commands.run("waypost-trustee", "cosign-release", str(copy), home=operators.trustee).returncode == 1
    assert (copy / MANIFEST).read_bytes() == before


def test_a_release_is_proven_to_be_in_the_log_without_a_network(operators: Operators, copy: Path) -> None:
    assert "for a minute" in operators.prove().stderr
    assert "Nothing here proves" in operators.verify().stdout
    operators.checkpoint()
    assert "Entry " in operators.prove().stdout
    logged = verified(operators, operators.site).logged
    assert logged is not None
    facts = json.loads(operators.verify("--json").stdout.splitlines()[0])
    assert (facts["log_entry"], facts["logged_at_ms"]) == (logged.index, logged.at_ms)
    proof = (operators.site / LOGGED).read_bytes()
    (copy / LOGGED).write_bytes(proof)
    assert verified(operators, copy).logged == logged
    (copy / LOGGED).write_bytes(proof.replace(str(logged.at_ms).encode(), b"1"))  # the same entry, at another time
    with pytest.raises(TransparencyError) as caught:
        verified(operators, copy)
    assert caught.value.reason == "not-logged"


def test_attack_the_proof_of_another_release_or_of_another_federations_log(operators: Operators) -> None:
    operators.checkpoint()
    operators.prove()
    proof, digest = (operators.site / LOGGED).read_bytes(), verified(operators, operators.site).manifest.digest
    keys = {"hub_key": operators.hub_key.public, "trustee_key": operators.trustee_key.public}
    verify_release_proof(proof, digest, **keys)
    foreign = SigningKey.generate().public
    for wrong, its in (
        (bytes(32), keys),
        (digest, {**keys, "trustee_key": foreign}),
        (digest, {**keys, "hub_key": foreign}),
    ):
        with pytest.raises(TransparencyError) as caught:
            verify_release_proof(proof, wrong, **its)
        assert caught.value.reason == "not-logged"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"waypost-release-log": 2}', b"x" * 2_000_000], ids=["empty", "list", "version", "oversized"]
)
def test_a_proof_that_is_none_is_refused(operators: Operators, copy: Path, data: bytes) -> None:
    (copy / LOGGED).write_bytes(data)
    with pytest.raises(ProtocolError) as caught:
        verified(operators, copy)
    assert caught.value.reason in {"malformed", "oversized"}


def forged_manifest(
    operators: Operators, copy: Path, key: SigningKey, change: Callable[[release_pb2.ReleaseManifest], None]
) -> str:
    content = release_pb2.ReleaseManifest.FromString(read_manifest(copy).payload)
    change(content)
    envelope = sign(names.RELEASE_MANIFEST, content.SerializeToString(), key)
    (copy / MANIFEST).write_bytes(envelope.SerializeToString())
    with pytest.raises(ProtocolError) as caught:
        verified(operators, copy)
    return caught.value.reason


def test_a_manifest_signed_by_the_trustee_alone_is_no_release(operators: Operators, copy: Path) -> None:
    assert forged_manifest(operators, copy, operators.trustee_key, lambda _: None) == "wrong-signature"


def test_a_manifest_of_somebody_elses_key_is_refused(operators: Operators, copy: Path) -> None:
    assert forged_manifest(operators, copy, SigningKey.generate(), lambda _: None) == "wrong-signature"


@pytest.mark.parametrize(
    "path", ["../hub.db", "/etc/hosts", "a//b", ".hidden", "past/1/index.html", "manifest.pb", "a\\b"]
)
def test_a_manifest_cannot_name_a_path_outside_of_its_release(operators: Operators, copy: Path, path: str) -> None:
    def change(content: release_pb2.ReleaseManifest) -> None:
        content.files.add(path=path, sha256=bytes(32))
        content.files.sort(key=lambda file: file.path)

    assert forged_manifest(operators, copy, operators.hub_key, change) == "malformed"


def test_a_result_that_the_trustee_did_not_sign_stops_the_build(operators: Operators) -> None:
    world, table = operators.world, round_schema.rounds
    signed = given.make_result(world, "records", "2020..2021", states=("CA",))
    forged = sign(names.ROUND_RESULT, signed.envelope.payload, operators.hub_key, SigningKey.generate())
    given.store(world, signed)
    mine = table.c.round_id == signed.result.round_id
    with world.engine.begin() as connection:
        connection.execute(update(table).where(mine).values(result=forged.SerializeToString()))
    try:
        done = operators.build()
        assert done.returncode == 1
        assert "not signed by both" in done.stderr
    finally:
        with world.engine.begin() as connection:
            connection.execute(table.delete().where(mine))


def test_a_stored_fact_that_does_not_verify_stops_the_build(operators: Operators) -> None:
    row = {
        "type": names.MEMBER_DESCRIPTION,
        "author": "hub",
        "subject": "CA9900100",
        "digest": b"forged",
        "counts_from_ms": 1,
        "envelope": sign(names.MEMBER_DESCRIPTION, b"x", SigningKey.generate()).SerializeToString(),
    }
    with operators.world.engine.begin() as connection:
        connection.execute(insert(schema.facts).values(row))
        assert connection.scalar(select(schema.facts.c.subject).where(schema.facts.c.digest == b"forged"))
    try:
        assert "do not verify" in operators.build().stderr
    finally:
        with operators.world.engine.begin() as connection:
            connection.execute(schema.facts.delete().where(schema.facts.c.digest == b"forged"))


def test_a_folder_that_holds_something_else_is_left_alone(operators: Operators, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    arguments = ("--population", str(operators.population), "--source", "synthetic figures")
    done = commands.run("waypost-hub", "release", "build", str(tmp_path), *arguments, home=operators.hub)
    assert (done.returncode, "holds something else" in done.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_release_of_a_day_to_come_is_not_built(operators: Operators) -> None:
    before = operators.verify("--json").stdout
    done = operators.build("--as-of", "2199-01-01")
    assert (done.returncode, "still to come" in done.stderr) == (1, True)
    assert operators.verify("--json").stdout == before


@pytest.mark.parametrize(
    "content",
    ["", "state\nCA\n", "state,officers\nCA,many\n", "state,officers\nCA,1\nCA,2\n", "state,officers\nCA,-5\n"],
)
def test_a_file_of_officers_that_cannot_be_read_is_told_in_two_lines(
    operators: Operators, tmp_path: Path, content: str
) -> None:
    wrong = tmp_path / "officers.csv"
    wrong.write_text(content)
    arguments = ("--population", str(wrong), "--source", "synthetic figures")
    done = commands.run("waypost-hub", "release", "build", str(tmp_path / "out"), *arguments, home=operators.hub)
    assert (done.returncode, done.stderr.startswith("error: ")) == (1, True)
