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
