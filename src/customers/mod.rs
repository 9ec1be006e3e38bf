//! Customers: the profile, its one address, and the rules for both.

mod change;
mod country;
mod email;
mod email_throttle;
mod etag;
mod model;
mod postal_code;
mod queries;
mod read;
mod registration;
pub mod routes;
mod slug;
mod stored;
mod text;
mod transfer;
mod update;

pub use change::{AddressChange, AddressMembers, Change, MergePatch, Name, NewCustomer, Replacement, date_of_birth};
pub use email::Email;
pub use model::{Address, Customer, CustomerId, Versioned};
pub(crate) use model::{ID_LIMIT, parse_id};
pub use postal_code::PostalCode;
pub use queries::{NewRow, create, erase_by_id, insert_at, insert_rows};
pub use read::{Reads, find_by_id, find_many};
pub use slug::form as slug_form;
pub use transfer::{CHUNK, ExportLine, Fate, ImportLine, Seen, export, import};
pub use update::{Done, Update, Updates};
