-- With which query an answer was made that the hub has not confirmed yet, and which answers were put in its place before.
CREATE TABLE outbox_queries (
    outbox_id INTEGER PRIMARY KEY REFERENCES outbox(id) ON DELETE CASCADE,
    query BLOB NOT NULL,
    instead_of BLOB NOT NULL
);
-- Answers in the disclosure log of which the hub's word shows that they never reached it.
CREATE TABLE answers_undelivered (
    answer_digest BLOB PRIMARY KEY
) WITHOUT ROWID;
CREATE INDEX disclosures_answer ON disclosures (answer_digest);
