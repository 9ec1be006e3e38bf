-- When the operator disabled the account. It cannot be used until it is enabled again.
ALTER TABLE customers ADD COLUMN disabled_at TIMESTAMP;
