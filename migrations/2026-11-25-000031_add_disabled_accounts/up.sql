-- When the operator disabled the account. Nobody can use one until it is enabled again.
ALTER TABLE customers ADD COLUMN disabled_at TIMESTAMP;
