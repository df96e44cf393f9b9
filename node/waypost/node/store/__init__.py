"""Everything that a node keeps, in one SQLite file: `Store.open(path, column_key)`, then a repository a subject.

Repositories take and give frozen values; SQL stands nowhere else. Several calls become one transaction in
`with store.writing():`, and several reads one moment's state in `with store.reading():`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Self

from waypost.node.errors import StoreError
from waypost.node.store.aside import AsideRepository, MailAside
from waypost.node.store.batches import Batch, BatchRepository
from waypost.node.store.books import AuditEntry, AuditRepository, DisclosedRecord, Disclosure, DisclosureRepository
from waypost.node.store.chain import ChainRepository, DisclosureChain, KeptHead
from waypost.node.store.changes import ChangeRepository, Expungement, RecordChange
from waypost.node.store.checks import CheckRepository, StoredAnswer, StoredCheck
from waypost.node.store.cipher import KEY_DIGEST, ColumnCipher
from waypost.node.store.conduct import EXPUNGED, ConductRepository, HeldConduct, OfficerConduct
from waypost.node.store.covers import CoverRepository
from waypost.node.store.database import NodeDatabase
from waypost.node.store.employment import EmploymentKey, EmploymentRepository, OfficerEmployment
from waypost.node.store.facts import FactRepository, StoredFact
from waypost.node.store.history import Chain, HistoryRepository, Step
from waypost.node.store.imports import ImportBatch, ImportedFile, ImportRepository
from waypost.node.store.letters import LetterRepository, StoredLetter
from waypost.node.store.mail import OutboxRepository, OutgoingMessage, ReplayRepository, RosterRepository, StoredRoster
from waypost.node.store.merges import DecidedPair, Decision, Links, MergeRepository
from waypost.node.store.notices import NoticeRepository, OwedNotice, ReceivedNotice
from waypost.node.store.officers import HeldOfficer, IndexedPerson, OfficerRepository, OfficerSource
from waypost.node.store.referrals import ReferralAsked, ReferralOffer, ReferralRepository
from waypost.node.store.retention import Removable, Removal, RetentionRepository
from waypost.node.store.rounds import AnsweredRound, ProgrammeFact, ProgrammeRepository, RoundRepository
from waypost.node.store.sightings import SightingRepository
from waypost.node.store.signed import SignedRepository
from waypost.node.store.state import StateRepository
from waypost.node.store.statements import KeptDispute, StatementRepository
from waypost.node.store.tokens import OfficerTokens, TokenHit, TokenRepository
from waypost.node.store.told_officers import ToldOfficer, ToldOfficerRepository
from waypost.node.store.transparency import Conflict, KeptProof, TransparencyRepository, WantedEntry
from waypost.node.store.unsent import KeptQuery, UnsentRepository
from waypost.node.store.watches import StoredWatch, WatchRepository

__all__ = [
    "EXPUNGED",
    "AnsweredRound",
    "AuditEntry",
    "Batch",
    "Chain",
    "Conflict",
    "DecidedPair",
    "Decision",
    "DisclosedRecord",
    "Disclosure",
    "DisclosureChain",
    "EmploymentKey",
    "Expungement",
    "HeldConduct",
    "HeldOfficer",
    "ImportBatch",
    "ImportedFile",
    "IndexedPerson",
    "KeptDispute",
    "KeptHead",
    "KeptProof",
    "KeptQuery",
    "Links",
    "MailAside",
    "OfficerConduct",
    "OfficerEmployment",
    "OfficerSource",
    "OfficerTokens",
    "OutgoingMessage",
    "OwedNotice",
    "ProgrammeFact",
    "ReceivedNotice",
    "RecordChange",
    "ReferralAsked",
    "ReferralOffer",
    "Removable",
    "Removal",
    "Step",
    "Store",
    "StoredAnswer",
    "StoredCheck",
    "StoredFact",
    "StoredLetter",
    "StoredRoster",
    "StoredWatch",
    "TokenHit",
    "ToldOfficer",
    "WantedEntry",
]

_KEY_PROOF: Final = "column-key-digest"
"""State entry: a digest under the column key, by which the wrong keys are noticed before anything is written."""


class Store:
    """An open store. Close it, or use it as a context manager."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._database = database
        self.employment = EmploymentRepository(database, cipher)
        self.conduct = ConductRepository(database, cipher)
        self.merges = MergeRepository(database)
        self.officers = OfficerRepository(database, cipher, self.employment, self.conduct, self.merges)
        self.statements = StatementRepository(database)
        self.retention = RetentionRepository(database)
        self.changes = ChangeRepository(database)
        self.notices = NoticeRepository(database, cipher)
        self.told_officers = ToldOfficerRepository(database, cipher)
        self.imports = ImportRepository(database)
        self.facts = FactRepository(database)
        self.batches = BatchRepository(database)
        self.history = HistoryRepository(database, cipher)
        self.sightings = SightingRepository(database)
        self.tokens = TokenRepository(database)
        self.covers = CoverRepository(database)
        self.disclosures = DisclosureRepository(database)
        self.audit = AuditRepository(database)
        self.replay = ReplayRepository(database)
        self.outbox = OutboxRepository(database)
        self.signed = SignedRepository(database)
        self.aside = AsideRepository(database)
        self.unsent = UnsentRepository(database)
        self.rosters = RosterRepository(database)
        self.checks = CheckRepository(database, cipher)
        self.letters = LetterRepository(database)
        self.referrals = ReferralRepository(database, cipher)
        self.watches = WatchRepository(database, cipher)
        self.rounds = RoundRepository(database)
        self.programmes = ProgrammeRepository(database)
        self.state = StateRepository(database)
        self.chain = ChainRepository(database)
        self.transparency = TransparencyRepository(database)

    @classmethod
    def open(cls, path: Path, column_key: bytes) -> Store:
        """Open the file, or make it. StoreError when it cannot be used, or belongs to another column key."""
        cipher = ColumnCipher(column_key)
        database = NodeDatabase(path)
        try:
            store = cls(database, cipher)
            _require_key(store, cipher, path)
        except BaseException:
            database.close()
            raise
        return store

    def writing(self) -> AbstractContextManager[None]:
        """A write transaction around several calls."""
        return self._database.writing()

    def reading(self) -> AbstractContextManager[None]:
        """One moment's state for several reads."""
        return self._database.reading()

    def scrub(self) -> None:
        """Rewrite the file without what was deleted from it, the write-ahead log included."""
        self._database.scrub()

    def empty_log(self) -> bool:
        """Fold the write-ahead log into the file and empty it; False while others read."""
        return self._database.empty_log()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _require_key(store: Store, cipher: ColumnCipher, path: Path) -> None:
    proof = cipher.digest(KEY_DIGEST, b"").hex()
    if not store.state.get(_KEY_PROOF):
        with store.writing():  # another process may be first
            store.state.set(_KEY_PROOF, store.state.get(_KEY_PROOF) or proof)
    if store.state.get(_KEY_PROOF) != proof:
        raise StoreError(f"{path} was written under other keys", hint="restore node.db and keys from the same backup")
