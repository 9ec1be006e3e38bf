//! The account pages, as a browser uses them: without scripts, and a real one in `browser`.

mod access;
mod bad_input;
mod browser;
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
