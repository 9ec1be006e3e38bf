//! Defaults, file, variables: one laid over the other, key by known key.

use std::path::Path;

use toml::{Table, Value};

use super::SettingsError;

const VARIABLE_PREFIX: &str = "CLIENTELE__";

/// Lays a TOML file over what is there.
pub(super) fn overlay_file(merged: &mut Table, path: &Path) -> Result<(), SettingsError> {
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| SettingsError::new(format!("{place}: {error}")))?;
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| SettingsError::new(format!("{place}: {}", error.to_string().trim())))?;
    for (section, values) in table {
        let Value::Table(values) = values else {
            return Err(unknown_key(merged, &place.to_string(), &section));
        };
        for (key, value) in values {
            set(merged, &place.to_string(), &section, &key, value)?;
        }
    }
    Ok(())
}

/// Lays `CLIENTELE__SECTION__KEY` or `DATABASE_URL` over what is there; other variables are passed over.
pub(super) fn overlay_variable(merged: &mut Table, name: &str, text: &str) -> Result<(), SettingsError> {
    let (section, key) = match name.strip_prefix(VARIABLE_PREFIX) {
        Some(rest) => {
            let rest = rest.to_lowercase();
            let (section, key) = rest.split_once("__").unwrap_or((rest.as_str(), ""));
            (section.to_owned(), key.to_owned())
        }
        None if name == "DATABASE_URL" => ("database".to_owned(), "url".to_owned()),
        None => return Ok(()),
    };
    let value = match merged.get(&section).and_then(|values| values.get(&key)) {
        Some(Value::Integer(_)) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| SettingsError::new(format!("{name}: {text:?} is not a whole number")))?,
        Some(Value::Boolean(_)) => text
            .trim()
            .parse()
            .map(Value::Boolean)
            .map_err(|_| SettingsError::new(format!("{name}: {text:?} is neither true nor false")))?,
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    set(merged, name, &section, &key, value)
}

fn set(merged: &mut Table, place: &str, section: &str, key: &str, value: Value) -> Result<(), SettingsError> {
    let Some(known) = merged.get_mut(section).and_then(|values| values.get_mut(key)) else {
        return Err(unknown_key(merged, place, &format!("{section}.{key}")));
    };
    if known.type_str() != value.type_str() {
        let (expected, found) = (known.type_str(), value.type_str());
        return Err(SettingsError::new(format!("{place}: {section}.{key} takes a {expected}, not a {found}")));
    }
    *known = value;
    Ok(())
}

fn unknown_key(known: &Table, place: &str, key: &str) -> SettingsError {
    let nearest = known
        .iter()
        .flat_map(|(section, values)| {
            let keys = values.as_table().into_iter().flat_map(Table::keys);
            keys.map(move |key| format!("{section}.{key}"))
        })
        .max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)))
        .unwrap_or_default();
    SettingsError::new(format!("{place}: unknown key `{key}`; did you mean `{nearest}`?"))
}
