-- Mail that a fault of this program kept it from taking: for whoever mends the fault, and to be taken again afterwards.
CREATE TABLE mail_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    fault TEXT NOT NULL,
    mail BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    due INTEGER NOT NULL DEFAULT 0
);
