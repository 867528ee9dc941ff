-- Version 1. What is in an entry is a matter of the library: the other columns find and sort entries.
CREATE TABLE journal (
    service TEXT NOT NULL,
    scope TEXT NOT NULL,
    operation TEXT NOT NULL,
    -- Milliseconds since the Unix epoch.
    in_doubt_from INTEGER,
    purge_from INTEGER,
    -- JSON.
    entry TEXT NOT NULL,
    PRIMARY KEY (service, scope, operation)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_in_doubt ON journal (in_doubt_from) WHERE in_doubt_from IS NOT NULL;

CREATE INDEX journal_purge ON journal (purge_from) WHERE purge_from IS NOT NULL;

PRAGMA user_version = 1;

-- "safe", so that another program's file is told from a journal.
PRAGMA application_id = 0x73616665;
