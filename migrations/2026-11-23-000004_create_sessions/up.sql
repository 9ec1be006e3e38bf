-- A session is one sign-in. Ending it is deleting its row: every statement about a customer looks for it.
CREATE TABLE sessions (
    id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY,
    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    -- The counter of the newest refresh token; tokens themselves are derived, never stored.
    counter BIGINT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    refreshed_at TIMESTAMP NOT NULL,
    -- The end that no refresh moves.
    ends_at TIMESTAMP NOT NULL,
    user_agent TEXT
);

CREATE INDEX sessions_customer_id_idx ON sessions (customer_id);
-- For the sweep of what expired.
CREATE INDEX sessions_refreshed_at_idx ON sessions (refreshed_at);
