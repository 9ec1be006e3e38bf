//! The database: batches, races, locks that others hold, and outages.

mod batching;
mod held_up;
mod outage;
mod outage_shapes;
mod races;
mod read_only;
mod sqlite_files;
mod sqlite_moved;
mod sqlite_volumes;
