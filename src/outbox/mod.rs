//! The outbox: what is to be delivered, written in the transaction of its cause.
//!
//! A crash therefore loses nothing, and nothing is delivered for a change that did not happen. One thread of each instance
//! delivers what is due. Several instances share the work: a row that one of them delivers is not due for the others.

mod addressee;
mod delivery;
mod ended_links;
mod held;
mod jobs;
mod mail;
pub(crate) mod operator;
mod prepared;
mod queries;
mod rows;
mod upkeep;
mod worker;

pub(crate) use self::delivery::Delivery;
pub(crate) use self::ended_links::end_links;
pub(crate) use self::held::{Held, forget_changes, forget_requests, held, replace_changes};
pub(crate) use self::mail::Mail;
pub(crate) use self::rows::{add, add_all};
pub(crate) use self::worker::Parts;
