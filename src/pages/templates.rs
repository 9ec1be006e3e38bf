//! The templates: compiled in, or an operator's own.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, HtmlEscape, UndefinedBehavior, Value, context};

use super::messages::{AllMessages, file_name};
use crate::http::Language;

/// The built-in templates.
const BUILT_IN: [(&str, &str); 20] = [
    ("email.html", include_str!("templates/email.html")),
    ("erase.html", include_str!("templates/erase.html")),
    ("erased.html", include_str!("templates/erased.html")),
    ("error.html", include_str!("templates/error.html")),
    ("export.html", include_str!("templates/export.html")),
    ("forgot-sent.html", include_str!("templates/forgot-sent.html")),
    ("forgot.html", include_str!("templates/forgot.html")),
    ("form.html", include_str!("templates/form.html")),
    ("history.html", include_str!("templates/history.html")),
    ("layout.html", include_str!("templates/layout.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("password.html", include_str!("templates/password.html")),
    ("profile.html", include_str!("templates/profile.html")),
    ("register.html", include_str!("templates/register.html")),
    ("reset.html", include_str!("templates/reset.html")),
    ("revert.html", include_str!("templates/revert.html")),
    ("sessions.html", include_str!("templates/sessions.html")),
    ("sign-in.html", include_str!("templates/sign-in.html")),
    ("sign-out.html", include_str!("templates/sign-out.html")),
    ("verify.html", include_str!("templates/verify.html")),
];

/// Contexts with which each template is tried.
const EXAMPLES: &str = include_str!("templates/examples.json");

#[derive(serde::Deserialize)]
struct Examples {
    common: serde_json::Map<String, serde_json::Value>,
    pages: BTreeMap<String, Vec<serde_json::Map<String, serde_json::Value>>>,
}

/// Compiles the templates. Those of a folder replace the built-in ones.
///
/// # Errors
/// One line with the file and the line: a template cannot be read or parsed, or no template has its name.
pub(super) fn load(folder: Option<&Path>) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| in_one_line(None, &error))?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("fill", fill);
    for (name, source) in BUILT_IN {
        environment.add_template(name, source).map_err(|error| in_one_line(None, &error))?;
    }
    for (name, source) in folder.map(own).transpose()?.into_iter().flatten() {
        environment.add_template_owned(name, source).map_err(|error| in_one_line(folder, &error))?;
    }
    Ok(environment)
}

/// Returns the templates of a folder with their names.
fn own(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if Language::ALL.into_iter().any(|language| file_name(language) == name) {
            continue;
        }
        if BUILT_IN.iter().any(|(known, _)| *known == name) {
            let source = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            found.push((name, source));
        } else if name.ends_with(".html") || name.ends_with(".toml") {
            return Err(format!("{}: no template and no language has this name", path.display()));
        }
    }
    Ok(found)
}

/// Renders every template in every language with examples.
///
/// # Errors
/// One line with the file and the line.
pub(super) fn try_all(
    environment: &Environment<'_>,
    messages: &AllMessages,
    folder: Option<&Path>,
) -> Result<(), String> {
    let Examples { common, pages } = serde_json::from_str(EXAMPLES).map_err(|error| format!("examples: {error}"))?;
    let common = Value::from(Serde(&common));
    for (name, contexts) in &pages {
        let template = environment.get_template(name).map_err(|error| in_one_line(folder, &error))?;
        for example in contexts {
            let page = Value::from(Serde(example));
            for language in Language::ALL {
                let text = context! { lang => language.tag(), t => messages.of(language).value.clone() };
                let rendered = template.render(context! { ..text, ..page.clone(), ..common.clone() });
                rendered.map_err(|error| in_one_line(folder, &error))?;
            }
        }
    }
    Ok(())
}

/// Returns the file, the line and what is wrong.
pub(super) fn in_one_line(folder: Option<&Path>, error: &Error) -> String {
    let name = error.name().unwrap_or("a template");
    let file = folder.map(|folder| folder.join(name)).filter(|path| path.exists());
    let file = file.map_or_else(|| name.to_owned(), |path| path.display().to_string());
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{file}{line}: {}{detail}", error.kind())
}

/// Replaces each `{name}` in a text by a value. Text and values are escaped, unless they are markup already, and the
/// values are isolated, so that a name from right to left does not change the order of the words around it.
fn fill(text: &str, values: Kwargs) -> Result<Value, Error> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        push_escaped(&mut filled, before);
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| values.has(name)) else {
            push_escaped(&mut filled, "{");
            rest = after;
            continue;
        };
        let value: Value = values.get(name)?;
        filled.push_str("<bdi>");
        match value.as_str() {
            Some(markup) if value.is_safe() => filled.push_str(markup),
            _ => push_escaped(&mut filled, &value.to_string()),
        }
        filled.push_str("</bdi>");
        rest = after;
    }
    push_escaped(&mut filled, rest);
    values.assert_all_used()?;
    Ok(Value::from_safe_string(filled))
}

fn push_escaped(to: &mut String, text: &str) {
    to.push_str(&HtmlEscape(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_template_renders_in_every_language() {
        let (environment, messages) = (load(None).expect("templates"), AllMessages::load(None).expect("texts"));
        try_all(&environment, &messages, None).expect("rendered");
        let Examples { pages, .. } = serde_json::from_str(EXAMPLES).expect("examples");
        for (name, _) in BUILT_IN.iter().filter(|(name, _)| !["layout.html", "form.html"].contains(name)) {
            assert!(pages.contains_key(*name), "{name} has no example");
        }
    }

    #[test]
    fn a_broken_template_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        let messages = AllMessages::load(None).expect("texts");
        write("erased.html", "one\n{{ nothing }}");
        let environment = load(Some(folder.path())).expect("templates");
        let error = try_all(&environment, &messages, Some(folder.path())).expect_err("an error");
        assert!(error.contains("erased.html:2: undefined value"), "{error}");
        write("erased.html", "one\n\n{% if %}");
        let error = load(Some(folder.path())).map(|_| ()).expect_err("an error");
        assert!(error.contains("erased.html:3: syntax error"), "{error}");
        write("erased.html", "");
        write("eased.html", "");
        let error = load(Some(folder.path())).map(|_| ()).expect_err("an error");
        assert!(error.ends_with("eased.html: no template and no language has this name"), "{error}");
    }

    #[test]
    fn values_are_escaped_and_isolated_and_replaced_once() {
        let environment = load(None).expect("templates");
        let filled =
            |source, name: &str| environment.render_named_str("x.html", source, context! { name }).expect("text");
        assert_eq!(filled("{{ '<{a}>{b}'|fill(a=name) }}", "<{b}&"), "&lt;<bdi>&lt;{b}&amp;</bdi>&gt;{b}");
        assert_eq!(filled("{{ '{a}'|fill(a='<i>'|safe) }}", ""), "<bdi><i></bdi>");
    }
}
