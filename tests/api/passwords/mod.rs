//! Passwords: which may be set, how they are stored, and the threads that hash them.

mod hashes;
mod rules;
mod threads;
