-- What is put before an officer: deliveries of a peer that were refused here, and clocks that ran out.

CREATE TABLE refused_delivery (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    sequence     BIGINT NOT NULL,
    problem      TEXT   NOT NULL,
    refused_at   BIGINT NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer, sequence)
);

CREATE TABLE escalation (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    clock        TEXT   NOT NULL,
    due_on       TEXT   NOT NULL,
    told_at      BIGINT NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer, clock, due_on)
);
