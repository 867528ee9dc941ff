-- Version 1. What is in an entry is a matter of the library: the other columns find and sort entries.
-- Run as one transaction, as often as wanted: it creates what is missing.

-- Two processes that create a table at once would fail.
SELECT pg_advisory_xact_lock(hashtextextended('reqwest_safe_retry_schema', 0));

CREATE TABLE IF NOT EXISTS reqwest_safe_retry_journal (
    -- "C": compared by bytes, so that an update of the system's locales does not harm the primary key.
    service text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    -- Milliseconds since the Unix epoch.
    in_doubt_from bigint,
    purge_from bigint,
    -- JSON, as it was written.
    entry text COLLATE "C" NOT NULL,
    PRIMARY KEY (service, scope, operation)
);

CREATE INDEX IF NOT EXISTS reqwest_safe_retry_journal_in_doubt
    ON reqwest_safe_retry_journal (in_doubt_from) WHERE in_doubt_from IS NOT NULL;

CREATE INDEX IF NOT EXISTS reqwest_safe_retry_journal_purge
    ON reqwest_safe_retry_journal (purge_from) WHERE purge_from IS NOT NULL;

CREATE TABLE IF NOT EXISTS reqwest_safe_retry_schema (version bigint NOT NULL);

INSERT INTO reqwest_safe_retry_schema (version)
    SELECT 1 WHERE NOT EXISTS (SELECT FROM reqwest_safe_retry_schema);
