"""Signing keys that are renewed while messages wait at the hub: none of them is lost, on either side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.parties.federation import Federation, Node, running, wait_until
from tests.parties.people import HELD, HELD_RECORD, applicant

from waypost.crypto.envelope import parse_envelope
from waypost.node.audit import Event
from waypost.node.persons import PartialDate
from waypost.node.store import AuditEntry
from waypost.protocol.roster import parse_roster

pytestmark = pytest.mark.xdist_group("keys")
PERSON = applicant(HELD)
BORN_IN = replace(PERSON, date_of_birth=PartialDate(PERSON.date_of_birth.year), ssn="", identifiers=())
"""Enough for a referral, and for no more."""


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("renewed")) as held:
        asker, holder = held.node("CA9900100"), held.node("NV9900200")
        holder.load([HELD], [HELD_RECORD])
        holder.wait_indexed()
        held.wait_roster()
        asker.wait_indexed()
        yield held


def nodes(federation: Federation) -> tuple[Node, Node]:
    return federation.nodes["CA9900100"], federation.nodes["NV9900200"]


def settled(node: Node) -> None:
    wait_until(lambda: not node.store.outbox.count(), f"{node.ori} has something left to send")


def renew(node: Node) -> None:
    """On schedule: stopped with nothing left to send, renewed, and not started yet."""
    settled(node)
    node.stop()
    before = key_of(node)
    done = node.command_line("keys", "renew")
    assert done.returncode == 0, done.stderr
    assert key_of(node) != before


def key_of(node: Node) -> bytes:
    newest = node.store.rosters.newest()
    assert newest is not None
    return parse_roster(parse_envelope(newest.envelope).payload).members[node.ori].signing_public_key


def signed_again(node: Node) -> list[str]:
    return [entry.subject for entry in audited(node) if entry.event == Event.SIGNED_AGAIN]


def audited(node: Node) -> list[AuditEntry]:
    return node.store.audit.newest(10_000)


def disclosed(node: Node) -> int:
    return len(list(node.store.disclosures.all()))


def test_a_check_that_waits_for_its_holder_and_an_answer_that_waits_for_its_asker_arrive(
    federation: Federation,
) -> None:
    asker, holder = nodes(federation)
    holder.stop()
    check = asker.ask(PERSON)
    asker.wait(check, lambda result: result.pending == (holder.ori,))
    renew(asker)  # the query waits at the hub under the former key
    holder.start()
    asker.start()
    wait_until(lambda: signed_again(asker) == ["check-request"], "the request was not signed anew")
    wait_until(lambda: disclosed(holder), "the holder has not answered")
    assert [found.ori for found in asker.wait(check).candidates] == [holder.ori]

    holder.stop()
    second = asker.ask(PERSON)
    asker.wait(second, lambda result: result.pending == (holder.ori,))
    settled(asker)
    asker.stop()
    before = disclosed(holder)
    holder.start()
    wait_until(lambda: disclosed(holder) > before, "the holder has not answered")
    renew(holder)  # the answer waits at the hub under the former key
    asker.start()
    answered = asker.wait(second, lambda result: result.check.state == "answered")
    assert answered.pending == (holder.ori,)
    assert not answered.candidates
    holder.start()
    result = asker.wait(second)
    assert [entry.record_key for entry in result.candidates[0].candidate.conduct] == [HELD_RECORD["record_key"]]
    assert signed_again(holder) == ["answer"]
    refused = [entry for entry in audited(asker) if entry.event == Event.MESSAGE_REFUSED]
    assert not refused, refused


def test_a_referral_is_asked_for_and_decided_although_both_keys_are_renewed_in_between(federation: Federation) -> None:
    asker, holder = nodes(federation)
    check = asker.check(BORN_IN)
    assert check.referrals == (holder.ori,)
    settled(holder)
    holder.stop()
    asked = asker.command_line("referrals", "request", check.check.id.hex(), holder.ori, "--contact", "Det. Doe")
    assert asked.returncode == 0, asked.stderr
    wait_until(lambda: _sent(asker), "the request has not gone up")
    renew(asker)
    asker.start()
    holder.start()
    wait_until(lambda: _referrals(holder)["to_decide"], "the request did not arrive")
    settled(asker)
    asker.stop()
    (entry,) = _referrals(holder)["to_decide"]
    done = holder.command_line("referrals", "release", entry["referral"], "--by", "DESK-3")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not holder.store.referrals.to_send() and not holder.store.outbox.count(), "not sent")
    renew(holder)
    holder.start()
    asker.start()
    wait_until(lambda: asker.result(check.check.id).candidates, "the decision did not arrive")
    assert "referral-request" in signed_again(asker)
    assert "referral-decision" in signed_again(holder)


def _sent(asker: Node) -> bool:
    asked = _referrals(asker)["asked"]
    return bool(asked) and asked[0]["state"] == "asked" and not asker.store.outbox.count()


def _referrals(node: Node) -> dict[str, list[dict[str, str]]]:
    facts: dict[str, list[dict[str, str]]] = json.loads(node.command_line("referrals", "list", "--json").stdout)
    return facts
