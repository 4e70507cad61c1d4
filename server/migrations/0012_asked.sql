-- What hosted authorities ask others: a row for what an officer decided, one for each authority that it asks, and
-- the answers. An asking is named by its broadcast, or by its one query.

CREATE TABLE asking (
    hosted         TEXT   NOT NULL,
    asking         TEXT   NOT NULL,
    purpose        TEXT   NOT NULL,
    officer        TEXT   NOT NULL,
    second_officer TEXT,
    to_ring        TEXT   NOT NULL,
    renews         TEXT,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (hosted, asking)
);
CREATE INDEX asking_by_time ON asking (hosted, created_at);

-- One query to one authority. The body is null once it is erased, erase_at null while nobody knows when that will
-- be. What an answer is judged by stays: header and digest, and in which fields a child can agree with the query.
CREATE TABLE asked_query (
    hosted        TEXT   NOT NULL,
    query         TEXT   NOT NULL,
    counterparty  TEXT   NOT NULL,
    asking        TEXT   NOT NULL,
    header        TEXT   NOT NULL,
    header_digest TEXT   NOT NULL,
    body          TEXT,
    signature     TEXT   NOT NULL,
    fields        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    erase_at      BIGINT,
    withdrawn_at  BIGINT,
    withdrawal    TEXT,
    seen          BIGINT NOT NULL,
    PRIMARY KEY (hosted, query)
);
CREATE INDEX asked_query_by_asking ON asked_query (hosted, asking);
CREATE INDEX asked_query_by_time ON asked_query (hosted, created_at);
CREATE INDEX asked_query_by_erasure ON asked_query (erase_at);

CREATE TABLE asked_answer (
    hosted      TEXT   NOT NULL,
    query       TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    answer      TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    stored      TEXT,
    PRIMARY KEY (hosted, query, number)
);
