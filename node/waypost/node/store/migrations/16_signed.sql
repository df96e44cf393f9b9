-- What this node has signed for other members and the hub has taken: it is signed anew when the node's key changes, and
-- nothing else is. Kept until the message expires.
CREATE TABLE signed (
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (digest, kind)
) WITHOUT ROWID;
CREATE INDEX signed_expires ON signed (expires_at_ms);
