-- Ledgers, their entries and what is still to be sent. Times are milliseconds since 1970 where they are
-- compared, and the signed text where they are part of a document.

CREATE TABLE ledger (
    hosted        TEXT   NOT NULL,
    counterparty  TEXT   NOT NULL,
    transfer      TEXT   NOT NULL,
    originating   TEXT   NOT NULL,
    stage         TEXT   NOT NULL,
    head_sequence BIGINT NOT NULL,
    state         TEXT   NOT NULL,
    forked        BIGINT NOT NULL,
    changed       BIGINT NOT NULL,
    preceded_by   TEXT,
    PRIMARY KEY (hosted, counterparty, transfer)
);
CREATE INDEX ledger_by_transfer ON ledger (transfer);
CREATE INDEX ledger_by_change ON ledger (changed);
CREATE INDEX ledger_by_stage ON ledger (hosted, stage);

CREATE TABLE entry (
    hosted            TEXT   NOT NULL,
    counterparty      TEXT   NOT NULL,
    transfer          TEXT   NOT NULL,
    sequence          BIGINT NOT NULL,
    id                TEXT   NOT NULL,
    header            TEXT   NOT NULL,
    header_digest     TEXT   NOT NULL,
    body              TEXT,
    erased_at         TEXT,
    signature         TEXT   NOT NULL,
    sequencer_receipt TEXT   NOT NULL,
    counter_receipt   TEXT,
    PRIMARY KEY (hosted, counterparty, transfer, sequence)
);
CREATE UNIQUE INDEX entry_by_id ON entry (hosted, counterparty, transfer, id);

-- Entries that prove a fork, kept beside the ledger as evidence.
CREATE TABLE branch_entry (
    hosted        TEXT   NOT NULL,
    counterparty  TEXT   NOT NULL,
    transfer      TEXT   NOT NULL,
    header_digest TEXT   NOT NULL,
    sequence      BIGINT NOT NULL,
    document      TEXT   NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer, header_digest)
);

-- A decision of the originating authority that is not in the ledger yet: the sequencer has not receipted it.
CREATE TABLE proposal (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    decided_at   BIGINT NOT NULL,
    document     TEXT   NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer, id)
);

-- What is still to be sent: one row for an entry, committed with it.
CREATE TABLE outbox (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    task         TEXT   NOT NULL,
    place        BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    attempts     BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    last_failure TEXT,
    PRIMARY KEY (hosted, counterparty, transfer, id)
);
CREATE INDEX outbox_by_time ON outbox (state, next_at);

CREATE TABLE directory_issue (
    issue    BIGINT NOT NULL PRIMARY KEY,
    document TEXT   NOT NULL
);

-- Signed heads of peers, the newest of each day, as evidence of what they held.
CREATE TABLE peer_head (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    day          TEXT   NOT NULL,
    document     TEXT   NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer, day)
);
