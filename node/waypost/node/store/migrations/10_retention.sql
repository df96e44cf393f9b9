-- What retention has taken out of the books: it must be on record before an entry may go, and stays on record.
CREATE TABLE removals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    log TEXT NOT NULL,
    last_id INTEGER NOT NULL,
    entries INTEGER NOT NULL
);
CREATE TRIGGER removals_stay BEFORE UPDATE ON removals
    BEGIN SELECT RAISE(ABORT, 'that entries were removed never changes'); END;
CREATE TRIGGER removals_stay_there BEFORE DELETE ON removals
    BEGIN SELECT RAISE(ABORT, 'that entries were removed is never forgotten'); END;
DROP TRIGGER disclosures_stay_there;
CREATE TRIGGER disclosures_stay_there BEFORE DELETE ON disclosures
    WHEN NOT EXISTS (SELECT 1 FROM removals WHERE log = 'disclosures' AND last_id >= OLD.id)
    BEGIN SELECT RAISE(ABORT, 'the disclosure log only grows, unless retention is on record'); END;
DROP TRIGGER audit_stays_there;
CREATE TRIGGER audit_stays_there BEFORE DELETE ON audit
    WHEN NOT EXISTS (SELECT 1 FROM removals WHERE log = 'audit' AND last_id >= OLD.id)
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows, unless retention is on record'); END;

-- The chain keeps the digest and the link of an entry that retention has removed, so it no longer refers to the entry.
DROP TRIGGER disclosure_chain_stays;
DROP TRIGGER disclosure_chain_stays_there;
ALTER TABLE disclosure_chain RENAME TO disclosure_chain_before;
CREATE TABLE disclosure_chain (
    disclosure_id INTEGER PRIMARY KEY,
    entry_digest BLOB NOT NULL,
    head BLOB NOT NULL
);
INSERT INTO disclosure_chain SELECT disclosure_id, entry_digest, head FROM disclosure_chain_before;
DROP TABLE disclosure_chain_before;
CREATE TRIGGER disclosure_chain_stays BEFORE UPDATE ON disclosure_chain
    BEGIN SELECT RAISE(ABORT, 'the chain over the disclosure log only grows'); END;
CREATE TRIGGER disclosure_chain_stays_there BEFORE DELETE ON disclosure_chain
    BEGIN SELECT RAISE(ABORT, 'the chain over the disclosure log only grows'); END;
