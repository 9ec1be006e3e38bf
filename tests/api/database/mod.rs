//! The database: batches, races, locks that others hold, and outages.

mod altered_tables;
mod batching;
mod full_disk;
mod held_up;
mod outage;
mod outage_shapes;
mod pooled;
mod postgres_servers;
mod races;
mod read_only;
mod sqlite_files;
mod sqlite_moved;
mod sqlite_volumes;
mod vacuum;
