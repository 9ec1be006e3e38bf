//! The transport below the framework: deadlines, bounds on memory, and replies where the framework has no body for them.
//!
//! actix-http times only the first head of a connection, reads from clients that take no replies, and reads a body that
//! nobody wants for as long as it lasts. [`Deadlines`] wraps each accepted stream, counts bytes and time, and parses
//! nothing: the middleware tells it through [`Connection`] where requests, bodies and replies end.

mod connection;
mod deadlines;
mod last_reply;

pub use self::connection::{Connection, Timeouts};
pub use self::deadlines::{Deadlines, Stop};
