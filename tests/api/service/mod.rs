//! What holds for every request, and the routes that belong to no customer.

mod access;
mod browsers;
mod cors;
mod decisions;
mod description;
mod docs;
mod edge;
mod events;
mod health;
mod metrics;
mod one_account;
mod openapi;
mod overload;
mod paths;
mod prometheus;
mod slow_clients;
mod throttling;
mod typed_client;
