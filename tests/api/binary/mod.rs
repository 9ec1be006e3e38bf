//! The real binary: its commands, its exit codes, its signals (contract, sections 5 and 6).

mod commands;
mod configuration;
mod migrate;
mod serve;
mod signals;
