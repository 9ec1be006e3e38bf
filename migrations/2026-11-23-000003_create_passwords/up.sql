-- Apart from the profile, so that no query about a profile can show a hash.
CREATE TABLE passwords (
    customer_id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    -- PHC string format, or Django's pbkdf2_sha256$… until the next sign-in.
    hash TEXT NOT NULL,
    changed_at TIMESTAMP NOT NULL
);
