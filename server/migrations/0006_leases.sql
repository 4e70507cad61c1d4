-- Several server processes on one database: who may send a letter and until when, who does work that is done
-- once for a deployment, and what a deployment knows of its last run. A server of the version before knows
-- none of it: it may send what another is sending, and the same bytes twice do no harm.

ALTER TABLE outbox ADD COLUMN leased_by TEXT;
ALTER TABLE outbox ADD COLUMN leased_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX outbox_by_peer ON outbox (state, counterparty, next_at, transfer, place);
CREATE INDEX outbox_by_lease ON outbox (leased_until);

CREATE TABLE lease (
    name         TEXT   NOT NULL PRIMARY KEY,
    leased_by    TEXT   NOT NULL,
    leased_until BIGINT NOT NULL
);

CREATE TABLE deployment (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
