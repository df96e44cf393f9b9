-- What the hub must forget remembers the registration that it went up in, 0 if none, so that its covers come from there.
ALTER TABLE withdrawals ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;
CREATE INDEX decoys_used ON decoys (epoch, registered) WHERE used > 0;
