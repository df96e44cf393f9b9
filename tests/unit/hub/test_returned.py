"""Mail of a member whose key changes: held back, handed back to be signed anew, and delivered under the new key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.parties.hub_world import ASKER, HOLDER, OTHER, Asked, HubWorld

from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import attachment, checks, mailbox, posts, returned, schema
from waypost.hub.errors import Refused
from waypost.hub.mailbox import MailKind
from waypost.hub.posted import Posted
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2, link_pb2, referral_pb2

TOKEN = b"t" * limits.TOKEN_BYTES


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path)
    for ori in (HOLDER, OTHER):
        made.register(ori, [TOKEN])
    yield made
    made.close()


def submitted(world: HubWorld) -> Asked:
    asked = world.ask([TOKEN])
    world.submit(asked)
    return asked


def post(world: HubWorld, ori: str, envelope: envelope_pb2.Envelope) -> list[str]:
    posted = Posted(ori, world.roster(), world.hub, world.now_ms)
    return list(world.do(lambda connection: posts.accept(connection, envelope, posted)))


def change_key(world: HubWorld, ori: str) -> SigningKey:
    """As the registrar adopts a roster that names another key; the former key."""
    former = world.keys[ori]
    world.keys[ori] = SigningKey.generate()
    world.do(lambda connection: returned.hold_back(connection, ori))
    return former


def decision(world: HubWorld, sender: str = HOLDER, audience: str = ASKER) -> envelope_pb2.Envelope:
    header = new_header(sender=sender, audience=audience, now_ms=world.now_ms, lifetime_ms=limits.REFERRAL_LIFETIME_MS)
    message = referral_pb2.ReferralDecision(header=header_to_proto(header), sealed_body=b"sealed")
    return world.signed(sender, names.REFERRAL_DECISION, message.SerializeToString())


def given_back(world: HubWorld, ori: str) -> list[envelope_pb2.Envelope]:
    return [mail.to_proto().sign_again for mail in world.mail(ori) if mail.kind is MailKind.SIGN_AGAIN]


def again(world: HubWorld, ori: str, envelope: envelope_pb2.Envelope) -> envelope_pb2.Envelope:
    return sign(envelope.payload_type, envelope.payload, world.keys[ori])


def held_back(world: HubWorld) -> int:
    count = select(func.count()).select_from(schema.returned)
    return int(world.do(lambda connection: connection.scalar(count)) or 0)


def taken(world: HubWorld, ori: str, mail_id: int, reason: str = "") -> None:
    said = link_pb2.MailTaken(mail_id=mail_id, refused_reason=reason)
    world.do(lambda connection: attachment._clear(connection, ori, said, world.hub, world.now_ms))


@pytest.mark.parametrize("kind", [names.ANSWER, names.REFERRAL_DECISION])
def test_a_message_that_waits_is_delivered_once_it_is_signed_anew_and_says_the_same(world: HubWorld, kind: str) -> None:
    asked = submitted(world)
    message = world.answer(asked) if kind == names.ANSWER else decision(world)
    assert post(world, HOLDER, message) == [ASKER]
    change_key(world, HOLDER)
    assert world.messages(ASKER, kind) == []
    assert [entry.payload for entry in given_back(world, HOLDER)] == [message.payload]
    assert post(world, HOLDER, again(world, HOLDER, message)) == [ASKER]
    (delivered,) = world.messages(ASKER, kind)
    verified = verify_signatures(delivered, (world.keys[HOLDER].public,), required=1, expected_type=kind)
    assert verified.payload == message.payload
    assert held_back(world) == 0
    if kind == names.ANSWER:  # the receipt names the answer by its digest, which stays
        part = next(part for part in world.receipts()[-1].responses if part.ori == HOLDER)
        assert part.answer_digest == hashlib.sha256(delivered.payload).digest()
    assert post(world, HOLDER, again(world, HOLDER, message)) == []  # the same once more: accepted, and mailed once
    assert len(world.messages(ASKER, kind)) == 1


def test_a_query_goes_on_to_every_holder_under_the_new_key_with_its_own_openings(world: HubWorld) -> None:
    asked = submitted(world)
    before = {ori: world.queries(ori)[0] for ori in (HOLDER, OTHER)}
    change_key(world, ASKER)
    assert world.queries(HOLDER) == world.queries(OTHER) == []
    assert len(given_back(world, ASKER)) == 1  # one request, however many it was routed to
    assert sorted(post(world, ASKER, again(world, ASKER, asked.envelope))) == sorted([HOLDER, OTHER])
    for ori in (HOLDER, OTHER):
        (query,) = world.queries(ori)
        keys = (world.keys[ASKER].public, world.hub.public)
        verify_signatures(query.request, keys, required=2, expected_type=names.CHECK_REQUEST)
        assert list(query.openings) == list(before[ori].openings)
    assert post(world, ASKER, again(world, ASKER, asked.envelope)) == []


def test_mail_of_others_stays_where_it_is(world: HubWorld) -> None:
    asked = submitted(world)
    post(world, OTHER, world.answer(asked, OTHER))
    change_key(world, HOLDER)
    assert len(world.messages(ASKER, names.ANSWER)) == 1
    assert world.receipts()
    assert given_back(world, HOLDER) == []


def test_attack_what_a_former_key_signs_is_not_delivered_in_the_place_of_what_was_held_back(world: HubWorld) -> None:
    asked = submitted(world)
    answer = world.answer(asked)
    post(world, HOLDER, answer)
    former = change_key(world, HOLDER)
    stranger = SigningKey.generate()
    for key in (former, stranger):
        with pytest.raises(Refused, match="signature"):
            post(world, HOLDER, sign(answer.payload_type, answer.payload, key))
    with pytest.raises(Refused, match="signature"):
        post(world, HOLDER, sign(names.ANSWER, world.answer(asked).payload, former))
    with pytest.raises(Refused):  # the right key, but another type around the same bytes
        post(world, HOLDER, sign(names.REFERRAL_DECISION, answer.payload, world.keys[HOLDER]))
    assert world.messages(ASKER, names.ANSWER) == []
    assert held_back(world) == 1


def test_attack_a_member_signs_what_another_has_sent(world: HubWorld) -> None:
    post(world, HOLDER, decision(world))
    change_key(world, HOLDER)
    stolen = given_back(world, HOLDER)[0]
    with pytest.raises(Refused):
        post(world, OTHER, sign(stolen.payload_type, stolen.payload, world.keys[OTHER]))
    assert world.messages(ASKER, names.REFERRAL_DECISION) == []


def test_attack_what_a_thief_left_here_before_the_change_is_delivered_to_nobody_unless_the_owner_signs_it(
    world: HubWorld,
) -> None:
    forged = decision(world)
    post(world, HOLDER, forged)
    change_key(world, HOLDER)
    for mail in world.mail(HOLDER):  # the owner's node does not know it, and refuses
        taken(world, HOLDER, mail.mail_id, "not-ours")
    assert world.messages(ASKER, names.REFERRAL_DECISION) == []
    world.do(lambda connection: returned.drop_expired(connection, world.now_ms + limits.REFERRAL_LIFETIME_MS))
    assert held_back(world) == 0


def test_mail_that_was_on_its_way_down_counts_as_taken_or_comes_again(world: HubWorld) -> None:
    first, second = decision(world), decision(world)
    for message in (first, second):
        post(world, HOLDER, message)
    on_the_way = [mail.mail_id for mail in world.mail(ASKER)]
    change_key(world, HOLDER)
    taken(world, ASKER, on_the_way[0])  # it had taken this one under the roster before
    taken(world, ASKER, on_the_way[1], "wrong-signature")  # and this one came after the roster
    assert held_back(world) == 1
    assert post(world, HOLDER, again(world, HOLDER, second)) == [ASKER]
    (delivered,) = world.messages(ASKER, names.REFERRAL_DECISION)
    assert delivered.payload == second.payload
    assert world.mail(ASKER)[-1].mail_id > max(on_the_way)


def test_a_query_refused_for_its_former_key_does_not_end_the_holders_part(world: HubWorld) -> None:
    asked = submitted(world)
    (mail,) = world.mail(HOLDER)
    change_key(world, ASKER)
    taken(world, HOLDER, mail.mail_id, "wrong-signature")
    receipt = world.submit(Asked(again(world, ASKER, asked.envelope), asked.openings))
    assert {part.state for part in receipt.responses} == {check_pb2.RESPONSE_STATE_PENDING}
    post(world, ASKER, again(world, ASKER, asked.envelope))
    assert len(world.queries(HOLDER)) == 1


def test_attack_a_member_clears_away_what_is_held_back_for_another(world: HubWorld) -> None:
    post(world, HOLDER, decision(world))
    (mail,) = world.mail(ASKER)
    change_key(world, HOLDER)
    taken(world, OTHER, mail.mail_id)
    assert held_back(world) == 1


def test_a_check_is_not_forgotten_while_an_answer_of_it_is_held_back(world: HubWorld) -> None:
    asked = submitted(world)
    for ori in (HOLDER, OTHER):
        post(world, ori, world.answer(asked, ori))
    change_key(world, HOLDER)
    for ori in (ASKER, HOLDER, OTHER):
        world.take_mail(ori)
    assert world.do(lambda connection: checks.forget_delivered(connection, world.now_ms)) == 0
    answer = world.do(lambda connection: connection.execute(select(schema.returned)).one())
    message = envelope_pb2.Envelope.FromString(answer.content)
    post(world, HOLDER, again(world, HOLDER, message))
    world.take_mail(ASKER)
    assert world.do(lambda connection: checks.forget_delivered(connection, world.now_ms)) == 1
    assert world.do(lambda connection: mailbox.count_waiting(connection, ASKER)) == 0
