//! Customers: the profile with its address, and the rules for both.

mod change;
mod email_throttle;
mod export;
pub(crate) mod fields;
mod holders;
mod import;
mod model;
mod personal_data;
mod queries;
mod read;
mod registration;
pub(crate) mod routes;
mod stored;
pub mod support;
mod update;

pub use self::change::{AddressChange, AddressMembers, Change, NewCustomer, PatchCustomer, PutCustomer};
pub use self::export::{ExportLine, export};
pub use self::fields::slug::form as slug_form;
pub use self::fields::{Email, Name, PostalCode, date_of_birth};
pub use self::import::{CHUNK, ImportLine, ImportOutcome, ImportedSoFar, import};
pub use self::model::{Address, Customer, Versioned};
pub(crate) use self::personal_data::PersonalData;
pub use self::queries::{NewRow, create, erase_by_id, insert_at, insert_rows};
pub(crate) use self::read::find_owned;
pub use self::read::{Reads, find_by_id, find_many};
pub(crate) use self::registration::Registration;
pub use self::update::{Done, EmailChange, Update, Updates};
