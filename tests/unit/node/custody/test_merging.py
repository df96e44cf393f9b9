"""One person under two keys: proposed, merged without loss, split again, and never proposed against a decision."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.parties.agency import Agency

from waypost.node.custody.duplicates import proposals
from waypost.node.custody.merging import merge, split, tell_apart
from waypost.node.errors import CustodyError
from waypost.node.keys import match_inputs
from waypost.node.limits import BLOCK_OFFICERS_MAX
from waypost.node.persons import Identifier, PartialDate, PersonName
from waypost.node.records import Officer
from waypost.node.selffile import Custodian, accounting
from waypost.node.store import DisclosedRecord, Disclosure, OfficerTokens
from waypost.node.store.blocking import Blocks

ONE = {"officer_key": "A-1", "date_of_birth": "1979-02-28", "cert_state": "OR", "cert_number": "P1"}
SAME = {"officer_key": "B-9", "given_name": "Denny", "date_of_birth": "1979-02-28", "ssn": "912345678"}
JOB = {"officer_key": "B-9", "hired_on": "2001-05-05"}
RECORD = {"officer_key": "B-9", "record_key": "R-9"}


def _pairs(agency: Agency) -> list[tuple[str, str]]:
    return [(proposal.officer_key, proposal.other_key) for proposal in proposals(agency.store)]


def _officer(agency: Agency, key: str) -> Officer:
    officer = agency.store.officers.by_key(key)
    assert officer is not None
    return officer


@pytest.fixture
def both(agency: Agency) -> Agency:
    agency.load(ONE, SAME, employment=({}, JOB), conduct=({}, RECORD))
    return agency


def test_a_pair_is_proposed_with_what_agrees_and_what_does_not(both: Agency) -> None:
    both.load({"officer_key": "C-1", "family_name": "Hale", "date_of_birth": "1979-02-28"})
    (proposal,) = proposals(both.store)
    assert (proposal.officer_key, proposal.other_key) == ("A-1", "B-9")
    assert {"family name", "given name", "date of birth"} <= set(proposal.agreeing)
    assert proposal.differing == ()


def test_two_social_security_numbers_make_two_persons_unless_a_number_agrees(agency: Agency) -> None:
    born = {"date_of_birth": "1979-02-28"}
    agency.load({**born, "ssn": "912345678"}, {**born, "officer_key": "A-2", "ssn": "987654320"})
    assert _pairs(agency) == []
    numbered = {**born, "cert_state": "OR", "cert_number": "P1"}
    agency.load({**numbered, "ssn": "912345678"}, {**numbered, "officer_key": "A-2", "ssn": "912345687"})
    (proposal,) = proposals(agency.store)
    assert "ssn" in proposal.differing


def test_a_merged_officer_has_everything_of_both(both: Agency) -> None:
    merge(both.store, "A-1", "B-9", at_ms=5, reason="same badge photograph")
    officer = _officer(both, "B-9")
    assert officer == _officer(both, "A-1")
    assert officer.person.names == (PersonName("Larkin", "Dennis"), PersonName("Larkin", "Denny", kind="alias"))
    assert (officer.person.ssn, officer.person.date_of_birth) == ("912345678", PartialDate(1979, 2, 28))
    assert officer.person.identifiers == (Identifier("cert", "OR", "P1"),)
    assert [str(job.hired_on) for job in officer.employment] == ["2001-05-05", "2010-01-11"]
    assert [record.record_key for record in officer.conduct] == ["R-1", "R-9"]
    assert both.store.officers.count() == 1
    assert _pairs(both) == []


def test_a_split_loses_nothing_and_the_pair_is_not_proposed_again(both: Agency) -> None:
    before = [_officer(both, key) for key in ("A-1", "B-9")]
    merge(both.store, "A-1", "B-9", at_ms=5)
    assert split(both.store, "B-9", at_ms=6) == "A-1"
    after = [_officer(both, key) for key in ("A-1", "B-9")]
    for one, other in zip(before, after, strict=True):
        assert (one.person, one.employment, one.conduct) == (other.person, other.employment, other.conduct)
    assert _pairs(both) == []
    words = [(each.decision, each.officer_key, each.other_key) for each in both.store.merges.decisions([after[0].id])]
    assert words == [("merged", "A-1", "B-9"), ("split", "A-1", "B-9")]


def test_a_pair_that_was_told_apart_is_not_proposed_again_until_it_is_merged(both: Agency) -> None:
    tell_apart(both.store, "B-9", "A-1", at_ms=5)
    assert _pairs(both) == []
    merge(both.store, "A-1", "B-9", at_ms=6)
    assert both.store.merges.told_apart() == frozenset()
    with pytest.raises(CustodyError, match="are merged"):
        tell_apart(both.store, "A-1", "B-9", at_ms=7)


def test_later_imports_under_either_key_reach_the_merged_officer(both: Agency) -> None:
    merge(both.store, "A-1", "B-9", at_ms=5)
    due = _officer(both, "A-1").person_version
    both.load(
        {**SAME, "middle_name": "Q"},
        employment=({**JOB, "rank": "Chief"},),
        conduct=({**RECORD, "summary": "More."}, {"officer_key": "B-9", "amount": "5"}),
    )
    assert both.reports[-1].rejections == ()
    officer = _officer(both, "A-1")
    assert officer.person.names[1].middle == "Q"
    assert officer.person_version > due
    assert [job.rank for job in officer.employment] == ["Chief", ""]
    assert [(record.record_key, record.version) for record in officer.conduct] == [("R-1", 2), ("R-9", 2)]
    split(both.store, "B-9", at_ms=6)
    assert _officer(both, "B-9").person.names[0].middle == "Q"
    assert [record.record_key for record in _officer(both, "A-1").conduct] == ["R-1"]


def test_an_employment_that_both_sources_tell_of_is_shown_once(agency: Agency) -> None:
    agency.load(ONE, SAME, employment=({}, {"officer_key": "B-9"}))
    merge(agency.store, "A-1", "B-9", at_ms=5)
    assert len(_officer(agency, "A-1").employment) == 1


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"ssn": "987654320"}, "their social security numbers"),
        ({"cert_state": "OR", "cert_number": "P2"}, "their certification numbers of OR"),
    ],
)
def test_officers_whose_numbers_differ_are_merged_only_on_purpose(
    agency: Agency, other: dict[str, str], said: str
) -> None:
    agency.load({**ONE, "ssn": "912345678"}, {"officer_key": "B-9", **other})
    with pytest.raises(CustodyError, match=said):
        merge(agency.store, "A-1", "B-9", at_ms=5)
    assert agency.store.officers.count() == 2
    merge(agency.store, "A-1", "B-9", at_ms=5, despite_differences=True)
    assert agency.store.officers.count() == 1


def test_whoever_stands_for_others_brings_them_along(agency: Agency) -> None:
    agency.load(*({"officer_key": key} for key in ("A-1", "B-1", "B-2")))
    merge(agency.store, "B-1", "B-2", at_ms=5)
    merge(agency.store, "A-1", "B-2", at_ms=6)
    assert [source.officer_key for source in agency.store.officers.sources(_officer(agency, "B-2").id)] == [
        "A-1",
        "B-1",
        "B-2",
    ]
    for said, keys in (("are one officer already", ("B-1", "A-1")), ("there is no officer", ("A-1", "Z"))):
        with pytest.raises(CustodyError, match=said):
            merge(agency.store, *keys, at_ms=7)
    with pytest.raises(CustodyError, match="not merged into another") as refused:
        split(agency.store, "A-1", at_ms=8)
    assert refused.value.hint == "name the one to split off: B-1, B-2"


def test_a_check_finds_the_merged_officer_by_either_ones_tokens_at_once(both: Agency) -> None:
    tokens, ids = both.store.tokens, [_officer(both, key).id for key in ("A-1", "B-9")]
    for officer_id, token in zip(ids, (b"\1" * 16, b"\2" * 16), strict=True):
        tokens.replace([OfficerTokens(officer_id, 1, (("cert-year", token),))], 7)
    tokens.mark_registered([b"\1" * 16, b"\2" * 16], 7)
    merge(both.store, "A-1", "B-9", at_ms=5)
    assert {hit.officer_id for hit in tokens.lookup([b"\1" * 16, b"\2" * 16], 7)} == {ids[0]}
    assert tokens.to_withdraw(7, 9) == []
    assert tokens.unregistered(7, 9) == []
    assert both.store.officers.dirty(9) == [ids[0]]


def test_attack_the_others_records_are_told_after_a_split(both: Agency) -> None:
    tokens, ids = both.store.tokens, [_officer(both, key).id for key in ("A-1", "B-9")]
    tokens.replace([OfficerTokens(ids[1], 1, (("cert-year", b"\2" * 16),))], 7)
    merge(both.store, "A-1", "B-9", at_ms=5)
    split(both.store, "B-9", at_ms=6)
    assert tokens.lookup([b"\2" * 16], 7) == []
    assert tokens.to_withdraw(7, 9) == [b"\2" * 16]
    assert both.store.officers.dirty(9) == ids


def test_attack_tokens_of_a_merged_officer_come_back_by_themselves(both: Agency) -> None:
    (officer_id,) = [due.officer_id for due in both.store.officers.people([_officer(both, "B-9").id])]
    merge(both.store, "A-1", "B-9", at_ms=5)
    both.store.tokens.replace([OfficerTokens(officer_id, 1, (("ssn", b"\3" * 16),))], 7)
    assert both.store.tokens.lookup([b"\3" * 16], 7) == []


def test_what_is_tokenized_for_a_merged_officer_are_the_keys_of_both(both: Agency) -> None:
    separate = {
        key.value for name in ("A-1", "B-9") for key in match_inputs(_officer(both, name).person, side="record")
    }
    merge(both.store, "A-1", "B-9", at_ms=5)
    (due,) = both.store.officers.people(both.store.officers.dirty(9))
    assert separate <= {key.value for key in match_inputs(due.person, side="record")}


def test_the_account_of_disclosures_goes_with_the_person(both: Agency) -> None:
    one, other = (_officer(both, key).id for key in ("A-1", "B-9"))
    entry = Disclosure(
        at_ms=1,
        check_id=b"c",
        asker="OR9900401",
        purpose="hiring",
        authorization_digest=b"d",
        asker_reference="",
        officer_id=other,
        records=(DisclosedRecord("R-9", 1),),
        policies=(),
        verdict="disclose",
        answer_digest=b"",
    )
    both.store.disclosures.add(entry)
    custodian = Custodian("OR9900400", "Synthetic Police Department", {})
    merge(both.store, "A-1", "B-9", at_ms=5)
    (seen,) = accounting(both.store, one, custodian)
    assert accounting(both.store, other, custodian) == [seen]
    split(both.store, "B-9", at_ms=6)
    assert accounting(both.store, one, custodian) == []


def test_a_key_that_very_many_share_proposes_nobody() -> None:
    blocks = Blocks()
    for number in range(BLOCK_OFFICERS_MAX + 1):
        blocks.add(number, [b"everybody", b"pair %d" % (number // 2)])
    pairs = list(blocks.pairs())
    blocks.close()
    assert pairs == [(number, number + 1) for number in range(0, BLOCK_OFFICERS_MAX, 2)]


KILLED = """
import os, signal, sys
from pathlib import Path
from waypost.node.custody.merging import merge
from waypost.node.store import Store
with Store.open(Path(sys.argv[1]), bytes(32)) as store:
    with store.writing():
        merge(store, "A-1", "B-9", at_ms=5)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_attack_power_fails_in_a_merge(both: Agency, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "node.db"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert both.store.officers.count() == 2
    assert both.store.merges.decisions([_officer(both, "A-1").id]) == []
    merge(both.store, "A-1", "B-9", at_ms=5)
    assert both.store.officers.count() == 1
