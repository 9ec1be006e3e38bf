//! Passwords: their rules, their hashes, the threads that compute them, and the change of a password.

pub(crate) mod change;
pub(crate) mod current;
mod hash;
mod imported;
mod queries;
mod strength;
mod threads;
mod value;

pub use self::hash::check_importable;
pub use self::threads::{Client, Passwords, Verified};
pub use self::value::Password;
pub(crate) use self::value::{ANY_PASSWORD, NEW_PASSWORD};
