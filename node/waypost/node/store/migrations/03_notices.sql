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
