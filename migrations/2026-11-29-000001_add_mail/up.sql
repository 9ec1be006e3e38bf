-- When the customer proved to read the mailbox; null where the email was never verified, or changed since.
ALTER TABLE customers ADD COLUMN email_verified_at TIMESTAMP;

-- Links in mails that a customer can still use. A link is deleted when it is used, or ends.
CREATE TABLE links (
    -- The id of the outbox row that mails the link.
    id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY,
    customer_id BIGINT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    -- SHA-256 of the secret part of the link, in base64url.
    hash TEXT NOT NULL,
    -- The email that the link switches to, if any.
    email TEXT,
    -- Whether that email was verified before a change that the link reverts.
    was_verified BOOLEAN NOT NULL DEFAULT FALSE,
    expires_at TIMESTAMP NOT NULL
);

CREATE INDEX links_customer_id_idx ON links (customer_id);
CREATE INDEX links_expires_at_idx ON links (expires_at);

-- What is to be delivered. A row is written in the transaction of its cause and deleted when it is delivered.
CREATE TABLE outbox (
    -- Microseconds since 1970 and random low bits, so that ids sort by time.
    id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY,
    -- Null where the customer is not known yet, or not any more.
    customer_id BIGINT REFERENCES customers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    -- JSON, depending on the kind. Empty once delivery has failed for good.
    content TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When to deliver it next; null once delivery has failed for good. A thread that begins to deliver a row moves this time
    -- forward, so that no other thread takes the row, and another one does if the first dies.
    due_at TIMESTAMP,
    -- Why the last attempt failed, without personal data.
    error TEXT
);

CREATE INDEX outbox_customer_id_idx ON outbox (customer_id);
CREATE INDEX outbox_due_at_idx ON outbox (due_at);

-- PostgreSQL alone, as in the migration `vacuum_erased_rows`.
/* /* */ -- */ ALTER TABLE links SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
/* /* */ -- */ ALTER TABLE outbox SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
