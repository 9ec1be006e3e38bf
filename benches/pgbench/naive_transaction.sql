-- The transaction that an ORM writes when nobody looks: read, update, upsert, commit; five round trips.
\set id random(1, :customers)
\set street random(100000000, 999999999)
\set city random(1000, 9999)
BEGIN;
SELECT id, email, first_name, last_name, slug, date_of_birth, version FROM customers WHERE id = :id;
UPDATE customers SET date_of_birth = '1990-01-15', version = version + 1, updated_at = now() AT TIME ZONE 'UTC' WHERE id = :id;
INSERT INTO addresses (customer_id, street_address, postal_code, city, state, country) VALUES (:id, :street || ' Oak Avenue', '54321', 'Los Angeles ' || :city, 'California', 'United States') ON CONFLICT (customer_id) DO UPDATE SET street_address = excluded.street_address, postal_code = excluded.postal_code, city = excluded.city, state = excluded.state, country = excluded.country;
COMMIT;
