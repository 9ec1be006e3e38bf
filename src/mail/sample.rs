//! Samples of all mails, to check templates with.

use super::kind::Kind;
use super::values::Values;
use crate::http::Language;

/// Returns every kind in every language, with and without a name.
pub(super) fn all() -> impl Iterator<Item = (Kind, Language, Values)> {
    let named = [None, Some("Ada".to_owned())];
    let kinds = Kind::ALL.into_iter().flat_map(|kind| Language::ALL.map(|language| (kind, language)));
    kinds.flat_map(move |(kind, language)| named.clone().map(|name| (kind, language, values(kind, name))))
}

/// Returns the values that a mail of this kind has.
pub(super) fn values(kind: Kind, name: Option<String>) -> Values {
    Values {
        name,
        link: kind.page().map(|page| format!("https://shop.example/account/{page}?token=1.a-b_c")),
        network: (kind == Kind::NewNetwork).then(|| "198.51.100.0/24".to_owned()),
    }
}
