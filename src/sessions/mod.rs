//! Sessions: signing in, refreshing, listing and ending.

mod body;
mod model;
mod networks;
mod queries;
pub(crate) mod routes;

pub use self::model::Lifetimes;
pub(crate) use self::networks::Networks;
pub(crate) use self::queries::{hold, sweep};
