//! Overrides the defaults by a file and by environment variables. Only known keys can be set.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use toml::{Table, Value};

use super::{Secret, SettingsError, limits};

const VARIABLE_PREFIX: &str = "CLIENTELE__";
/// The variable that the diesel CLI reads, too.
const DATABASE_URL: &str = "DATABASE_URL";
/// Not one of our settings, but env_logger reads it and it overrides `log.filter`.
const RUST_LOG: &str = "RUST_LOG";

/// Overrides settings by those in a TOML file.
pub(super) fn overlay_file(merged: &mut Table, path: &Path) -> Result<(), SettingsError> {
    let source = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| SettingsError::new(format!("{source}: {error}")))?;
    for (section, values) in parse(merged, &source, &Secret::from(text))? {
        let Value::Table(values) = values else {
            return Err(unknown_key(merged, &source, &section, ""));
        };
        for (key, value) in values {
            set(merged, &source, &section, &key, value)?;
        }
    }
    Ok(())
}

/// Parses TOML. The parser's error quotes the line, which may contain a secret, so this error names the line and the
/// key only.
fn parse(known: &Table, source: &str, file: &Secret) -> Result<Table, SettingsError> {
    let text = file.expose();
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
        let number = before.matches('\n').count();
        let key = key_at(known, text, number).map(|key| format!(" ({key})")).unwrap_or_default();
        SettingsError::new(format!("{source}: line {}{key}: not TOML, or a duplicate key", number + 1))
    })
}

/// Returns the last known key that is set up to a line, which is counted from 0.
fn key_at(known: &Table, text: &str, number: usize) -> Option<String> {
    let (mut section, mut found) = ("", None);
    for line in text.lines().take(number + 1).map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap_or_default().trim();
            continue;
        }
        // A key may be written with its section: `section.key`.
        let key = line.split('=').next().unwrap_or_default().trim();
        let (section, key) = if section.is_empty() { key.split_once('.').unwrap_or_default() } else { (section, key) };
        if known.get(section).and_then(|values| values.get(key)).is_some() {
            found = Some(format!("{section}.{key}"));
        }
    }
    found
}

/// Overrides settings by the variables `CLIENTELE__SECTION__KEY` and `DATABASE_URL`. Ignores other variables.
pub(super) fn overlay_variables(
    merged: &mut Table,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), SettingsError> {
    let mut set_by: HashMap<String, (String, Secret)> = HashMap::new();
    for (name, text) in variables {
        let is_ours = name.as_encoded_bytes().starts_with(VARIABLE_PREFIX.as_bytes());
        if !is_ours && name != DATABASE_URL && name != RUST_LOG {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        let text = text.into_string().map_err(|_| SettingsError::new(format!("{name} is not UTF-8")))?;
        let text = Secret::from(text);
        if name == RUST_LOG {
            limits::check_filter(&name, text.expose())?;
            continue;
        }
        let path = name.strip_prefix(VARIABLE_PREFIX).unwrap_or("database__url").to_lowercase();
        overlay_variable(merged, &name, &path, &text)?;
        // The order of the variables is arbitrary and must not matter.
        if let Some((other, _)) = set_by.get(&path).filter(|(_, value)| *value != text) {
            return Err(SettingsError::new(format!(
                "{other} and {name} set the same key differently: unset one of them"
            )));
        }
        set_by.insert(path, (name, text));
    }
    Ok(())
}

fn overlay_variable(merged: &mut Table, name: &str, path: &str, text: &Secret) -> Result<(), SettingsError> {
    let (section, key) = path.split_once("__").unwrap_or((path, ""));
    let text = text.expose();
    let value = match merged.get(section).and_then(|values| values.get(key)) {
        Some(Value::Integer(_)) => text.trim().parse().map(Value::Integer).map_err(|_| "a whole number"),
        Some(Value::Boolean(_)) => text.trim().parse().map(Value::Boolean).map_err(|_| "true or false"),
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => Ok(Value::String(text.to_owned())),
    };
    let value = value.map_err(|expected| SettingsError::new(format!("{name} takes {expected}")))?;
    set(merged, name, section, key, value)
}

fn set(merged: &mut Table, source: &str, section: &str, key: &str, value: Value) -> Result<(), SettingsError> {
    let Some(known) = merged.get_mut(section).and_then(|values| values.get_mut(key)) else {
        return Err(unknown_key(merged, source, section, key));
    };
    if known.type_str() != value.type_str() {
        let (expected, found) = (known.type_str(), value.type_str());
        return Err(SettingsError::new(format!("{source}: {section}.{key} takes a {expected}, not a {found}")));
    }
    *known = value;
    Ok(())
}

/// The largest edit distance between a misspelt key and the one that is suggested.
const MOST_EDITS: usize = 2;

/// Suggests a similar key if there is one, else lists the known keys or sections.
fn unknown_key(known: &Table, source: &str, section: &str, key: &str) -> SettingsError {
    let given = format!("{section}.{key}");
    let given = given.trim_end_matches('.');
    let all = known.iter().flat_map(|(section, values)| keys(values).map(move |key| format!("{section}.{key}")));
    let nearest = all.map(|known| (strsim::osa_distance(&known, given), known)).min();
    let hint = match (nearest, known.get(section)) {
        (Some((distance, nearest)), _) if distance <= MOST_EDITS => format!("did you mean `{nearest}`?"),
        (_, Some(values)) => format!("the keys of {section} are {}", listed(keys(values))),
        (_, None) => format!("the sections are {}", listed(known.keys().map(String::as_str))),
    };
    SettingsError::new(format!("{source}: unknown key `{given}`; {hint}"))
}

fn keys(section: &Value) -> impl Iterator<Item = &str> {
    section.as_table().into_iter().flat_map(Table::keys).map(String::as_str)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
