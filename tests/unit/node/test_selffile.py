"""An officer's own file: what the node holds about him, who was told, and nothing kept back but what policy does."""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from waypost.node import changing
from waypost.node.changing import Why
from waypost.node.documents import Block, Document, Heading, NewPage, Rows, Text, to_pdf, write_private
from waypost.node.due_process import Windows
from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.policy import Asker, PolicyEngine
from waypost.node.records import Appeal, ConductKind, ConductRecord, FairProcess, Hearing, RecordStatus
from waypost.node.ruling import Ruling
from waypost.node.selffile import Custodian, accounting, self_file
from waypost.node.selffile_pages import document
from waypost.node.store import DisclosedRecord, Disclosure, Store
from waypost.protocol import floor

TODAY = date(2026, 11, 1)
ORI = "NV9900200"
CUSTODIAN = Custodian(ORI, "Silver Mesa Police Department", {"CA9900100": "Harbor Point Police Department"})
ASKER = Asker(ORI, "agency", "NV", "self", authorized=True)
SSN = "987654329"
FAIR = FairProcess(
    date(2020, 1, 1), Hearing.HELD, "Chief", date(2020, 2, 1), Appeal.NONE, date(2020, 3, 1), date(2020, 3, 2)
)


def _record(key: str, kind: ConductKind, facts: FairProcess = FAIR, summary: str = "") -> ConductRecord:
    active = RecordStatus.ACTIVE
    return ConductRecord(key, 1, kind, None, None, summary or f"Summary of {key}", None, None, 0, "SMPD", facts, active)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as held:
        batch = held.imports.begin(1)
        name = PersonName("Núñez", "Zoë", "Ł", "")
        person = Person((name,), PartialDate.parse("1988-03-14"), SSN, "", (Identifier("cert", "NV", "P1"),))
        officer_id = held.officers.add([("NV-1", person)], batch)["NV-1"]
        records = [
            _record("FAIR", ConductKind.TERMINATION),
            _record("UNFAIR", ConductKind.SUSPENSION, FairProcess()),
            _record("LATER", ConductKind.SUSTAINED_COMPLAINT),
        ]
        held.conduct.put([(officer_id, record) for record in records], batch)
        told = (DisclosedRecord("FAIR", 1),)
        for verdict, disclosed in (("disclose", told), ("nothing", ())):
            held.disclosures.add(
                Disclosure(
                    at_ms=1_790_000_000_000,
                    check_id=bytes(16),
                    asker="CA9900100",
                    purpose="hiring",
                    authorization_digest=bytes(32),
                    asker_reference="HP-BG-07",
                    officer_id=officer_id,
                    records=disclosed,
                    policies=("floor.hiring",),
                    verdict=verdict,
                    answer_digest=bytes(32),
                )
            )
        yield held


def _ruling(*local: tuple[str, str]) -> Ruling:
    return Ruling(ORI, "NV", PolicyEngine(floor.text(), local), Windows(), TODAY)


def _facts(store: Store, *local: tuple[str, str]) -> dict[str, Any]:
    officer = store.officers.by_key("NV-1")
    assert officer is not None
    return self_file(store, officer, CUSTODIAN, _ruling(*local), ASKER)


def test_the_file_holds_every_record_and_says_of_each_whether_others_may_have_it(store: Store) -> None:
    records = {entry["record_key"]: entry for entry in _facts(store)["records"]}
    assert set(records) == {"FAIR", "UNFAIR", "LATER"}
    assert records["FAIR"]["others_may_have_it"]
    assert not records["UNFAIR"]["others_may_have_it"]
    assert "no notice to the officer is recorded" in records["UNFAIR"]["missing"]


def test_the_accounting_names_who_asked_and_which_versions_went_out_and_what_disclosed_nothing(store: Store) -> None:
    officer_id = store.officers.id_of("NV-1")
    assert officer_id is not None
    first, second = accounting(store, officer_id, CUSTODIAN)
    assert (first["asker_name"], first["asked_by"]) == ("Harbor Point Police Department", "HP-BG-07")
    assert first["records"] == [{"record_key": "FAIR", "version": 1}]
    assert (second["verdict"], second["records"]) == ("nothing was disclosed", [])


def test_the_social_security_number_is_named_by_its_last_four_digits_only(store: Store) -> None:
    facts = _facts(store)
    assert SSN not in json.dumps(facts)
    assert facts["person"]["ssn_last4"] == SSN[-4:]


def test_a_record_that_a_policy_keeps_from_the_officer_is_named_by_kind_and_policy_alone(store: Store) -> None:
    policy = """
        @id("own.self") forbid (principal, action, resource is Record)
        when { context.purpose == "self" && resource.kind == "sustained_complaint" };
    """
    facts = _facts(store, ("own.cedar", policy))
    assert facts["records_kept_back"] == [{"kind": "sustained_complaint", "policies": ["own.self"]}]
    assert "Summary of LATER" not in json.dumps(facts)


def test_attack_a_record_without_fair_process_does_not_slip_past_a_policy_that_keeps_it_from_the_officer(
    store: Store,
) -> None:
    # The floor alone declines it, so the node's own files are never asked in a disclosure; here they must be.
    policy = '@id("own.self") forbid (principal, action, resource is Record) when { context.purpose == "self" };'
    facts = _facts(store, ("own.cedar", policy))
    assert facts["records"] == []
    kinds = {entry["kind"] for entry in facts["records_kept_back"]}
    assert kinds == {"sustained_complaint", "suspension", "termination"}
    assert "Summary of UNFAIR" not in json.dumps(facts)


def test_the_file_tells_what_earlier_versions_said_and_what_was_done_and_why_but_not_by_whom(store: Store) -> None:
    why = Why("IA-SECRET-7", "the hearing was on another day", 1_790_000_000_000, TODAY)
    changing.correct(store, "FAIR", {"summary": "Other words", "decided_on": "2020-02-02"}, why)
    changing.void(store, "FAIR", why, overturned=True)
    facts = _facts(store)
    record = {entry["record_key"]: entry for entry in facts["records"]}["FAIR"]
    assert [each["summary"] for each in record["earlier_versions"]] == ["Summary of FAIR", "Other words"]
    assert [(each["change"], each["reason"]) for each in record["changes"]] == [
        ("corrected", "the hearing was on another day"),
        ("voided", "the hearing was on another day"),
    ]
    assert "IA-SECRET-7" not in json.dumps(facts)
    blocks = document(facts, CUSTODIAN).blocks
    rows = [block.rows for block in blocks if isinstance(block, Rows)]
    assert (
        ("what happened", "Summary of FAIR"),
        ("decided", "2020-02-01 by Chief"),
        ("appeal", "none"),
        ("state of the record", "active"),
    ) in rows
    assert Text("Version 1 said otherwise than version 3:") in blocks


def test_the_file_says_of_each_change_who_was_told_and_whether_that_is_acknowledged(store: Store) -> None:
    changing.void(store, "FAIR", Why("IA-7", "overturned", 1_790_000_000_000, TODAY))
    (owed,) = store.notices.owed()
    store.notices.posted(owed.id, bytes(16), 1_800_000_000_000)
    for acknowledged in (False, True):
        facts = _facts(store)
        record = {entry["record_key"]: entry for entry in facts["records"]}["FAIR"]
        told = [(each["member"], each["changes"], each["acknowledged"]) for each in record["told"]]
        assert told == [("CA9900100", ["voided"], acknowledged)]
        assert ("acknowledged" if acknowledged else "not acknowledged yet") in _cells(facts)
        store.notices.delivered(bytes(16), "CA9900100")


def test_of_an_expunged_record_the_file_tells_that_it_was_erased_and_who_must_erase_it_too(
    store: Store, tmp_path: Path
) -> None:
    changing.expunge(
        store,
        "FAIR",
        cause=changing.CAUSE_ORDER,
        reference="23-CV-1",
        staff="IA-7",
        rejects=tmp_path,
        now_ms=1_790_000_000_000,
    )
    facts = _facts(store)
    assert "FAIR" not in {entry["record_key"] for entry in facts["records"]}
    (gone,) = facts["records_expunged"]
    assert (gone["record_key"], gone["reference"]) == ("FAIR", "23-CV-1")
    assert [(each["member"], each["changes"]) for each in gone["told"]] == [("CA9900100", ["expunged"])]
    words = [block.text for block in document(facts, CUSTODIAN).blocks if isinstance(block, Text)]
    assert any("Record FAIR was erased on 2026-09-21, under the order 23-CV-1" in each for each in words)
    assert "IA-7" not in json.dumps(facts)


def _cells(facts: dict[str, Any]) -> set[str]:
    blocks = document(facts, CUSTODIAN).blocks
    return {cell for block in blocks if isinstance(block, Rows) for row in block.rows for cell in row}


def test_the_pdf_is_made_of_the_same_facts_and_survives_any_text_that_a_record_can_hold(store: Store) -> None:
    awkward = _record("AWK", ConductKind.TERMINATION, summary="<b>&amp; \U0001f600 Ł\n" + "x" * 3900)
    officer_id = store.officers.id_of("NV-1")
    assert officer_id is not None
    store.conduct.put([(officer_id, awkward)], store.imports.begin(2))
    pdf = to_pdf(document(_facts(store), CUSTODIAN))
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize(
    "name",
    ["O'Brien-Müller", "Ősz Ágnes", "Nguyễn Thị Hương", "Łukasz Żółć", "Əliyev Ħåkan", "Жуков Σωτήρης", "İpek Ġuyŵ"],
)
def test_a_name_shows_with_all_its_letters_wherever_it_stands(name: str) -> None:
    blocks: list[Block] = [Heading(name), Text(name), Rows(("one", "two"), ((name, "x"),)), Rows((), ((name, name),))]
    pages = PdfReader(io.BytesIO(to_pdf(Document(name, name, tuple(blocks))))).pages
    text = unicodedata.normalize("NFC", " ".join(page.extract_text() for page in pages))
    assert " ".join(text.split()).count(name) == 7


def test_a_letter_without_its_composed_form_is_composed_and_what_no_font_has_shows_its_number() -> None:
    text = unicodedata.normalize("NFD", "Agnès") + " \U0001f600 中"
    (page,) = PdfReader(io.BytesIO(to_pdf(Document("T", "F", (Text(text),))))).pages
    assert "Agnès [U+1F600] [U+4E2D]" in page.extract_text()


def test_a_long_document_goes_on_over_pages_and_an_empty_table_is_left_out() -> None:
    blocks: list[Block] = [Heading("A"), Rows(("one", "two"), ()), NewPage()]
    blocks += [Text("line " * 40) for _ in range(200)]
    assert to_pdf(Document("T", "F", tuple(blocks))).count(b"/Type /Page\n") > 5
    assert io.BytesIO(to_pdf(Document("T", "F", (Rows((), (("a", "b"),)),)))).getvalue()


def test_a_file_about_a_person_is_its_owners_alone_also_where_an_open_one_was_before(tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    for _ in range(2):
        write_private(path, b"%PDF")
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"%PDF", 0o600)
        path.chmod(0o644)
