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
