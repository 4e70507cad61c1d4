-- Signed heads of peers: the newest for each header that a peer named, in place of the newest of each day. A
-- row from before keeps its day for a point, and counts as older than any other.

ALTER TABLE peer_head RENAME COLUMN day TO point;

ALTER TABLE peer_head ADD COLUMN signed_at BIGINT NOT NULL DEFAULT 0;
