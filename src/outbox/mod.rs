//! The outbox: what is to be delivered, written in the transaction of its cause.
//!
//! A crash therefore loses nothing, and nothing is delivered for a change that did not happen. One thread of each instance
//! delivers what is due. Several instances share the work: a row that one of them delivers is not due for the others.

mod ended_links;
mod held;
mod mail;
mod rows;

pub(crate) use self::ended_links::end_links;
pub(crate) use self::held::{Held, forget_changes_from, held};
pub(crate) use self::mail::Mail;
pub(crate) use self::rows::{add, add_all};
