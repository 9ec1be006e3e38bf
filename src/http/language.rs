//! The languages of mails and pages, and which of them a client prefers (RFC 9110 §12.5.4).

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT_LANGUAGE;
use serde::{Deserialize, Serialize};

/// A language that mails and pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 4] = [Self::En, Self::De, Self::Fr, Self::Es];

    /// Returns the language tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
        }
    }

    /// Returns the language with a tag.
    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// Returns the language that the request prefers, or English if it names none of ours.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let header = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self::preferred(header.unwrap_or_default())
    }

    /// Returns the language with the highest quality in the value of `Accept-Language`, the first of them if several
    /// have it.
    fn preferred(header: &str) -> Self {
        let mut best = (0.0, Self::default());
        for range in header.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let Some(language) = Self::ALL.into_iter().find(|known| known.tag().eq_ignore_ascii_case(primary)) else {
                continue;
            };
            let quality =
                parameters.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.trim().parse::<f32>().ok());
            if let Some(quality) = quality.filter(|quality| *quality > best.0) {
                best = (quality, language);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_preferred_language_of_ours_is_chosen() {
        for (header, expected) in [
            ("", Language::En),
            ("de", Language::De),
            ("de-AT,de;q=0.9,en;q=0.8", Language::De),
            ("nl, fr;q=0.7, es;q=0.8", Language::Es),
            ("FR-ca", Language::Fr),
            ("ja,*;q=0.5", Language::En),
            ("en;q=0.1, de ; q=0.2", Language::De),
            ("de;q=0, es;q=nan, fr;q=", Language::En),
            ("deu, esx", Language::En),
        ] {
            assert_eq!(Language::preferred(header), expected, "{header}");
        }
    }
}
