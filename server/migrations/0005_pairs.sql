-- What each authority knows of a peer's memory, and cases that an officer has to confirm after a restore.

CREATE TABLE pair (
    hosted        TEXT   NOT NULL,
    counterparty  TEXT   NOT NULL,
    own           BIGINT NOT NULL,
    seen          BIGINT NOT NULL,
    read_under    BIGINT NOT NULL,
    doubts        BIGINT NOT NULL,
    settled       BIGINT NOT NULL,
    reconciled_at BIGINT,
    failure       TEXT,
    PRIMARY KEY (hosted, counterparty)
);

CREATE TABLE confirmation (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    incarnation  BIGINT NOT NULL,
    confirmed_at BIGINT,
    PRIMARY KEY (hosted, counterparty, transfer, incarnation)
);
