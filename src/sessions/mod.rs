//! Sessions: signing in, refreshing, listing and ending.

pub(crate) mod body;
mod model;
mod networks;
mod queries;
pub(crate) mod routes;

pub(crate) use self::model::SessionInfo;
pub use self::model::{Lifetimes, SignInRules};
pub(crate) use self::networks::Networks;
pub(crate) use self::queries::{Ending, end_all_of, hold, sweep, touch};
