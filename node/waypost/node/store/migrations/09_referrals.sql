-- Referrals that this node has offered, and what became of them; and those that it has asked for.
CREATE TABLE referral_offers (
    reference BLOB PRIMARY KEY,
    check_id BLOB NOT NULL,
    asker TEXT NOT NULL,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    purpose TEXT NOT NULL,
    authorization_digest BLOB NOT NULL,
    asker_reference TEXT NOT NULL,
    offered_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'offered',
    request_box BLOB,
    asked_at_ms INTEGER NOT NULL DEFAULT 0,
    staff TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    decided_at_ms INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX referral_offers_state ON referral_offers (state);
CREATE TABLE referrals_asked (
    reference BLOB PRIMARY KEY,
    check_id BLOB NOT NULL,
    ori TEXT NOT NULL,
    request_box BLOB NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    at_ms INTEGER NOT NULL,
    trouble TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
