//! The account pages: what customers need to manage their accounts, without a storefront.
//!
//! A page is a template that is rendered here; every flow works without scripts. Forms are handled like requests to the
//! API: the fields become the JSON of a [`crate::http::Body`], and the same functions do the work. Errors are shown
//! beside the fields.
//!
//! The customer is known by a cookie, which `http::guard` turns into an [`crate::http::OwnedCustomer`]. The API takes
//! no cookie, and `frame` refuses forms that another site sends.

mod assets;
mod carried;
mod countries;
mod dates;
mod destination;
mod devices;
mod email;
mod erase;
mod export;
mod fields;
mod forgot;
mod form;
mod frame;
mod history;
mod links;
mod messages;
mod overview;
mod password;
mod profile;
mod register;
mod renderer;
pub mod routes;
mod sessions;
mod sign_in;
mod sign_out;
mod templates;
mod visit;

pub use self::renderer::Pages;
