"""The tables of the node's database, version by version.

A database carries its version in SQLite's user_version. Opening it runs what is missing, in order, within the
transaction that the caller has begun; a version is never changed once it is released: a new one is appended.

Dates are ISO 8601 text, empty when unknown; times are milliseconds since 1970; columns named `_box` are encrypted under
the column key, `digest` columns are keyed digests (cipher.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from waypost.node.errors import StoreError

APPLICATION_ID: Final = 0x57504E44
"""SQLite's application_id: "WPND"."""

_VERSION_1: Final = """
-- Officers, and everything that a canonical file says about them.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    imported INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    CHECK (imported + unchanged + rejected = rows)
);
CREATE TABLE import_files (
    import_id INTEGER NOT NULL REFERENCES imports(id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    rows INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    PRIMARY KEY (import_id, position)
) WITHOUT ROWID;
CREATE TABLE officers (
    id INTEGER PRIMARY KEY,
    officer_key TEXT NOT NULL UNIQUE,
    date_of_birth TEXT NOT NULL,
    ssn_box BLOB,
    digest BLOB NOT NULL,
    person_version INTEGER NOT NULL,
    tokenized_version INTEGER NOT NULL DEFAULT 0,
    import_id INTEGER NOT NULL REFERENCES imports(id)
);
CREATE INDEX officers_dirty ON officers (id) WHERE person_version <> tokenized_version;
CREATE TABLE names (
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    family TEXT NOT NULL,
    given TEXT NOT NULL,
    middle TEXT NOT NULL,
    suffix TEXT NOT NULL,
    PRIMARY KEY (officer_id, position)
) WITHOUT ROWID;
CREATE TABLE identifiers (
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    issuer TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (officer_id, position)
) WITHOUT ROWID;
CREATE TABLE employment (
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    ori TEXT NOT NULL,
    hired_on TEXT NOT NULL,
    rank TEXT NOT NULL,
    sworn INTEGER NOT NULL,
    separated_on TEXT NOT NULL,
    separation_kind TEXT NOT NULL,
    under_investigation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    import_id INTEGER NOT NULL REFERENCES imports(id),
    PRIMARY KEY (officer_id, ori, hired_on)
) WITHOUT ROWID;
CREATE TABLE conduct (
    id INTEGER PRIMARY KEY,
    record_key TEXT NOT NULL UNIQUE,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    version INTEGER NOT NULL,
    digest BLOB NOT NULL
);
CREATE INDEX conduct_officer ON conduct (officer_id);
CREATE TABLE conduct_versions (
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    version INTEGER NOT NULL,
    import_id INTEGER REFERENCES imports(id),
    kind TEXT NOT NULL,
    occurred_on TEXT NOT NULL,
    effective_on TEXT NOT NULL,
    summary TEXT NOT NULL,
    force_type TEXT NOT NULL,
    force_outcome TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    authority TEXT NOT NULL,
    notice_on TEXT NOT NULL,
    hearing TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_on TEXT NOT NULL,
    appeal TEXT NOT NULL,
    final_on TEXT NOT NULL,
    told_on TEXT NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (conduct_id, version)
) WITHOUT ROWID;
CREATE TRIGGER conduct_versions_stay BEFORE UPDATE ON conduct_versions
    BEGIN SELECT RAISE(ABORT, 'a version of a record never changes'); END;
CREATE TRIGGER conduct_versions_stay_there BEFORE DELETE ON conduct_versions
    BEGIN SELECT RAISE(ABORT, 'a version of a record is never deleted'); END;

-- The blind index: this node's tokens, its decoys, and what the hub must still be told to forget.
CREATE TABLE tokens (
    token BLOB NOT NULL,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    scheme TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    registered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (token, officer_id, epoch)
) WITHOUT ROWID;
CREATE INDEX tokens_officer ON tokens (officer_id);
CREATE INDEX tokens_unregistered ON tokens (epoch, token) WHERE registered = 0;
CREATE TABLE decoys (
    token BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    registered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (token, epoch)
) WITHOUT ROWID;
CREATE TABLE withdrawals (
    token BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (token, epoch)
) WITHOUT ROWID;

-- Books that only grow.
CREATE TABLE disclosures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    check_id BLOB NOT NULL,
    asker TEXT NOT NULL,
    purpose TEXT NOT NULL,
    authorization_digest BLOB NOT NULL,
    asker_reference TEXT NOT NULL,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    records TEXT NOT NULL,
    policies TEXT NOT NULL,
    verdict TEXT NOT NULL,
    answer_digest BLOB NOT NULL
);
CREATE INDEX disclosures_officer ON disclosures (officer_id);
CREATE INDEX disclosures_check ON disclosures (check_id);
CREATE TRIGGER disclosures_stay BEFORE UPDATE ON disclosures
    BEGIN SELECT RAISE(ABORT, 'the disclosure log only grows'); END;
CREATE TRIGGER disclosures_stay_there BEFORE DELETE ON disclosures
    BEGIN SELECT RAISE(ABORT, 'the disclosure log only grows'); END;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_stays_there BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

-- The link: what was seen, what waits, and the roster in force.
CREATE TABLE replay (
    sender TEXT NOT NULL,
    message_id BLOB NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (sender, message_id)
) WITHOUT ROWID;
CREATE INDEX replay_expiry ON replay (expires_at_ms);
CREATE TABLE roster (
    version INTEGER PRIMARY KEY,
    envelope BLOB NOT NULL,
    accepted_at_ms INTEGER NOT NULL
);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    reference BLOB NOT NULL,
    envelope BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL
);

-- Checks that this node asks.
CREATE TABLE checks (
    id BLOB PRIMARY KEY,
    state TEXT NOT NULL,
    request_box BLOB NOT NULL,
    secret_box BLOB,
    envelope BLOB,
    receipt BLOB,
    receipt_sequence INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
);
CREATE INDEX checks_state ON checks (state);
CREATE TABLE check_answers (
    check_id BLOB NOT NULL REFERENCES checks(id),
    ori TEXT NOT NULL,
    body_box BLOB NOT NULL,
    envelope BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (check_id, ori)
);

CREATE TABLE state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
"""

_DUE_PROCESS: Final = """
-- What happens to a record in its life: changes made by hand, the officer's statements and disputes.
CREATE TABLE record_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    change TEXT NOT NULL,
    reason TEXT NOT NULL,
    staff TEXT NOT NULL
);
CREATE INDEX record_changes_conduct ON record_changes (conduct_id);
CREATE TABLE statements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    text TEXT NOT NULL,
    given_on TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX statements_conduct ON statements (conduct_id);
CREATE TABLE disputes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    opened_on TEXT NOT NULL,
    grounds TEXT NOT NULL,
    resolved_on TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT ''
);
CREATE INDEX disputes_conduct ON disputes (conduct_id);
CREATE UNIQUE INDEX disputes_open ON disputes (conduct_id) WHERE resolved_on = '';

-- The fact that a record was expunged, which must be on the books before its content may go.
CREATE TABLE expungements (
    conduct_id INTEGER PRIMARY KEY REFERENCES conduct(id),
    at_ms INTEGER NOT NULL,
    cause TEXT NOT NULL,
    reference TEXT NOT NULL,
    staff TEXT NOT NULL
);
CREATE TRIGGER expungements_stay BEFORE UPDATE ON expungements
    BEGIN SELECT RAISE(ABORT, 'that a record was expunged never changes'); END;
CREATE TRIGGER expungements_stay_there BEFORE DELETE ON expungements
    BEGIN SELECT RAISE(ABORT, 'that a record was expunged is never forgotten'); END;
DROP TRIGGER conduct_versions_stay_there;
CREATE TRIGGER conduct_versions_stay_there BEFORE DELETE ON conduct_versions
    WHEN NOT EXISTS (SELECT 1 FROM expungements WHERE conduct_id = OLD.conduct_id)
    BEGIN SELECT RAISE(ABORT, 'a version of a record is never deleted unless the record is expunged'); END;
"""

_NOTICES: Final = """
-- Whom this node must tell that a record has changed, and what others told it.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    sequence INTEGER NOT NULL,
    changes TEXT NOT NULL,
    reason TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    message_id BLOB,
    expires_at_ms INTEGER NOT NULL DEFAULT 0,
    retry_at_ms INTEGER NOT NULL DEFAULT 0,
    trouble TEXT NOT NULL DEFAULT '',
    UNIQUE (recipient, conduct_id, sequence)
);
CREATE UNIQUE INDEX notices_due ON notices (recipient, conduct_id) WHERE state = 'due';
CREATE INDEX notices_open ON notices (state) WHERE state <> 'delivered';
CREATE INDEX notices_message ON notices (message_id);
CREATE TABLE notices_received (
    owner TEXT NOT NULL,
    record_key TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body_box BLOB NOT NULL,
    received_at_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, record_key, sequence)
) WITHOUT ROWID;
"""

_FACTS: Final = """
-- Facts of compliance that this node signed, or that others signed about it.
CREATE TABLE signed_facts (
    digest BLOB PRIMARY KEY,
    type TEXT NOT NULL,
    author TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    envelope BLOB NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX signed_facts_type ON signed_facts (type, at_ms);
"""

_CUSTODY: Final = """
-- Batches: what each import was called and claimed, which one an undo undid, how its files looked.
CREATE TABLE batches (
    import_id INTEGER PRIMARY KEY REFERENCES imports(id),
    name TEXT NOT NULL,
    complete INTEGER NOT NULL,
    undoes INTEGER UNIQUE REFERENCES imports(id)
);
CREATE TABLE batch_missing (
    import_id INTEGER NOT NULL REFERENCES imports(id),
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    PRIMARY KEY (import_id, officer_id)
) WITHOUT ROWID;
CREATE TABLE file_shapes (
    import_id INTEGER NOT NULL REFERENCES imports(id),
    series TEXT NOT NULL,
    shape TEXT NOT NULL,
    PRIMARY KEY (import_id, series)
) WITHOUT ROWID;
CREATE INDEX import_files_sha256 ON import_files (sha256);

-- What an officer or an employment was before it changed. The database itself writes it, whoever makes the change; the
-- details of an officer are read before they are exchanged. An officer whose digest is empty is withdrawn or erased.
CREATE TABLE officer_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    import_id INTEGER NOT NULL REFERENCES imports(id),
    date_of_birth TEXT NOT NULL,
    ssn_box BLOB,
    digest BLOB NOT NULL,
    names TEXT NOT NULL,
    identifiers TEXT NOT NULL
);
CREATE INDEX officer_history_officer ON officer_history (officer_id);
CREATE TRIGGER officers_leave_history BEFORE UPDATE OF digest, import_id ON officers
    WHEN OLD.digest <> NEW.digest OR OLD.import_id <> NEW.import_id
    BEGIN
        INSERT INTO officer_history (officer_id, import_id, date_of_birth, ssn_box, digest, names, identifiers)
        SELECT OLD.id, OLD.import_id, OLD.date_of_birth, OLD.ssn_box, OLD.digest,
            (SELECT json_group_array(json_array(family, given, middle, suffix, kind))
                FROM (SELECT * FROM names WHERE officer_id = OLD.id ORDER BY position)),
            (SELECT json_group_array(json_array(kind, issuer, value))
                FROM (SELECT * FROM identifiers WHERE officer_id = OLD.id ORDER BY position));
    END;
CREATE TRIGGER officer_history_stays BEFORE UPDATE ON officer_history
    BEGIN SELECT RAISE(ABORT, 'what an officer was never changes'); END;
CREATE TRIGGER officer_history_stays_there BEFORE DELETE ON officer_history
    WHEN EXISTS (SELECT 1 FROM officers WHERE id = OLD.officer_id AND digest <> X'')
    BEGIN SELECT RAISE(ABORT, 'what an officer was is never deleted unless the officer is erased'); END;
CREATE TABLE employment_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    ori TEXT NOT NULL,
    hired_on TEXT NOT NULL,
    rank TEXT NOT NULL,
    sworn INTEGER NOT NULL,
    separated_on TEXT NOT NULL,
    separation_kind TEXT NOT NULL,
    under_investigation INTEGER NOT NULL,
    digest BLOB NOT NULL,
    import_id INTEGER NOT NULL REFERENCES imports(id)
);
CREATE INDEX employment_history_key ON employment_history (officer_id, ori, hired_on);
CREATE TRIGGER employment_leaves_history BEFORE UPDATE OF digest, import_id ON employment
    WHEN OLD.digest <> NEW.digest OR OLD.import_id <> NEW.import_id
    BEGIN
        INSERT INTO employment_history (officer_id, ori, hired_on, rank, sworn, separated_on, separation_kind,
            under_investigation, digest, import_id)
        VALUES (OLD.officer_id, OLD.ori, OLD.hired_on, OLD.rank, OLD.sworn, OLD.separated_on, OLD.separation_kind,
            OLD.under_investigation, OLD.digest, OLD.import_id);
    END;
CREATE TRIGGER employment_leaves_history_behind BEFORE DELETE ON employment
    BEGIN
        INSERT INTO employment_history (officer_id, ori, hired_on, rank, sworn, separated_on, separation_kind,
            under_investigation, digest, import_id)
        VALUES (OLD.officer_id, OLD.ori, OLD.hired_on, OLD.rank, OLD.sworn, OLD.separated_on, OLD.separation_kind,
            OLD.under_investigation, OLD.digest, OLD.import_id);
    END;
CREATE TRIGGER employment_history_stays BEFORE UPDATE ON employment_history
    BEGIN SELECT RAISE(ABORT, 'what an employment was never changes'); END;
CREATE TRIGGER employment_history_stays_there BEFORE DELETE ON employment_history
    WHEN EXISTS (SELECT 1 FROM officers WHERE id = OLD.officer_id AND digest <> X'')
    BEGIN SELECT RAISE(ABORT, 'what an employment was is never deleted unless the officer is erased'); END;

-- One person under several keys: the officer that stands for him, and the book of what was decided.
ALTER TABLE officers ADD COLUMN merged_into INTEGER REFERENCES officers(id);
CREATE INDEX officers_merged ON officers (merged_into) WHERE merged_into IS NOT NULL;
CREATE TRIGGER officers_pass_on AFTER UPDATE OF digest ON officers WHEN NEW.merged_into IS NOT NULL
    BEGIN UPDATE officers SET person_version = person_version + 1 WHERE id = NEW.merged_into; END;
CREATE TABLE officer_decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    decision TEXT NOT NULL,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    other_id INTEGER NOT NULL REFERENCES officers(id),
    reason TEXT NOT NULL
);
CREATE INDEX officer_decisions_pair ON officer_decisions (officer_id, other_id);
CREATE TRIGGER officer_decisions_stay BEFORE UPDATE ON officer_decisions
    BEGIN SELECT RAISE(ABORT, 'a decision about two officers never changes'); END;
CREATE TRIGGER officer_decisions_stay_there BEFORE DELETE ON officer_decisions
    BEGIN SELECT RAISE(ABORT, 'a decision about two officers is never deleted'); END;
"""

_WATCHES: Final = """
-- Persons that this member wants to hear of, and what it has left at the hub for that.
CREATE TABLE watches (
    id BLOB PRIMARY KEY,
    label TEXT NOT NULL,
    inquiry_box BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    hit_at_ms INTEGER NOT NULL,
    check_id BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX watches_state ON watches (state, expires_at_ms);
CREATE TABLE watch_tokens (
    epoch INTEGER NOT NULL,
    token BLOB NOT NULL,
    watch_id BLOB NOT NULL,
    leased_until_ms INTEGER NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (epoch, token, watch_id)
) WITHOUT ROWID;
CREATE INDEX watch_tokens_watch ON watch_tokens (watch_id);
CREATE INDEX watch_tokens_due ON watch_tokens (epoch, leased_until_ms);
-- Versions of records whose tokens were sent to the hub since they may be shared, so that watchers have heard of them.
CREATE TABLE announced (
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    version INTEGER NOT NULL,
    PRIMARY KEY (conduct_id, version)
) WITHOUT ROWID;
"""

MIGRATIONS: Final = (_VERSION_1, _DUE_PROCESS, _NOTICES, _FACTS, _CUSTODY, _WATCHES)
"""Scripts by version, from 1."""


def is_current(db: Database, path: Path) -> bool:
    """Whether the database has the newest version; StoreError when it has a newer one than this Waypost knows."""
    version = _version(db)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer version of Waypost", hint="install that version or a later one"
        )
    return version == len(MIGRATIONS)


def migrate(db: Database) -> None:
    """Bring the database to the newest version. The caller has begun a write transaction, so two openers take turns."""
    version = _version(db)
    for script in MIGRATIONS[version:]:
        for statement in _statements(script):
            db.execute(statement)
    if version < len(MIGRATIONS):
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: Database) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """The script's statements; a trigger's body holds semicolons of its own, which SQLite itself tells apart."""
    lines: list[str] = []
    for line in script.splitlines():
        if not line.startswith("--"):
            lines.append(line)
        if sqlite3.complete_statement("\n".join(lines)):
            yield "\n".join(lines)
            lines = []
