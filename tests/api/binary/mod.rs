//! The real binary: its commands, its exit codes, its signals.

mod commands;
mod configuration;
mod hanging;
mod log;
mod migrate;
mod serve;
mod signals;
