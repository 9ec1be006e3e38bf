//! The account pages, as a browser without scripts uses them.

mod access;
mod bad_input;
mod carried;
mod conflicts;
mod cookies;
mod cross_site;
mod flows;
mod forms;
mod frame;
mod mails;
mod operators;
mod return_to;
mod throttled;
mod visitor;
