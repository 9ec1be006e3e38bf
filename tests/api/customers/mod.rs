//! The profile and the address of a customer.

mod addresses;
mod bodies;
mod conditional;
mod content_location;
mod emails;
mod erasure;
mod erasure_traces;
mod members;
mod merge_patch;
mod registration;
mod seed;
mod slugs;
