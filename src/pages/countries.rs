//! The countries to choose from, in the language of the page. What is stored is the English name.

use std::sync::LazyLock;

use deunicode::deunicode;
use minijinja::{Value, context};

use crate::http::Language;

/// English, German, French and Spanish names of the 249 officially assigned countries, from CLDR 48
/// (`cldr-localenames-full`, Unicode License v3, see NOTICE). The English ones are those of
/// `customers/fields/countries.tsv`.
const NAMES: &str = include_str!("countries.tsv");

/// A country: its English name and its name in another language.
type Country = (&'static str, &'static str);

/// By language, each in its order.
static SORTED: LazyLock<[Vec<Country>; 4]> = LazyLock::new(|| Language::ALL.map(sorted));

fn sorted(language: Language) -> Vec<Country> {
    let column = Language::ALL.iter().position(|known| *known == language).unwrap_or_default();
    let rows = NAMES.lines().filter_map(|line| Some((line.split('\t').next()?, line.split('\t').nth(column)?)));
    let mut countries: Vec<Country> = rows.collect();
    // Letters with marks stand among those without.
    countries.sort_by_cached_key(|(_, name)| deunicode(name).to_lowercase());
    countries
}

fn of(language: Language) -> &'static [Country] {
    let [en, de, fr, es] = &*SORTED;
    match language {
        Language::En => en,
        Language::De => de,
        Language::Fr => fr,
        Language::Es => es,
    }
}

/// Returns the name of a stored country in a language, or the stored name where it is none of the list.
pub(super) fn name(language: Language, stored: &str) -> &str {
    of(language).iter().find(|(english, _)| *english == stored).map_or(stored, |(_, name)| name)
}

/// Returns the list to choose from, with the stored name at its end where it is none of the list.
pub(super) fn choices(language: Language, stored: &str) -> Vec<Value> {
    let known = of(language);
    let other = (!stored.is_empty() && known.iter().all(|(english, _)| *english != stored)).then_some((stored, stored));
    known.iter().copied().chain(other).map(|(value, name)| context! { value, name }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_english_names_are_those_that_codes_become() {
        let codes = include_str!("../customers/fields/countries.tsv");
        let expected: Vec<&str> = codes.lines().filter_map(|line| line.split('\t').nth(2)).collect();
        let names: Vec<&str> = NAMES.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(names, expected);
        assert!(NAMES.lines().all(|line| line.split('\t').filter(|name| !name.is_empty()).count() == 4));
    }

    #[test]
    fn countries_have_names_in_the_page_s_language_and_stand_in_its_order() {
        assert_eq!(name(Language::De, "Germany"), "Deutschland");
        assert_eq!(name(Language::Fr, "United States"), "États-Unis");
        assert_eq!(name(Language::Es, "Atlantis"), "Atlantis");
        let names: Vec<&str> = of(Language::De).iter().map(|(_, name)| *name).collect();
        let at = |wanted| names.iter().position(|name| *name == wanted);
        assert!(at("Ägypten") < at("Albanien") && at("Oman") < at("Österreich") && at("Österreich") < at("Pakistan"));
        assert_eq!(choices(Language::De, "Germany").len(), 249);
        assert_eq!(choices(Language::De, "Atlantis").len(), 250);
    }
}
