//! What operators rely on: the edge that every reply passes, logging, health.

pub mod edge;
pub mod events;
pub mod health;
pub mod logging;
