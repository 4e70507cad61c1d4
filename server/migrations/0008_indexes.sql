-- What an arriving entry, a page of heads and the operator's pages look up, each with an index that leads
-- straight to it, however many entries two authorities share. One index over ids serves both questions about
-- them: beside two, SQLite answered one of them by walking through every entry of the pair.

CREATE UNIQUE INDEX entry_by_pair_and_id ON entry (hosted, counterparty, id, transfer);
DROP INDEX entry_by_id;
DROP INDEX entry_of_pair;

CREATE INDEX ledger_by_pair_and_change ON ledger (hosted, counterparty, changed);
CREATE INDEX ledger_that_follows ON ledger (hosted, preceded_by) WHERE preceded_by IS NOT NULL;
