-- PostgreSQL alone: SQLite reads the lines below as comments, because comments do not nest there.
--
-- What is erased or replaced stays in the table until a vacuum. By default one comes when a fifth of the rows are dead, in
-- a shop without much traffic after months. Here it comes with the next round of autovacuum (`autovacuum_naptime`, a
-- minute), and takes what the indexes hold of the row too, which vacuum leaves there as long as it is little.
/* /* */ -- */ ALTER TABLE customers SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
/* /* */ -- */ ALTER TABLE addresses SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
/* /* */ -- */ ALTER TABLE passwords SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
/* /* */ -- */ ALTER TABLE sessions SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, vacuum_index_cleanup = on);
