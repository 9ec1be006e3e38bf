//! The texts of the pages, in all languages.

use std::path::Path;

use minijinja::Value;
use minijinja::value::Serde;
use toml::Table;

use crate::http::{FieldError, Language, Problem};

/// The built-in texts. All languages have the same keys.
const BUILT_IN: [(Language, &str); 4] = [
    (Language::En, include_str!("messages/en.toml")),
    (Language::De, include_str!("messages/de.toml")),
    (Language::Fr, include_str!("messages/fr.toml")),
    (Language::Es, include_str!("messages/es.toml")),
];

/// The texts in one language.
pub(super) struct Messages {
    table: Table,
    /// The same, for templates.
    pub(super) value: Value,
}

/// The texts in all languages.
pub(super) struct AllMessages([Messages; 4]);

impl AllMessages {
    /// Reads the built-in texts, and those of a folder over them: `en.toml` and so on.
    ///
    /// # Errors
    /// One line: a file cannot be read or parsed, or has a text that the pages do not use.
    pub(super) fn load(folder: Option<&Path>) -> Result<Self, String> {
        let [en, de, fr, es] = BUILT_IN.map(|(language, text)| Messages::load(language, text, folder));
        Ok(Self([en?, de?, fr?, es?]))
    }

    /// Returns the texts in a language.
    pub(super) fn of(&self, language: Language) -> &Messages {
        let [en, de, fr, es] = &self.0;
        match language {
            Language::En => en,
            Language::De => de,
            Language::Fr => fr,
            Language::Es => es,
        }
    }
}

/// Returns the name of a language's file.
pub(super) fn file_name(language: Language) -> String {
    format!("{}.toml", language.tag())
}

impl Messages {
    fn load(language: Language, built_in: &str, folder: Option<&Path>) -> Result<Self, String> {
        let name = file_name(language);
        let mut table: Table = built_in.parse().map_err(|error| format!("{name}: {error}"))?;
        if let Some(path) = folder.map(|folder| folder.join(&name)).filter(|path| path.exists()) {
            let failed = |error: String| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            let own: Table = text.parse().map_err(|error: toml::de::Error| failed(error.message().to_owned()))?;
            overlay(&mut table, own, "").map_err(failed)?;
        }
        let value = Value::from(Serde(&table));
        Ok(Self { table, value })
    }

    /// Returns a text, or an empty one where there is none. A test checks that each that is asked for is there.
    pub(super) fn text(&self, section: &str, key: &str) -> &str {
        self.find(&[section, key]).unwrap_or_default()
    }

    /// Returns whether a section has a key.
    pub(super) fn has(&self, section: &str, key: &str) -> bool {
        self.table.get(section).and_then(|values| values.get(key)).is_some()
    }

    /// Returns the names of the months.
    pub(super) fn months(&self) -> impl Iterator<Item = &str> {
        let months = self.table.get("date").and_then(|date| date.get("months")).and_then(toml::Value::as_array);
        months.into_iter().flatten().filter_map(toml::Value::as_str)
    }

    /// Returns what is wrong with a field. `name` is the last part of the field's name.
    pub(super) fn field_error(&self, name: &str, error: &FieldError) -> String {
        let code = code(error);
        let text = self.find(&["errors", name, &code]).or_else(|| self.find(&["errors", "any", &code]));
        let text = text.unwrap_or_else(|| self.text("errors", "form"));
        let params = error.params.clone().unwrap_or_default();
        let number = |value: Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        };
        text.replace("{min}", &number(params.min)).replace("{max}", &number(params.max))
    }

    /// Returns what went wrong, for a form that is shown again.
    pub(super) fn problem(&self, problem: &Problem) -> String {
        if matches!(problem, Problem::BadCredentials) {
            return self.text("sign_in", "failed").to_owned();
        }
        let text = self.find(&["problem", self.problem_key(problem.code(), true), "text"]).unwrap_or_default();
        match problem {
            Problem::TooManyRequests(seconds) => format!("{text} {}", self.retry(*seconds)),
            _ => text.to_owned(),
        }
    }

    /// Returns the key of a problem, or of one that says no more than whose fault it is.
    pub(super) fn problem_key<'a>(&self, code: &'a str, is_clients: bool) -> &'a str {
        match () {
            () if self.has("problem", code) => code,
            () if is_clients => "bad_request",
            () => "internal",
        }
    }

    fn retry(&self, seconds: u32) -> String {
        match minutes(seconds) {
            1 => self.text("next", "retry_one").to_owned(),
            minutes => self.text("next", "retry_other").replace("{minutes}", &minutes.to_string()),
        }
    }

    fn find(&self, path: &[&str]) -> Option<&str> {
        let (first, rest) = path.split_first()?;
        let mut value = self.table.get(*first)?;
        for key in rest {
            value = value.get(key)?;
        }
        value.as_str()
    }
}

/// Returns a waiting time in whole minutes, at least one.
pub(super) fn minutes(seconds: u32) -> u32 {
    seconds.div_ceil(60).max(1)
}

/// Returns the code as replies of the API have it.
fn code(error: &FieldError) -> String {
    match serde_json::to_value(error.code) {
        Ok(serde_json::Value::String(code)) => code,
        _ => String::new(),
    }
}

/// Replaces texts by an operator's own.
fn overlay(table: &mut Table, own: Table, parent: &str) -> Result<(), String> {
    for (key, value) in own {
        let name = format!("{parent}{key}");
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(own)) => overlay(table, own, &format!("{name}."))?,
            (Some(known), value) if known.same_type(&value) => *known = value,
            (Some(known), _) => return Err(format!("{name} must be a {}", known.type_str())),
            (None, _) => return Err(format!("there is no text {name}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(table: &Table, parent: &str, all: &mut Vec<String>) {
        for (key, value) in table {
            let name = format!("{parent}{key}");
            match value {
                toml::Value::Table(table) => keys(table, &format!("{name}."), all),
                toml::Value::String(text) => {
                    let mut placeholders: Vec<&str> =
                        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
                    placeholders.sort_unstable();
                    assert!(!text.trim().is_empty(), "{name} is empty");
                    all.push(format!("{name} {placeholders:?}"));
                }
                other => all.push(format!("{name} {}", other.as_array().map_or(0, Vec::len))),
            }
        }
    }

    #[test]
    fn all_languages_have_the_same_texts_with_the_same_placeholders() {
        let messages = AllMessages::load(None).expect("texts");
        let of = |language| {
            let mut all = Vec::new();
            keys(&messages.of(language).table, "", &mut all);
            all.sort();
            all
        };
        let english = of(Language::En);
        assert!(english.len() > 100);
        for language in Language::ALL {
            assert_eq!(of(language), english, "{language:?}");
        }
    }

    #[test]
    fn the_texts_that_the_code_asks_for_are_there() {
        let messages = AllMessages::load(None).expect("texts");
        let english = messages.of(Language::En);
        for (section, key) in [
            ("common", "account"),
            ("date", "day"),
            ("date", "time"),
            ("errors", "form"),
            ("next", "retry_one"),
            ("next", "retry_other"),
            ("sign_in", "failed"),
        ] {
            assert!(!english.text(section, key).is_empty(), "{section}.{key}");
        }
        assert_eq!(english.months().count(), 12);
        for key in ["bad_request", "internal", "other_site", "not_found", "too_many_requests", "overloaded"] {
            assert!(english.has("problem", key), "{key}");
        }
    }

    #[test]
    fn an_operator_s_text_replaces_ours_and_a_misspelt_key_is_named() {
        let mut table: Table = "[a]\nb = \"ours\"\nc = \"ours\"".parse().expect("TOML");
        overlay(&mut table, "[a]\nb = \"own\"".parse().expect("TOML"), "").expect("an overlay");
        assert_eq!((table["a"]["b"].as_str(), table["a"]["c"].as_str()), (Some("own"), Some("ours")));
        let misspelt = overlay(&mut table, "[a]\nd = \"own\"".parse().expect("TOML"), "");
        assert_eq!(misspelt.expect_err("an error"), "there is no text a.d");
        let wrong = overlay(&mut table, "a = \"own\"".parse().expect("TOML"), "");
        assert_eq!(wrong.expect_err("an error"), "a must be a table");
    }
}
