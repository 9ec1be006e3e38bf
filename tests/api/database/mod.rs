//! The database: batches, races, locks that others hold, and outages.

mod batching;
mod held_up;
mod outage;
mod outage_shapes;
mod races;
mod sqlite_files;
