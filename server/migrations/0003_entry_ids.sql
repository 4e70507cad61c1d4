-- An entry id serves one decision of a pair: it is looked up across the pair's ledgers.

CREATE INDEX entry_of_pair ON entry (hosted, counterparty, id);
