//! The history of accounts: what happened, when, and from where. It contains no values and no names of customers.
//!
//! A row is written in the transaction of the change that it records. Its kind is the name of a
//! [`crate::events::Event`]. It is kept for `history.days` and is erased with its customer. Changes of the profile and
//! refreshes have no row because they are frequent.

mod caller;
mod entry;
mod owner;
mod page;
mod queries;
pub(crate) mod routes;
mod rows;

pub use self::caller::Caller;
pub(crate) use self::entry::{Entry, HistoryEntry};
pub(crate) use self::page::{PARAMETERS, Page};
pub(crate) use self::queries::{of_customer, sweep};
pub(crate) use self::rows::{add, add_all};
