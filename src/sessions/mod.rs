//! Sessions: sign-ins, the tokens they yield, and the passwords they begin with.

mod body;
mod hashing;
pub mod keys;
mod model;
mod networks;
pub mod password;
mod queries;
pub mod refresh;
pub mod routes;
pub mod secret;
mod signatures;
mod strength;
pub mod token;

pub use hashing::is_importable;
pub use model::SessionId;
pub(crate) use queries::{set_password, sweep};
