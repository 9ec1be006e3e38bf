//! The rules of a profile's members. Each parses and normalises a value, or says what is wrong with it.

mod birth_date;
mod country;
mod email;
mod name;
mod postal_code;
pub(crate) mod slug;
mod text;

pub(crate) use self::birth_date::DATE_OF_BIRTH;
pub use self::birth_date::date_of_birth;
pub(crate) use self::country::COUNTRY;
pub use self::email::Email;
pub(crate) use self::email::{EMAIL, canonical_domain};
pub use self::name::Name;
pub(crate) use self::name::{FIRST_NAME, LAST_NAME};
pub(crate) use self::postal_code::POSTAL_CODE;
pub use self::postal_code::PostalCode;
pub(crate) use self::text::{CITY, STATE, STREET_ADDRESS, normalise};
