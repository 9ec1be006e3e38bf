//! Addresses of senders and recipients.

use lettre::Address;
use lettre::message::Mailbox;

use crate::customers::fields::canonical_domain;

/// Returns the address to which mail for an email goes: the domain as an A-label, and the local part as typed.
///
/// # Errors
/// The text is no email.
pub(super) fn recipient(email: &str) -> Result<Address, String> {
    let invalid = || "the email is not one that mail can be sent to".to_owned();
    let (local, domain) = email.rsplit_once('@').ok_or_else(invalid)?;
    let domain = canonical_domain(domain).ok_or_else(invalid)?;
    if local.is_empty() || !local.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\(),:;<>@[]".contains(&byte)) {
        return Err(invalid());
    }
    // What browsers accept as an email and SMTP does not (RFC 5321 §4.1.2) must be quoted there.
    let is_dotted = local.split('.').all(|atom| !atom.is_empty());
    let local = if is_dotted { local.to_owned() } else { format!("\"{local}\"") };
    Ok(Address::new(&local, &domain).unwrap_or_else(|_| Address::new_dangerous(&local, &domain)))
}

/// Reads a sender: an address, or a name and an address in angle brackets. `name` is for one without.
///
/// # Errors
/// The text is no sender.
pub(super) fn sender(text: &str, name: &str) -> Result<Mailbox, String> {
    let invalid = || "mail.from takes an address such as `Shop <accounts@shop.example>`".to_owned();
    if text.chars().any(char::is_control) {
        return Err(invalid());
    }
    let (given, address) = match text.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((given, address)) => (given.trim().trim_matches('"'), address),
        None => ("", text.trim()),
    };
    let name = if given.is_empty() { name } else { given };
    Ok(Mailbox::new(Some(name.to_owned()).filter(|name| !name.is_empty()), recipient(address).map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_goes_to_the_canonical_domain_and_the_local_part_as_typed() {
        for (email, expected) in [
            ("John@example.com", "John@example.com"),
            ("o'brien+shop@Bücher.Example", "o'brien+shop@xn--bcher-kva.example"),
            ("a..b.@example.com", "\"a..b.\"@example.com"),
            ("john@localhost", "john@localhost"),
            ("a@ab--cd.example", "a@ab--cd.example"),
        ] {
            assert_eq!(recipient(email).as_ref().map(AsRef::as_ref), Ok(expected));
        }
        let long = format!("{}@example.com", "a".repeat(100));
        assert_eq!(recipient(&long).as_ref().map(AsRef::as_ref), Ok(long.as_str()));
        for email in ["", "a", "@b.example", "a@", "a\r\nb@c.example", "a>b@c.example", "a@b\nc", "ä@b.example"] {
            assert!(recipient(email).is_err(), "{email:?}");
        }
    }

    #[test]
    fn a_sender_has_a_name_or_gets_the_shops() {
        for (text, expected) in [
            ("accounts@shop.example", "Shop <accounts@shop.example>"),
            ("<accounts@shop.example>", "Shop <accounts@shop.example>"),
            ("Bücher <a@bücher.example>", "Bücher <a@xn--bcher-kva.example>"),
            ("\"Shop, Inc.\" <a@shop.example>", "\"Shop, Inc.\" <a@shop.example>"),
        ] {
            assert_eq!(sender(text, "Shop").map(|sender| sender.to_string()).as_deref(), Ok(expected));
        }
        for text in ["", "shop", "Shop <shop>", "Shop <a@b.example", "Shop\r\nBcc: x <a@b.example>"] {
            assert!(sender(text, "Shop").is_err(), "{text:?}");
        }
    }
}
