-- Notices are about a record or about an officer himself: his names, numbers and employments.
ALTER TABLE notices RENAME TO notices_before;
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    conduct_id INTEGER REFERENCES conduct(id),
    officer_id INTEGER REFERENCES officers(id),
    sequence INTEGER NOT NULL,
    changes TEXT NOT NULL,
    reason TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    message_id BLOB,
    expires_at_ms INTEGER NOT NULL DEFAULT 0,
    retry_at_ms INTEGER NOT NULL DEFAULT 0,
    trouble TEXT NOT NULL DEFAULT '',
    CHECK ((conduct_id IS NULL) <> (officer_id IS NULL)),
    UNIQUE (recipient, conduct_id, sequence),
    UNIQUE (recipient, officer_id, sequence)
);
INSERT INTO notices (id, recipient, conduct_id, sequence, changes, reason, changed_at_ms, state, message_id,
    expires_at_ms, retry_at_ms, trouble)
    SELECT id, recipient, conduct_id, sequence, changes, reason, changed_at_ms, state, message_id,
        expires_at_ms, retry_at_ms, trouble FROM notices_before;
DROP TABLE notices_before;
CREATE UNIQUE INDEX notices_due ON notices (recipient, conduct_id) WHERE state = 'due' AND officer_id IS NULL;
CREATE UNIQUE INDEX notices_due_officer ON notices (recipient, officer_id) WHERE state = 'due' AND conduct_id IS NULL;
CREATE INDEX notices_open ON notices (state) WHERE state <> 'delivered';
CREATE INDEX notices_message ON notices (message_id);

ALTER TABLE notices_received RENAME TO notices_received_before;
CREATE TABLE notices_received (
    owner TEXT NOT NULL,
    record_key TEXT NOT NULL,
    officer_key TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body_box BLOB NOT NULL,
    received_at_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, record_key, officer_key, sequence)
) WITHOUT ROWID;
INSERT INTO notices_received SELECT owner, record_key, '', sequence, body_box, received_at_ms
    FROM notices_received_before;
DROP TABLE notices_received_before;

-- What each member was last told of an officer himself, as a keyed digest; `stale` when he may have changed since. The
-- database itself notes that an officer was touched, whoever makes the change.
CREATE TABLE told_officers (
    recipient TEXT NOT NULL,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    digest BLOB NOT NULL,
    stale INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (recipient, officer_id)
) WITHOUT ROWID;
CREATE INDEX told_officers_stale ON told_officers (recipient, officer_id) WHERE stale = 1;
CREATE TABLE touched_officers (officer_id INTEGER NOT NULL);
CREATE TRIGGER officers_touch AFTER UPDATE OF digest, person_version, merged_into ON officers
    WHEN EXISTS (SELECT 1 FROM told_officers)
    BEGIN INSERT INTO touched_officers (officer_id) VALUES (NEW.id); END;
CREATE TRIGGER employment_touch AFTER INSERT ON employment WHEN EXISTS (SELECT 1 FROM told_officers)
    BEGIN INSERT INTO touched_officers (officer_id) VALUES (NEW.officer_id); END;
CREATE TRIGGER employment_touch_changed AFTER UPDATE ON employment WHEN EXISTS (SELECT 1 FROM told_officers)
    BEGIN INSERT INTO touched_officers (officer_id) VALUES (NEW.officer_id); END;
CREATE TRIGGER employment_touch_gone AFTER DELETE ON employment WHEN EXISTS (SELECT 1 FROM told_officers)
    BEGIN INSERT INTO touched_officers (officer_id) VALUES (OLD.officer_id); END;

ALTER TABLE disputes ADD COLUMN overdue_told INTEGER NOT NULL DEFAULT 0;
