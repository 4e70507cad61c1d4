-- Signed heads of peers: the newest for each header that a peer named. What was kept for each day before
-- counts as older than any of them. The earlier table stays for servers of the version before, which may
-- still run on this database.

CREATE TABLE signed_head (
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    point        TEXT   NOT NULL,
    signed_at    BIGINT NOT NULL,
    document     TEXT   NOT NULL,
    PRIMARY KEY (hosted, counterparty, transfer, point)
);
INSERT INTO signed_head (hosted, counterparty, transfer, point, signed_at, document)
    SELECT hosted, counterparty, transfer, day, 0, document FROM peer_head;
