//! The rules of a profile's members: each parses, normalises and names what is wrong.

mod birth_date;
pub(super) mod country;
mod email;
mod name;
mod postal_code;
pub(crate) mod slug;
pub(super) mod text;

pub use self::birth_date::date_of_birth;
pub use self::email::Email;
pub use self::name::Name;
pub use self::postal_code::PostalCode;
