-- Networks are written as 198.51.100.0/24 and 2001:db8::/48.
--
-- Those that have signed in to the account, the latest first, separated by spaces; a bounded number. Guesses from
-- elsewhere do not hold up who signs in from one of them.
ALTER TABLE passwords ADD COLUMN networks TEXT;
-- The network that refreshed the session last.
ALTER TABLE sessions ADD COLUMN network TEXT;
-- Whether another network has presented the previous refresh token again since then.
ALTER TABLE sessions ADD COLUMN repeated BOOLEAN NOT NULL DEFAULT FALSE;
