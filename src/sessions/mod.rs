//! Access tokens and the secret that signs them.

pub mod secret;
pub mod token;
