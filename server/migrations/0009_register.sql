-- The children whom a hosted authority knows. A child is a row for each version: the one in force is that of the
-- newest import that is committed, unless it says that the child was removed. What an import stages is seen by nobody
-- until its number is written into register_state, which takes one short transaction, however large the import.
-- Versions that are in force no more are gone of all imports up to swept, changes up to forgotten.

CREATE TABLE register_state (
    hosted      TEXT   NOT NULL PRIMARY KEY,
    committed   BIGINT NOT NULL,
    last_import BIGINT NOT NULL,
    last_child  BIGINT NOT NULL,
    last_change BIGINT NOT NULL,
    swept       BIGINT NOT NULL,
    forgotten   BIGINT NOT NULL
);

-- What was done to the register, when and from what. Times are milliseconds since 1970, as_of is a date.
CREATE TABLE register_import (
    hosted       TEXT   NOT NULL,
    import       BIGINT NOT NULL,
    source       TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    as_of        TEXT   NOT NULL,
    began_at     BIGINT NOT NULL,
    committed_at BIGINT,
    added        BIGINT NOT NULL,
    changed      BIGINT NOT NULL,
    confirmed    BIGINT NOT NULL,
    removed      BIGINT NOT NULL,
    rejected     BIGINT NOT NULL,
    PRIMARY KEY (hosted, import)
);
CREATE INDEX register_import_of_source ON register_import (hosted, source, import);

-- Lists (former_family_names, also_known_as, former_upns) are JSON. The place counts the changes of an import, from 1.
-- A removed child keeps its number and nothing else.
CREATE TABLE register_child (
    hosted              TEXT   NOT NULL,
    child               BIGINT NOT NULL,
    import              BIGINT NOT NULL,
    kind                TEXT   NOT NULL,
    place               BIGINT,
    source              TEXT   NOT NULL,
    reference           TEXT,
    digest              TEXT,
    given_name          TEXT,
    middle_names        TEXT,
    family_name         TEXT,
    former_family_names TEXT,
    also_known_as       TEXT,
    date_of_birth       TEXT,
    sex                 TEXT,
    upn                 TEXT,
    former_upns         TEXT,
    nhs_number          TEXT,
    uln                 TEXT,
    postcode            TEXT,
    urn                 TEXT,
    laestab             TEXT,
    shielded            BIGINT NOT NULL,
    PRIMARY KEY (hosted, child, import)
);
CREATE INDEX register_child_by_reference ON register_child (hosted, source, reference, import);
CREATE INDEX register_child_by_change ON register_child (hosted, import, place);

-- Flags that an officer set. They outlive the row: a child who drops out of a source and comes back is still shielded.
CREATE TABLE register_shield (
    hosted      TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    reference   TEXT   NOT NULL,
    shielded_at BIGINT NOT NULL,
    PRIMARY KEY (hosted, source, reference)
);

-- The changes, in the order in which they came into force: a row for an import with all its changes, from first_change
-- to last_change, or for one child whose flag an officer changed.
CREATE TABLE register_change (
    hosted       TEXT   NOT NULL,
    last_change  BIGINT NOT NULL,
    first_change BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    import       BIGINT NOT NULL,
    child        BIGINT,
    PRIMARY KEY (hosted, last_change)
);
