ALTER TABLE sessions DROP COLUMN repeated;
ALTER TABLE sessions DROP COLUMN network;
ALTER TABLE passwords DROP COLUMN networks;
