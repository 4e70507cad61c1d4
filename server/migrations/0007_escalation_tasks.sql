-- Word to the escalation contacts as durable tasks. The table escalation goes on to say what was told, once.
-- Its column clock names what it is about: a clock by its code, or a matter without one (upheld, forked,
-- letter-refused, delivery-refused). Its column due_on tells one occasion from the next: the clock's last day,
-- the letter's id, the entry's place.

ALTER TABLE escalation ADD COLUMN reminders BIGINT NOT NULL DEFAULT 0;
ALTER TABLE escalation ADD COLUMN reminded_at BIGINT;
CREATE INDEX escalation_by_time ON escalation (hosted, told_at);

-- One message to one recipient over one channel, committed with the note that it is about.
CREATE TABLE escalation_task (
    id           TEXT   NOT NULL PRIMARY KEY,
    hosted       TEXT   NOT NULL,
    counterparty TEXT   NOT NULL,
    transfer     TEXT   NOT NULL,
    clock        TEXT   NOT NULL,
    due_on       TEXT   NOT NULL,
    channel      TEXT   NOT NULL,
    recipient    TEXT   NOT NULL,
    document     TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    attempts     BIGINT NOT NULL,
    queued_at    BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    sent_at      BIGINT,
    last_failure TEXT,
    leased_by    TEXT,
    leased_until BIGINT NOT NULL
);
CREATE INDEX escalation_task_by_time ON escalation_task (state, channel, next_at);
CREATE INDEX escalation_task_of_occasion ON escalation_task (hosted, counterparty, transfer, clock, due_on);

-- What a look goes through, without the ledgers that are settled.
CREATE INDEX ledger_with_clocks ON ledger (hosted, changed) WHERE stage <> 'settled';
CREATE INDEX ledger_forked ON ledger (hosted) WHERE forked = 1;
