//! The real binary: its commands, its exit codes, its signals.

mod backup;
mod commands;
mod configuration;
mod csv;
mod hanging;
mod import_export;
mod large_imports;
mod load_scripts;
mod log;
mod migrate;
mod operator_accounts;
mod secrets;
mod serve;
mod signals;
mod support;
