//! Where a customer goes after signing in: to a page here, to the shop's address in `return_to`, or to the overview.

use url::form_urlencoded::{Serializer, parse};

use super::form::Form;
use super::renderer::Pages;

/// The overview.
pub(super) const OVERVIEW: &str = "/account/";
/// Where to sign in.
pub(super) const SIGN_IN: &str = "/account/sign-in";

/// The pages that can be gone to after signing in, by the last part of their paths.
const NEXT: [&str; 7] = ["email", "erase", "export", "history", "password", "profile", "sessions"];

/// Where to go after signing in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Destination {
    /// A page here.
    pub(super) next: Option<&'static str>,
    /// An address that `pages.return_urls` permits.
    pub(super) return_to: Option<String>,
}

impl Destination {
    /// Reads a query. Anything that is not permitted is ignored.
    pub(super) fn of_query(pages: &Pages, query: &str) -> Self {
        let value = |wanted: &str| parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value);
        Self::new(pages, value("next").as_deref(), value("return_to").as_deref())
    }

    /// Takes the destination out of a form.
    pub(super) fn of_form(pages: &Pages, form: &mut Form) -> Self {
        let (next, return_to) = (form.take("next"), form.take("return_to"));
        Self::new(pages, next.as_deref(), return_to.as_deref())
    }

    fn new(pages: &Pages, next: Option<&str>, return_to: Option<&str>) -> Self {
        let next = next.and_then(|wanted| NEXT.into_iter().find(|known| *known == wanted));
        Self { next, return_to: return_to.and_then(|address| pages.permitted(address)) }
    }

    /// Returns the page that is below `/account/`, if it can be gone to.
    pub(super) fn page(path: &str) -> Option<&'static str> {
        let name = path.strip_prefix(OVERVIEW)?.trim_end_matches('/');
        NEXT.into_iter().find(|known| *known == name)
    }

    /// Returns the parts for hidden inputs or a query.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let next = self.next.map(|next| ("next", next));
        next.into_iter().chain(self.return_to.as_deref().map(|address| ("return_to", address)))
    }

    /// Returns where to go: to the page here first.
    pub(super) fn address(&self) -> String {
        match (self.next, &self.return_to) {
            (Some(next), _) => format!("{OVERVIEW}{next}"),
            (None, Some(address)) => address.clone(),
            (None, None) => OVERVIEW.to_owned(),
        }
    }
}

/// Returns a path with a query.
pub(super) fn with_query<'a>(path: &str, pairs: impl Iterator<Item = (&'static str, &'a str)>) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
