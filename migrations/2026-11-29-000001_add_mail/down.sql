DROP TABLE outbox;
DROP TABLE links;
ALTER TABLE customers DROP COLUMN email_verified_at;
