-- What happened to accounts, for their owners and for support. It contains no values and no names of customers. A row is
-- written in the transaction of the change that it records, and is deleted after `history.days` and with its customer.
CREATE TABLE history (
    -- Microseconds since 1970 and random low bits: ids sort by time, and old rows are found by them.
    id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY,
    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    -- The session may have ended.
    session_id BIGINT,
    -- Written as 198.51.100.0/24 and 2001:db8::/48.
    network TEXT,
    user_agent TEXT,
    -- Who ran the command, as given by `--by`.
    actor TEXT
);

CREATE INDEX history_customer_id_idx ON history (customer_id, id);

-- PostgreSQL alone, as in the migration `vacuum_erased_rows`.
/* /* */ -- */ ALTER TABLE history SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
