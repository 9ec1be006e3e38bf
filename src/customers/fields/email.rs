//! Email addresses. They are stored as typed and are unique by their canonical form.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Schema};

use super::text;
use crate::http::{FieldCode, Params, Rule, Violation};

/// See [`Email::parse`].
pub(crate) static EMAIL: Rule<Email> = Rule { parse: |json| json.text().and_then(Email::parse), schema };

fn schema() -> Schema {
    // Not of the format `email`, which allows a local part of 64 characters only and has other rules for its dots.
    let email = ObjectBuilder::new().schema_type(Type::String).max_length(Some(LONGEST));
    let email = email.description(Some("The syntax of HTML's input type=email; the domain may be internationalised."));
    email.pattern(Some("^[^@]+@[^@]+$")).examples(["john@example.com"]).build().into()
}

/// The longest address, in bytes (RFC 5321 §4.5.3.1.3 less the angle brackets).
const LONGEST: usize = 254;

/// An address in the syntax of HTML's `input type=email`, with its canonical form. Neither contains invisible
/// characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    typed: String,
    canonical: String,
}

impl Email {
    /// Checks an address and derives its canonical form: local part in lower case, domain as an IDNA A-label.
    ///
    /// Drops invisible characters, which often come with pasted text. A joiner can be a significant part of a domain; a
    /// domain with one is stored in its equivalent ASCII form.
    ///
    /// # Errors
    /// `too_short`, `too_long` or `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let visible: String = text.chars().filter(|c| is_joiner(*c) || !text::is_invisible(*c)).collect();
        let mut typed = text::normalise(&visible, 1..=1_000_000)?;
        let malformed = || Violation::new(FieldCode::Format, "This is not an email address.");
        let (local, typed_domain) = typed.rsplit_once('@').ok_or_else(malformed)?;
        if typed.len() > LONGEST {
            return Err(too_long());
        }
        if !is_local_part(local) {
            return Err(malformed());
        }
        let domain = canonical_domain(typed_domain).ok_or_else(malformed)?;
        let canonical = format!("{}@{domain}", local.to_ascii_lowercase());
        if canonical.len() > LONGEST {
            return Err(too_long());
        }
        if typed_domain.contains(is_joiner) {
            typed = format!("{local}@{domain}");
        }
        Ok(Self { typed, canonical })
    }

    /// Returns the address as the customer typed it.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// Returns the form that the unique index compares.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// Returns the form of a domain that the DNS knows, or `None` if it is not one. HTML has the same rule: labels of 1 to 63 letters,
/// digits and inner hyphens.
pub(crate) fn canonical_domain(domain: &str) -> Option<Cow<'_, str>> {
    Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify).ok()
}

/// Returns whether this is a zero-width joiner or non-joiner (RFC 5892 appendix A).
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

fn too_long() -> Violation {
    Violation::limit(
        FieldCode::TooLong,
        "At most 254 bytes are allowed.",
        Params { max: Some(LONGEST.into()), min: None },
    )
}

/// Checks the part before the `@` (HTML, "valid e-mail address").
fn is_local_part(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        Email::parse(text).ok().map(|email| email.canonical)
    }

    #[test]
    fn case_and_script_of_the_domain_make_no_difference() {
        assert_eq!(canonical("John@EXAMPLE.com").as_deref(), Some("john@example.com"));
        assert_eq!(canonical("a@Bücher.example"), canonical("A@xn--bcher-kva.example"));
    }

    #[test]
    fn what_cannot_be_seen_is_neither_kept_nor_compared() {
        for text in ["\u{200b}John@example.com", "John@exam\u{ad}ple.com\u{feff}", "\u{200e} John@\u{2060}example.com"]
        {
            let email = Email::parse(text).expect("an email");
            assert_eq!((email.typed(), email.canonical()), ("John@example.com", "john@example.com"), "{text:?}");
        }
        // The joiner is significant: without it, this is another domain.
        let email = Email::parse("a@نامه\u{200c}ای.example").expect("an email");
        assert_eq!(email.typed(), "a@xn--mgba3gch31f060k.example");
        assert_eq!(email.typed(), email.canonical());
    }

    #[test]
    fn what_html_refuses_is_refused() {
        for text in [
            "",
            "a",
            "a@",
            "@b.example",
            "a b@c.example",
            "a@b..c",
            "a@[127.0.0.1]",
            "ä@b.example",
            "a@-b.example",
            "a@b_c.example",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert!(canonical("o'brien+shop@localhost").is_some());
    }
}
