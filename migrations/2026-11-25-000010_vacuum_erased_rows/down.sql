-- PostgreSQL alone, as in up.sql.
/* /* */ -- */ ALTER TABLE sessions RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, vacuum_index_cleanup);
/* /* */ -- */ ALTER TABLE passwords RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, vacuum_index_cleanup);
/* /* */ -- */ ALTER TABLE addresses RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, vacuum_index_cleanup);
/* /* */ -- */ ALTER TABLE customers RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, vacuum_index_cleanup);
