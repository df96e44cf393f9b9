-- Aggregate rounds, and what the custodian states about the agency's programmes.
CREATE TABLE rounds (
    round_id BLOB PRIMARY KEY,
    measure TEXT NOT NULL,
    period TEXT NOT NULL,
    states TEXT NOT NULL,
    closes_at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX rounds_question ON rounds (measure, period);
CREATE TABLE programme_facts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    as_of TEXT NOT NULL,
    stated_by TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX programme_facts_name ON programme_facts (name, as_of);
