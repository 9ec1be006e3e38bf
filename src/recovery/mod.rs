//! Recovering an account, and proving a mailbox: what the links in mails do, and the change of an email that is confirmed by one.
//!
//! A mail with a link is a row of the outbox; whoever sends it makes the link's row. Only the link of a requested change of the
//! email is made with the request, because it holds the new email. A link that is used is deleted in the transaction of its
//! effect, so of several requests with one link only one has an effect.

pub(crate) mod body;
mod claims;
pub(crate) mod email;
pub(crate) mod links;
mod pending;
mod queries;
pub(crate) mod routes;
pub(crate) mod support;
