//! The real binary: its commands, its exit codes, its signals.

mod commands;
mod configuration;
mod hanging;
mod load_scripts;
mod log;
mod migrate;
mod secrets;
mod serve;
mod signals;
