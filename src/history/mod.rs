//! The history of accounts: what happened to each, when and from where. It holds no values and no names of customers.
//!
//! A row is written in the transaction of the change that it tells, with the kind of an [`crate::events::Event`]; it is kept
//! for `history.days` and goes with its customer. Changes of a profile and refreshes have no row: they are frequent, and
//! the log has them.

mod caller;
mod entry;
mod page;
mod queries;
pub(crate) mod routes;
mod rows;

pub use self::caller::Caller;
pub(crate) use self::entry::{Entry, HistoryEntry};
pub(crate) use self::page::PARAMETERS;
pub(crate) use self::queries::{of_customer, sweep};
pub(crate) use self::rows::{add, add_all};
