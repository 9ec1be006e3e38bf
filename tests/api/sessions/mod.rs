//! Sign-in, tokens and sessions.

mod eddsa;
mod ended;
mod known_networks;
mod lifetimes;
mod list;
mod refresh;
mod sign_in;
mod tokens;
