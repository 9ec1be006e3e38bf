//! The profile and the address of a customer.

mod addresses;
mod bodies;
mod conditional;
mod content_location;
mod disabled;
mod emails;
mod erasure;
mod erasure_traces;
mod history;
mod members;
mod merge_patch;
mod personal_data;
mod registration;
mod seed;
mod slugs;
