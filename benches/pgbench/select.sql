-- What GET reads: a customer by primary key, with the address.
\set id random(1, :customers)
SELECT c.version, c.email, c.first_name, c.last_name, c.slug, c.date_of_birth, a.street_address, a.postal_code, a.city, a.state, a.country FROM customers c LEFT JOIN addresses a ON a.customer_id = c.id WHERE c.id = :id;
