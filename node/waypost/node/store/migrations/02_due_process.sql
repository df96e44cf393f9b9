-- What happens to a record in its life: changes made by hand, the officer's statements and disputes.
CREATE TABLE record_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    change TEXT NOT NULL,
    reason TEXT NOT NULL,
    staff TEXT NOT NULL
);
CREATE INDEX record_changes_conduct ON record_changes (conduct_id);
CREATE TABLE statements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    text TEXT NOT NULL,
    given_on TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX statements_conduct ON statements (conduct_id);
CREATE TABLE disputes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conduct_id INTEGER NOT NULL REFERENCES conduct(id),
    opened_on TEXT NOT NULL,
    grounds TEXT NOT NULL,
    resolved_on TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT ''
);
CREATE INDEX disputes_conduct ON disputes (conduct_id);
CREATE UNIQUE INDEX disputes_open ON disputes (conduct_id) WHERE resolved_on = '';

-- The fact that a record was expunged, which must be on the books before its content may go.
CREATE TABLE expungements (
    conduct_id INTEGER PRIMARY KEY REFERENCES conduct(id),
    at_ms INTEGER NOT NULL,
    cause TEXT NOT NULL,
    reference TEXT NOT NULL,
    staff TEXT NOT NULL
);
CREATE TRIGGER expungements_stay BEFORE UPDATE ON expungements
    BEGIN SELECT RAISE(ABORT, 'that a record was expunged never changes'); END;
CREATE TRIGGER expungements_stay_there BEFORE DELETE ON expungements
    BEGIN SELECT RAISE(ABORT, 'that a record was expunged is never forgotten'); END;
DROP TRIGGER conduct_versions_stay_there;
CREATE TRIGGER conduct_versions_stay_there BEFORE DELETE ON conduct_versions
    WHEN NOT EXISTS (SELECT 1 FROM expungements WHERE conduct_id = OLD.conduct_id)
    BEGIN SELECT RAISE(ABORT, 'a version of a record is never deleted unless the record is expunged'); END;
