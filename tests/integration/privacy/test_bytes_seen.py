"""What hub and trustee can read: the tests search every byte that they received, sent, stored and logged.

The relays in front of both keep each message as it came out of TLS. Enrolment does not go through them: it happens
before a node holds anything about anybody.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import pytest
from tests.integration.privacy.conftest import (
    LONG_RECORDS,
    LONG_RECORDS_OFFICER,
    LONG_STRANGER,
    NO_RECORD,
    RECORDS,
    SHORT_STRANGER,
    TEN_RECORDS,
    World,
)
from tests.parties.federation import wait_until
from tests.parties.people import Row, applicant
from tests.parties.relay import Seen

from waypost.crypto.padding import padme_length
from waypost.node.keys import match_inputs
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, hub_service_pb2, index_pb2

pytestmark = pytest.mark.xdist_group("privacy")

NEEDLE_BYTES_MIN = 6
"""Shorter ones turn up in megabytes of ciphertext by chance."""


def spoken(row: Row) -> Iterator[str]:
    """What a row says about a person, in the ways in which people write it."""
    for name in ("family_name", "given_name", "middle_name", "other_names"):
        for word in re.split(r"[;,\s]+", row.get(name, "")):
            yield from (word, *word.split("-"))
    born = date.fromisoformat(row["date_of_birth"])
    for pattern in ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d.%m.%Y", "%m%d%Y", "%d %B %Y", "%B %d, %Y", "%m-%d-%Y"):
        yield born.strftime(pattern)
    ssn = row.get("ssn", "")
    yield from (ssn, f"{ssn[:3]}-{ssn[3:5]}-{ssn[5:]}")
    yield from (row.get("cert_number", ""), row.get("officer_id", ""))


def encoded(text: str) -> Iterator[bytes]:
    """The ways in which a text may stand in bytes: cases, encodings, and digests that would give it away."""
    for form in {text, text.lower(), text.upper(), text.title()}:
        raw = form.encode()
        yield from (raw, form.encode("utf-16-le"), raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")[:-1])
        yield from (hashlib.sha256(raw).digest(), hashlib.sha256(raw).hexdigest().encode())


def needles(rows: Iterable[Row], texts: Iterable[str]) -> frozenset[bytes]:
    words = itertools.chain(texts, *(spoken(row) for row in rows))
    keys = [entry.value for row in rows for entry in match_inputs(applicant(row), side="record")]
    digests = [hashlib.sha256(key).digest() for key in keys]
    found = {form for word in words if word for form in encoded(word)} | set(keys) | set(digests)
    return frozenset(form for form in found if len(form) >= NEEDLE_BYTES_MIN)


PEOPLE = (TEN_RECORDS, NO_RECORD, LONG_RECORDS_OFFICER, LONG_STRANGER)
SENTENCES = [row["summary"] for row in (*RECORDS, *LONG_RECORDS)]
NEEDLES = needles(PEOPLE, [*SENTENCES, *(sentence[:40] for sentence in SENTENCES), "Disciplinary Board"])


def found_in(data: bytes) -> list[bytes]:
    return [needle for needle in NEEDLES if needle in data]


def stored(world: World, party: str) -> bytes:
    """Everything on the disk of a party: database with its log, keys, settings, and what its process printed."""
    folder = world.federation.folder
    files = [path for path in (folder / party).rglob("*") if path.is_file()]
    return b"\n".join(path.read_bytes() for path in (*files, folder / f"{party}.log"))


@pytest.fixture(scope="module")
def checked(world: World) -> list[Seen]:
    """Checks on everybody, with all details known; what went by at hub and trustee since the beginning."""
    for row, found in ((TEN_RECORDS, 1), (NO_RECORD, 1), (LONG_RECORDS_OFFICER, 1), (LONG_STRANGER, 0)):
        assert len(world.asker.check(applicant(row)).candidates) == found
    return world.since((0, 0))


def test_the_search_finds_what_is_there(world: World, checked: list[Seen]) -> None:
    """At the holder the details stand in the clear, so a search that finds nothing there would be no search."""
    found = found_in(stored(world, world.holder.ori))
    for word in ("Featherstonehaugh", "Maximiliano", "Castellanos", "1979-04-23", "P7700123", "PSN-4455667"):
        assert word.encode() in found
    assert RECORDS[3]["summary"].encode() in found
    assert checked


def test_no_detail_and_no_record_text_is_on_any_wire_of_hub_or_trustee(world: World, checked: list[Seen]) -> None:
    relays = (world.federation.relay, world.federation.trustee_relay)
    metadata = [value for relay in relays for pair in relay.metadata for value in pair]
    heads = b"\n".join(part.encode() if isinstance(part, str) else part for part in metadata)
    wire = b"\n".join(seen.data for seen in checked)
    assert len(wire) > 100_000
    assert {seen.method for seen in checked} >= {"Attach", "Evaluate", "EvaluateHalf", "Register", "SubmitCheck"}
    assert found_in(wire + heads) == []


@pytest.mark.parametrize("party", ["hub", "trustee"])
def test_no_detail_and_no_record_text_is_stored_or_logged_by(party: str, world: World, checked: list[Seen]) -> None:
    everything = stored(world, party)
    assert world.asker.ori.encode() in everything
    assert found_in(everything) == []
    assert checked


def test_no_detail_stands_in_a_nodes_log_or_audit(world: World, checked: list[Seen]) -> None:
    for node in world.federation.nodes.values():
        audit = world.federation.query(node.ori, "SELECT event, subject, detail FROM audit")
        assert audit
        assert found_in(node.log.read_bytes() + repr(audit).encode()) == []
    assert checked


def test_social_security_numbers_and_applicants_are_encrypted_even_at_the_nodes(
    world: World, checked: list[Seen]
) -> None:
    """The asker's file holds applicants and what was disclosed about them; none of it can be read without its key."""
    assert found_in(stored(world, world.asker.ori)) == []
    at_holder = stored(world, world.holder.ori)
    assert [ssn for ssn in ("912345678", "923456789", "934567890") if ssn.encode() in at_holder] == []
    assert checked


def test_a_node_that_holds_nothing_receives_no_message_of_a_check(world: World) -> None:
    mark, told = world.mark(), len(world.federation.relay.frames(world.bystander.ori, upward=False))
    assert len(world.asker.check(applicant(TEN_RECORDS)).candidates) == 1
    assert not world.asker.check(applicant(LONG_STRANGER)).candidates
    assert [seen for seen in world.since(mark) if seen.caller == world.bystander.ori] == []
    assert len(world.federation.relay.frames(world.bystander.ori, upward=False)) == told
    assert {seen.caller for seen in world.since(mark)} == {world.asker.ori, world.holder.ori, names.HUB}
    assert not list(world.bystander.store.disclosures.all())


def test_the_holder_is_shown_only_its_own_tokens_of_a_check(world: World) -> None:
    """Not even whether another name or number was asked with."""
    mark = world.mark()
    world.asker.check(applicant(TEN_RECORDS))
    own = set(world.holder.store.tokens.registered(1))
    frames = [
        hub_service_pb2.AttachResponse.FromString(seen.data).frame
        for seen in world.since(mark)
        if (seen.method, seen.upward, seen.caller) == ("Attach", False, world.holder.ori)
    ]
    queries = [frame.mail.query for frame in frames if frame.mail.HasField("query")]
    assert len(queries) == 1
    assert queries[0].openings
    assert {opening.token for opening in queries[0].openings} <= own
    request = check_pb2.CheckRequest.FromString(queries[0].request.payload)
    assert len(request.commitments) == limits.CHECK_TOKENS


def _answers(seen: list[Seen], ori: str) -> list[check_pb2.Answer]:
    frames = [
        hub_service_pb2.AttachRequest.FromString(each.data).frame
        for each in seen
        if (each.method, each.upward, each.caller) == ("Attach", True, ori)
    ]
    posts = [frame.post.message for frame in frames if frame.HasField("post")]
    return [check_pb2.Answer.FromString(post.payload) for post in posts if post.payload_type == names.ANSWER]


def test_answers_with_ten_records_and_with_none_differ_at_most_by_their_padded_bucket(world: World) -> None:
    views, sealed = [], []
    for row in (TEN_RECORDS, NO_RECORD, LONG_RECORDS_OFFICER):
        mark = world.mark()
        (candidate,) = world.asker.check(applicant(row)).candidates
        assert len(candidate.candidate.conduct) == (0 if row is NO_RECORD else 10)
        seen = _settled(world, mark, mails=3)
        (answer,) = _answers(seen, world.holder.ori)
        sealed.append(len(answer.sealed_body))
        answer.ClearField("sealed_body")
        views.append((answer.ByteSize(), _shape(seen, sizes=False)))
    assert sealed[0] == sealed[1]  # ten ordinary records fit into the least bucket
    assert sealed[2] > sealed[0]
    overhead = sealed[0] - limits.ANSWER_BYTES_MIN
    padded = sealed[2] - overhead
    assert padded == padme_length(padded)  # the longest records show as the next bucket, not as their own length
    assert views[0] == views[1] == views[2]


OF_CHECKS = {"Attach", "Evaluate", "EvaluateHalf", "SubmitCheck"}
"""Other calls go by the clock: checkpoints of the log."""

Shape = list[tuple[str, str, bool, str, int]]


def _shape(seen: list[Seen], *, sizes: bool = True) -> Shape:
    """What a reader of lengths and counts sees of a check; the ids of mail and posts count upward, and are left out."""
    return sorted(
        (each.caller, each.method, each.upward, *_measure(each, sizes=sizes))
        for each in seen
        if each.method in OF_CHECKS
    )


def _measure(seen: Seen, *, sizes: bool) -> tuple[str, int]:
    if seen.method != "Attach":
        return "", len(seen.data) if sizes else 0
    kind: Any = hub_service_pb2.AttachRequest if seen.upward else hub_service_pb2.AttachResponse
    frame = kind.FromString(seen.data).frame
    what = str(frame.WhichOneof("frame"))
    if what not in {"mail", "post"}:
        return what, 0
    content = frame.post.message if what == "post" else frame.mail
    if what == "mail":
        content.ClearField("mail_id")
    return what, content.ByteSize() if sizes else 0


def test_checks_on_a_short_name_and_on_a_long_one_look_alike_to_hub_and_trustee(world: World) -> None:
    """One form and no number against many forms and every number: counts and sizes are the same to the byte."""
    short = len(match_inputs(applicant(SHORT_STRANGER), side="applicant"))
    long = len(match_inputs(applicant(LONG_STRANGER), side="applicant"))
    assert short * 2 < long
    shapes = []
    for row in (SHORT_STRANGER, LONG_STRANGER):
        mark = world.mark()
        assert world.asker.check(applicant(row)).complete
        shapes.append(_shape(_settled(world, mark, mails=1)))
    assert shapes[0] == shapes[1]
    assert {entry[1] for entry in shapes[0]} == {"Evaluate", "EvaluateHalf", "SubmitCheck", "Attach"}


def _settled(world: World, mark: tuple[int, int], mails: int) -> list[Seen]:
    """All of a check: as many pieces of mail as the asker gets of it, each acknowledged, and every post's result."""

    def counts() -> Counter[tuple[str, str]]:
        return Counter((ori, what) for ori, _, _, what, _ in _shape(world.since(mark), sizes=False))

    def settled() -> bool:
        seen, holder = counts(), world.holder.ori
        taken = seen[holder, "mail"] == seen[holder, "mail_taken"]
        posted = seen[holder, "post"] == seen[holder, "post_result"]
        return taken and posted and seen[world.asker.ori, "mail_taken"] == mails

    wait_until(settled, f"{counts()}")
    return world.since(mark)


def test_tokens_are_made_and_registered_in_sizes_that_say_nothing(world: World) -> None:
    """However many officers and keys there are: multiples of 512 keys go up, and exactly 512 tokens at a time."""
    evaluated, registered = [], []
    for seen in world.since((0, 0)):
        if seen.method == "Evaluate" and seen.upward:
            envelope = hub_service_pb2.EvaluateRequest.FromString(seen.data).request
            request = index_pb2.EvaluationRequest.FromString(envelope.payload)
            if request.purpose == index_pb2.EVALUATION_PURPOSE_REGISTRATION:
                evaluated.append(len(request.blinded_elements))
            else:
                assert len(request.blinded_elements) == limits.CHECK_TOKENS
        if seen.method == "Register" and seen.upward:
            envelope = hub_service_pb2.RegisterRequest.FromString(seen.data).registration
            registered.append(len(index_pb2.Registration.FromString(envelope.payload).add))
    assert evaluated
    assert {count % limits.REGISTRATION_BATCH_TOKENS for count in evaluated} == {0}
    assert registered
    assert set(registered) == {limits.REGISTRATION_BATCH_TOKENS}
