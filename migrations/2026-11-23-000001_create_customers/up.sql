-- One set of migrations serves SQLite and PostgreSQL: only types that both print alike,
-- no sequence, no default that a database would compute. Ids and times come from the application.
--
-- A primary key has the type BIGINT on PostgreSQL and INTEGER on SQLite, where that word alone makes the key the place of
-- the row (with BIGINT each look-up is two). Comments nest in PostgreSQL and not in SQLite, so that each reads one of
-- the two words (docs/decisions/0012).
CREATE TABLE customers (
    id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY,
    -- Kept as the customer typed it.
    email TEXT NOT NULL,
    -- Local part in lower case, domain as an IDNA A-label: what makes an email unique.
    email_canonical TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    -- The ASCII form of each name. Joined, they are the slug form that decides whether a slug must change.
    first_name_slug TEXT NOT NULL,
    last_name_slug TEXT NOT NULL,
    slug TEXT NOT NULL,
    date_of_birth DATE,
    version BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

CREATE UNIQUE INDEX customers_email_canonical_key ON customers (email_canonical);
CREATE UNIQUE INDEX customers_slug_key ON customers (slug);
