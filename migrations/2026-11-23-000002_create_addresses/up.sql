-- At most one address a customer; it goes when the customer goes.
CREATE TABLE addresses (
    customer_id /* /* */ INTEGER -- */ BIGINT
        NOT NULL PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    street_address TEXT NOT NULL,
    -- Text, so that leading zeros and letters survive.
    postal_code TEXT,
    city TEXT NOT NULL,
    state TEXT,
    country TEXT NOT NULL
);
