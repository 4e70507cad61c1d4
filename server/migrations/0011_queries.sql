-- Queries that other authorities put to a hosted one. A body is here only while it may be kept: it is never written
-- for one that was answered not-known or withheld and doesn't stand. Nothing else of a query names a child.

CREATE TABLE query (
    hosted          TEXT   NOT NULL,
    counterparty    TEXT   NOT NULL,
    query           TEXT   NOT NULL,
    header          TEXT   NOT NULL,
    header_digest   TEXT   NOT NULL,
    signature       TEXT   NOT NULL,
    body            TEXT,
    arrived_at      BIGINT NOT NULL,
    directory_issue BIGINT NOT NULL,
    last_outcome    TEXT   NOT NULL,
    body_until      BIGINT,
    standing_until  BIGINT,
    followed_by     TEXT,
    withdrawal      TEXT,
    PRIMARY KEY (hosted, counterparty, query)
);
CREATE INDEX query_by_id ON query (hosted, query);
CREATE INDEX query_open ON query (hosted, arrived_at) WHERE last_outcome = 'possible';
CREATE INDEX query_standing ON query (hosted, standing_until) WHERE standing_until IS NOT NULL;
CREATE INDEX query_with_body ON query (body_until) WHERE body IS NOT NULL;

-- The signed answers, each with the storage receipt of whoever asked. The first goes back with the query itself.
CREATE TABLE answer (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    query        TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    answered_at  BIGINT NOT NULL,
    document     TEXT   NOT NULL,
    stored       TEXT,
    PRIMARY KEY (hosted, counterparty, query, number)
);

-- Which children of the register a query met, by number. The fields that agreed are there while somebody still has
-- to decide. The rest is counted for 30 days, as several authorities may look for one child. State: told, waiting,
-- released or silent.
CREATE TABLE query_match (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    query        TEXT   NOT NULL,
    child        BIGINT NOT NULL,
    met_at       BIGINT NOT NULL,
    shielded     BIGINT NOT NULL,
    fields       TEXT,
    state        TEXT   NOT NULL,
    PRIMARY KEY (hosted, counterparty, query, child)
);
CREATE INDEX query_match_by_child ON query_match (hosted, child, met_at);
CREATE INDEX query_match_by_time ON query_match (met_at);
CREATE INDEX query_match_waiting ON query_match (hosted, query) WHERE state = 'waiting';

-- Offers of the last day, which count as queries of their authors.
CREATE TABLE offer_arrival (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    arrived_at   BIGINT NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer)
);
CREATE INDEX offer_arrival_by_time ON offer_arrival (arrived_at);

-- The audit: a record for each answer, chained by digests. Rows are added and never changed or removed. A record has
-- no value of a body but the officers' pseudonyms. The columns beside it are those by which it is counted.
CREATE TABLE audit (
    hosted       TEXT   NOT NULL,
    place        BIGINT NOT NULL,
    record       TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    recorded_at  BIGINT NOT NULL,
    counterparty TEXT   NOT NULL,
    officer      TEXT   NOT NULL,
    query        TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    PRIMARY KEY (hosted, place)
);
CREATE INDEX audit_by_author ON audit (hosted, counterparty, recorded_at) WHERE number = 0;
CREATE INDEX audit_by_officer ON audit (hosted, counterparty, officer, recorded_at) WHERE number = 0;
CREATE INDEX audit_by_query ON audit (hosted, query, number);

-- How far the changes of a register were compared with the standing queries, and under which incarnation.
CREATE TABLE query_follow (
    hosted      TEXT   NOT NULL PRIMARY KEY,
    sequence    BIGINT NOT NULL,
    incarnation BIGINT NOT NULL
);
