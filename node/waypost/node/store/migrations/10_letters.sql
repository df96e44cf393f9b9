-- Letters to applicants before an adverse decision, and whether that duty is done.
CREATE TABLE letters (
    check_id BLOB PRIMARY KEY REFERENCES checks(id),
    written_at_ms INTEGER NOT NULL,
    answer_until TEXT NOT NULL,
    written_by TEXT NOT NULL,
    done_at_ms INTEGER NOT NULL DEFAULT 0,
    done_by TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
