-- What happened to accounts, for their owners and for support: no values and no names of customers. A row is written in the
-- transaction of what it tells, is swept after `history.days`, and goes with its customer.
CREATE TABLE history (
    -- Microseconds since 1970 and random low bits: ids sort by time, and tell the sweep what is old.
    id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY,
    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    -- May have ended since.
    session_id BIGINT,
    -- Written as 198.51.100.0/24 and 2001:db8::/48.
    network TEXT,
    user_agent TEXT,
    -- Who ran the command, as `--by` said.
    actor TEXT
);

CREATE INDEX history_customer_id_idx ON history (customer_id, id);

-- PostgreSQL alone, as in the migration `vacuum_erased_rows`.
/* /* */ -- */ ALTER TABLE history SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
