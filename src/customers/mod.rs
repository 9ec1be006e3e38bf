//! Customers: the profile, its one address, and the rules for both.

mod change;
mod country;
mod email;
mod etag;
mod model;
mod postal_code;
mod queries;
mod read;
mod registration;
pub mod routes;
mod slug;
mod text;
mod update;

pub use change::{AddressChange, AddressMembers, Change, MergePatch, Name, Replacement, date_of_birth};
pub use email::Email;
pub use model::{Address, Customer, CustomerId, Versioned};
pub use postal_code::PostalCode;
pub use queries::{NewCustomer, erase_by_id, insert, insert_at, insert_many};
pub use read::{Found, Reads, find_by_id};
pub use update::{Outcome, Update, Updates};
