-- Notices, told and received, and what is to be sent that stands in no ledger. Such a letter is no row of the
-- table outbox, as a server of the version before would not know what it is.

CREATE TABLE notice (
    hosted                 TEXT   NOT NULL,
    counterparty           TEXT   NOT NULL,
    notice                 TEXT   NOT NULL,
    outgoing               BIGINT NOT NULL,
    header                 TEXT   NOT NULL,
    header_digest          TEXT   NOT NULL,
    body                   TEXT   NOT NULL,
    signature              TEXT   NOT NULL,
    created_at             BIGINT NOT NULL,
    stored                 TEXT,
    acknowledgement        TEXT,
    acknowledgement_stored TEXT,
    PRIMARY KEY (hosted, counterparty, notice, outgoing)
);
CREATE INDEX notice_by_time ON notice (hosted, created_at);

-- One thing to be sent to one peer, committed with what it is about.
CREATE TABLE dispatch (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    task         TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    attempts     BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    last_failure TEXT,
    leased_by    TEXT,
    leased_until BIGINT NOT NULL,
    PRIMARY KEY (hosted, counterparty, task, id, number)
);
CREATE INDEX dispatch_by_time ON dispatch (state, next_at);
