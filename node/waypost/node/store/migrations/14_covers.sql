-- Decoys cover what goes up with them: how often each has gone up again for that. `registered`, of tokens and decoys, is
-- from now on the number of the registration that they went up in, 0 while the hub has not confirmed them.
ALTER TABLE decoys ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
CREATE INDEX decoys_unregistered ON decoys (epoch, token) WHERE registered = 0;
