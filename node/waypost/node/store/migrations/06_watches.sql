-- Persons that this member wants to hear of, and what it has left at the hub for that.
CREATE TABLE watches (
    id BLOB PRIMARY KEY,
    label TEXT NOT NULL,
    inquiry_box BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    hit_at_ms INTEGER NOT NULL,
    check_id BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX watches_state ON watches (state, expires_at_ms);
CREATE TABLE watch_tokens (
    epoch INTEGER NOT NULL,
    token BLOB NOT NULL,
    watch_id BLOB NOT NULL,
    leased_until_ms INTEGER NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (epoch, token, watch_id)
) WITHOUT ROWID;
CREATE INDEX watch_tokens_watch ON watch_tokens (watch_id);
CREATE INDEX watch_tokens_due ON watch_tokens (epoch, leased_until_ms);
-- Versions of records whose tokens were sent to the hub since they may be shared, so that watchers have heard of them.
CREATE TABLE announced (
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    version INTEGER NOT NULL,
    PRIMARY KEY (conduct_id, version)
) WITHOUT ROWID;
