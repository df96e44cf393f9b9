-- Batches: what each import was called and claimed, which one an undo undid, how its files looked.
CREATE TABLE batches (
    import_id INTEGER PRIMARY KEY REFERENCES imports(id),
    name TEXT NOT NULL,
    complete INTEGER NOT NULL,
    undoes INTEGER UNIQUE REFERENCES imports(id)
);
CREATE TABLE batch_missing (
    import_id INTEGER NOT NULL REFERENCES imports(id),
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    PRIMARY KEY (import_id, officer_id)
) WITHOUT ROWID;
CREATE TABLE file_shapes (
    import_id INTEGER NOT NULL REFERENCES imports(id),
    series TEXT NOT NULL,
    shape TEXT NOT NULL,
    PRIMARY KEY (import_id, series)
) WITHOUT ROWID;
CREATE INDEX import_files_sha256 ON import_files (sha256);

-- What an officer or an employment was before it changed. The database itself writes it, whoever makes the change; the
-- details of an officer are read before they are exchanged. An officer whose digest is empty is withdrawn or erased.
CREATE TABLE officer_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    import_id INTEGER NOT NULL REFERENCES imports(id),
    date_of_birth TEXT NOT NULL,
    ssn_box BLOB,
    digest BLOB NOT NULL,
    names TEXT NOT NULL,
    identifiers TEXT NOT NULL
);
CREATE INDEX officer_history_officer ON officer_history (officer_id);
CREATE TRIGGER officers_leave_history BEFORE UPDATE OF digest, import_id ON officers
    WHEN OLD.digest <> NEW.digest OR OLD.import_id <> NEW.import_id
    BEGIN
        INSERT INTO officer_history (officer_id, import_id, date_of_birth, ssn_box, digest, names, identifiers)
        SELECT OLD.id, OLD.import_id, OLD.date_of_birth, OLD.ssn_box, OLD.digest,
            (SELECT json_group_array(json_array(family, given, middle, suffix, kind))
                FROM (SELECT * FROM names WHERE officer_id = OLD.id ORDER BY position)),
            (SELECT json_group_array(json_array(kind, issuer, value))
                FROM (SELECT * FROM identifiers WHERE officer_id = OLD.id ORDER BY position));
    END;
CREATE TRIGGER officer_history_stays BEFORE UPDATE ON officer_history
    BEGIN SELECT RAISE(ABORT, 'what an officer was never changes'); END;
CREATE TRIGGER officer_history_stays_there BEFORE DELETE ON officer_history
    WHEN EXISTS (SELECT 1 FROM officers WHERE id = OLD.officer_id AND digest <> X'')
    BEGIN SELECT RAISE(ABORT, 'what an officer was is never deleted unless the officer is erased'); END;
CREATE TABLE employment_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    ori TEXT NOT NULL,
    hired_on TEXT NOT NULL,
    rank TEXT NOT NULL,
    sworn INTEGER NOT NULL,
    separated_on TEXT NOT NULL,
    separation_kind TEXT NOT NULL,
    under_investigation INTEGER NOT NULL,
    digest BLOB NOT NULL,
    import_id INTEGER NOT NULL REFERENCES imports(id)
);
CREATE INDEX employment_history_key ON employment_history (officer_id, ori, hired_on);
CREATE TRIGGER employment_leaves_history BEFORE UPDATE OF digest, import_id ON employment
    WHEN OLD.digest <> NEW.digest OR OLD.import_id <> NEW.import_id
    BEGIN
        INSERT INTO employment_history (officer_id, ori, hired_on, rank, sworn, separated_on, separation_kind,
            under_investigation, digest, import_id)
        VALUES (OLD.officer_id, OLD.ori, OLD.hired_on, OLD.rank, OLD.sworn, OLD.separated_on, OLD.separation_kind,
            OLD.under_investigation, OLD.digest, OLD.import_id);
    END;
CREATE TRIGGER employment_leaves_history_behind BEFORE DELETE ON employment
    BEGIN
        INSERT INTO employment_history (officer_id, ori, hired_on, rank, sworn, separated_on, separation_kind,
            under_investigation, digest, import_id)
        VALUES (OLD.officer_id, OLD.ori, OLD.hired_on, OLD.rank, OLD.sworn, OLD.separated_on, OLD.separation_kind,
            OLD.under_investigation, OLD.digest, OLD.import_id);
    END;
CREATE TRIGGER employment_history_stays BEFORE UPDATE ON employment_history
    BEGIN SELECT RAISE(ABORT, 'what an employment was never changes'); END;
CREATE TRIGGER employment_history_stays_there BEFORE DELETE ON employment_history
    WHEN EXISTS (SELECT 1 FROM officers WHERE id = OLD.officer_id AND digest <> X'')
    BEGIN SELECT RAISE(ABORT, 'what an employment was is never deleted unless the officer is erased'); END;

-- One person under several keys: the officer that stands for him, and the book of what was decided.
ALTER TABLE officers ADD COLUMN merged_into INTEGER REFERENCES officers(id);
CREATE INDEX officers_merged ON officers (merged_into) WHERE merged_into IS NOT NULL;
CREATE TRIGGER officers_pass_on AFTER UPDATE OF digest ON officers WHEN NEW.merged_into IS NOT NULL
    BEGIN UPDATE officers SET person_version = person_version + 1 WHERE id = NEW.merged_into; END;
CREATE TABLE officer_decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    decision TEXT NOT NULL,
    officer_id INTEGER NOT NULL REFERENCES officers(id),
    other_id INTEGER NOT NULL REFERENCES officers(id),
    reason TEXT NOT NULL
);
CREATE INDEX officer_decisions_pair ON officer_decisions (officer_id, other_id);
CREATE TRIGGER officer_decisions_stay BEFORE UPDATE ON officer_decisions
    BEGIN SELECT RAISE(ABORT, 'a decision about two officers never changes'); END;
CREATE TRIGGER officer_decisions_stay_there BEFORE DELETE ON officer_decisions
    BEGIN SELECT RAISE(ABORT, 'a decision about two officers is never deleted'); END;
