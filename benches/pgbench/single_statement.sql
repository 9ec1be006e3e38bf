-- The best single statement for what PUT does: one round trip, one commit, kept prepared (pgbench -M prepared).
\set id random(1, :customers)
\set street random(100000000, 999999999)
\set city random(1000, 9999)
WITH customer AS (UPDATE customers SET date_of_birth = '1990-01-15', version = version + 1, updated_at = now() AT TIME ZONE 'UTC' WHERE id = :id RETURNING id, email, first_name, last_name, slug, date_of_birth, version), address AS (INSERT INTO addresses (customer_id, street_address, postal_code, city, state, country) SELECT id, :street || ' Oak Avenue', '54321', 'Los Angeles ' || :city, 'California', 'United States' FROM customer ON CONFLICT (customer_id) DO UPDATE SET street_address = excluded.street_address, postal_code = excluded.postal_code, city = excluded.city, state = excluded.state, country = excluded.country RETURNING street_address, postal_code, city, state, country) SELECT * FROM customer, address;
