-- The federation's log as this node has seen it: what it holds, what the hub owes, and evidence of a fork.
CREATE TABLE log_checkpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    note BLOB NOT NULL
);
CREATE TABLE log_wanted (
    kind INTEGER NOT NULL,
    digest BLOB NOT NULL,
    since_ms INTEGER NOT NULL,
    lacking_since_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, digest)
) WITHOUT ROWID;
CREATE TABLE log_proofs (
    kind INTEGER NOT NULL,
    digest BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    proof TEXT NOT NULL,
    PRIMARY KEY (kind, digest)
) WITHOUT ROWID;
CREATE TABLE log_conflicts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    reason TEXT NOT NULL,
    note BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    resolved INTEGER NOT NULL DEFAULT 0
);

-- The chain over the disclosure log, and the heads of it that this node has bound itself to.
CREATE TABLE disclosure_chain (
    disclosure_id INTEGER PRIMARY KEY REFERENCES disclosures(id),
    entry_digest BLOB NOT NULL,
    head BLOB NOT NULL
);
CREATE TRIGGER disclosure_chain_stays BEFORE UPDATE ON disclosure_chain
    BEGIN SELECT RAISE(ABORT, 'the chain over the disclosure log only grows'); END;
CREATE TRIGGER disclosure_chain_stays_there BEFORE DELETE ON disclosure_chain
    BEGIN SELECT RAISE(ABORT, 'the chain over the disclosure log only grows'); END;
CREATE TABLE disclosure_heads (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    head BLOB NOT NULL,
    salt BLOB NOT NULL,
    envelope BLOB NOT NULL
);
