//! Sessions: sign-ins, the tokens they yield, and the passwords they begin with.

mod model;
pub mod secret;
pub mod token;

pub use model::SessionId;
