-- The hub's tables as they were when version 1 of its schema began: bare SQLite statements, no rows.
CREATE TABLE audit ( id INTEGER NOT NULL, at_ms BIGINT NOT NULL, event VARCHAR NOT NULL, subject VARCHAR NOT NULL, detail VARCHAR NOT NULL, PRIMARY KEY (id) );
CREATE TABLE check_counts ( asker VARCHAR NOT NULL, purpose INTEGER NOT NULL, hour BIGINT NOT NULL, checks INTEGER NOT NULL, PRIMARY KEY (asker, purpose, hour) );
CREATE TABLE checks ( check_id BLOB NOT NULL, asker VARCHAR NOT NULL, request_digest BLOB NOT NULL, accepted_at_ms BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL, roster_version BIGINT NOT NULL, coverage BLOB NOT NULL, sequence INTEGER NOT NULL, pending INTEGER NOT NULL, PRIMARY KEY (check_id) );
CREATE TABLE index_states ( member_id INTEGER NOT NULL, epoch INTEGER NOT NULL, agreed_at_ms BIGINT NOT NULL, PRIMARY KEY (member_id) );
CREATE TABLE invitations ( digest BLOB NOT NULL, ori VARCHAR NOT NULL, name VARCHAR NOT NULL, state VARCHAR NOT NULL, role INTEGER NOT NULL, created_at_ms BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL, used_at_ms BIGINT, PRIMARY KEY (digest) );
CREATE TABLE mailbox ( id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, ori VARCHAR NOT NULL, kind INTEGER NOT NULL, check_id BLOB NOT NULL, content BLOB NOT NULL, expires_at_ms BIGINT NOT NULL );
CREATE INDEX mailbox_by_check ON mailbox (check_id);
CREATE INDEX mailbox_by_member ON mailbox (ori, id);
CREATE TABLE members ( id INTEGER NOT NULL, ori VARCHAR NOT NULL, name VARCHAR NOT NULL, state VARCHAR NOT NULL, role INTEGER NOT NULL, status INTEGER NOT NULL, signing_public_key BLOB NOT NULL, sealing_public_key BLOB NOT NULL, application BLOB NOT NULL, joined_at_ms BIGINT NOT NULL, PRIMARY KEY (id), UNIQUE (ori) );
CREATE TABLE meta ( name VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (name) );
CREATE TABLE pointers ( epoch INTEGER NOT NULL, token BLOB NOT NULL, member_id INTEGER NOT NULL, PRIMARY KEY (epoch, token, member_id) ) WITHOUT ROWID;
CREATE INDEX pointers_by_member ON pointers (member_id, epoch, token);
CREATE TABLE proposals ( version BIGINT NOT NULL, roster BLOB NOT NULL, application BLOB, invitation_digest BLOB, PRIMARY KEY (version) );
CREATE TABLE responses ( check_id BLOB NOT NULL, ori VARCHAR NOT NULL, state INTEGER NOT NULL, answer_digest BLOB NOT NULL, reason VARCHAR NOT NULL, PRIMARY KEY (check_id, ori) );
CREATE TABLE rosters ( version BIGINT NOT NULL, envelope BLOB NOT NULL, PRIMARY KEY (version) );
CREATE TABLE seen ( sender VARCHAR NOT NULL, message_id BLOB NOT NULL, expires_at_ms BIGINT NOT NULL, PRIMARY KEY (sender, message_id) );
