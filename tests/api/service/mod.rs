//! What holds for every request, and the routes that belong to no customer.

mod access;
mod decisions;
mod description;
mod docs;
mod edge;
mod events;
mod health;
mod one_account;
mod openapi;
mod overload;
mod paths;
mod slow_clients;
mod throttling;
mod typed_client;
