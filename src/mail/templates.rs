//! Renders mails from their texts and layouts.

use std::path::Path;

use minijinja::{AutoEscape, Environment, HtmlEscape, UndefinedBehavior, Value, context};

use super::kind::Kind;
use super::messages::{Line, Message, Messages, line_at};
use super::sample;
use super::values::Values;
use crate::http::Language;

const PLAIN: &str = "layout.txt";
const HTML: &str = "layout.html";

/// The built-in files.
const BUILT_IN: [(&str, &str); 6] = [
    (PLAIN, include_str!("templates/layout.txt")),
    (HTML, include_str!("templates/layout.html")),
    ("en.toml", include_str!("templates/en.toml")),
    ("de.toml", include_str!("templates/de.toml")),
    ("fr.toml", include_str!("templates/fr.toml")),
    ("es.toml", include_str!("templates/es.toml")),
];

/// A rendered mail.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) plain: String,
    pub(super) html: String,
}

/// All templates, checked.
pub(super) struct Templates {
    environment: Environment<'static>,
    languages: Vec<Texts>,
    shop: String,
}

/// The texts of a language, and where they are from.
struct Texts {
    language: Language,
    /// For errors.
    file: String,
    source: String,
    messages: Messages,
}

/// The two forms of a mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Html,
}

impl Templates {
    /// Loads the built-in files, or those in `folder` that replace them, and renders every kind of mail in every
    /// language.
    ///
    /// # Errors
    /// One line with the file, the line and the mistake.
    pub(super) fn load(folder: &Path, shop: &str) -> Result<Self, String> {
        refuse_strangers(folder)?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(true);
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        for name in [PLAIN, HTML] {
            let (file, source) = read(folder, name)?;
            environment.add_template_owned(name, source).map_err(|error| mistake(&file, 0, &error))?;
        }
        let texts = |language: Language| {
            let (file, source) = read(folder, &format!("{}.toml", language.tag()))?;
            let messages = Messages::parse(&source).map_err(|reason| format!("{file}: {reason}"))?;
            Ok(Texts { language, file, source, messages })
        };
        let languages = Language::ALL.into_iter().map(texts).collect::<Result<_, String>>()?;
        let templates = Self { environment, languages, shop: one_line(shop) };
        for (kind, language, values) in sample::all() {
            templates.render(kind, language, &values).map_err(|reason| match reason.split_once(": ") {
                // The layouts are known by their names only.
                Some((name @ (PLAIN | HTML), rest)) => format!("{}: {rest}", path(folder, name)),
                _ => reason,
            })?;
        }
        Ok(templates)
    }

    /// Renders a mail.
    ///
    /// # Errors
    /// One line with the file, the line and the mistake.
    pub(super) fn render(&self, kind: Kind, language: Language, values: &Values) -> Result<Rendered, String> {
        let texts = self.languages.iter().find(|texts| texts.language == language);
        let texts = texts.ok_or_else(|| format!("there are no texts in {}", language.tag()))?;
        let message =
            texts.messages.mails.get(&kind).ok_or_else(|| format!("there are no texts for {}", kind.name()))?;
        let subject = self.line(texts, &message.subject, Form::Plain, values)?;
        Ok(Rendered {
            plain: self.body(texts, message, Form::Plain, values, &subject)?,
            html: self.body(texts, message, Form::Html, values, &subject)?,
            subject: one_line(&subject),
        })
    }

    fn body(
        &self,
        texts: &Texts,
        message: &Message,
        form: Form,
        values: &Values,
        subject: &str,
    ) -> Result<String, String> {
        let line = |line: &Line| self.line(texts, line, form, values).map(Value::from_safe_string);
        let lines = |lines: &[Line]| lines.iter().map(line).collect::<Result<Vec<_>, _>>();
        let common = &texts.messages;
        let greeting = if values.name.is_some() { &common.greeting_with_name } else { &common.greeting };
        let context = context! {
            language => texts.language.tag(),
            subject,
            shop => &self.shop,
            greeting => line(greeting)?,
            before => lines(&message.before)?,
            link => &values.link,
            button => message.button.as_ref().map(line).transpose()?,
            link_hint => line(&common.link_hint)?,
            after => lines(&message.after)?,
            footer => line(&common.footer)?,
        };
        let name = if form == Form::Html { HTML } else { PLAIN };
        let rendered = self.environment.get_template(name).and_then(|template| template.render(context));
        rendered.map_err(|error| mistake(name, 0, &error))
    }

    /// Renders one text.
    fn line(&self, texts: &Texts, line: &Line, form: Form, values: &Values) -> Result<String, String> {
        let context = context! {
            shop => &self.shop,
            name => values.name.as_deref().map(|name| isolated(&one_line(name), form)),
            network => values.network.as_deref().map(one_line),
        };
        let name = if form == Form::Html { "text.html" } else { "text.txt" };
        let rendered = self.environment.render_named_str(name, line.get_ref(), context);
        let before = line_at(&texts.source, line.span().start) - 1;
        rendered.map_err(|error| mistake(&texts.file, before, &error))
    }
}

/// Keeps the direction of a name from changing the text around it, in HTML. In plain text, the name stays as it is.
fn isolated(name: &str, form: Form) -> Value {
    match form {
        Form::Plain => Value::from(name),
        Form::Html => Value::from_safe_string(format!("<bdi>{}</bdi>", HtmlEscape(name))),
    }
}

/// Makes one line of a text: what a header or another text could take for its own end becomes a space, and marks that
/// change the direction of text are left out.
fn one_line(text: &str) -> String {
    let is_mark =
        |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let visible = text.chars().filter(|c| !is_mark(*c));
    visible.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

/// Returns where a file is from, for errors.
fn path(folder: &Path, name: &str) -> String {
    let replaced = folder.join(name);
    if is_set(folder) && replaced.exists() { replaced.display().to_string() } else { format!("built-in {name}") }
}

/// Returns where a file is from, and what is in it.
fn read(folder: &Path, name: &str) -> Result<(String, String), String> {
    let file = path(folder, name);
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, source)| (*source).to_owned());
    let replaced = folder.join(name);
    if !is_set(folder) || !replaced.exists() {
        return built_in.map(|source| (file, source)).ok_or_else(|| format!("there is no template {name}"));
    }
    let source = std::fs::read_to_string(replaced).map_err(|error| format!("{file}: {error}"))?;
    Ok((file, source))
}

fn is_set(folder: &Path) -> bool {
    !folder.as_os_str().is_empty()
}

/// Refuses a folder that is missing, and templates in it that replace nothing, because their names may be misspelt.
fn refuse_strangers(folder: &Path) -> Result<(), String> {
    if !is_set(folder) {
        return Ok(());
    }
    let at = |error: std::io::Error| format!("mail.templates {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let name = entry.map_err(at)?.file_name().to_string_lossy().into_owned();
        let is_template = [".txt", ".html", ".toml"].iter().any(|ending| name.ends_with(ending));
        if is_template && BUILT_IN.iter().all(|(known, _)| *known != name) {
            let known: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            return Err(format!("{}/{name} replaces nothing; the files are {}", folder.display(), known.join(", ")));
        }
    }
    Ok(())
}

/// Describes a mistake in a template, which begins after `before` lines of its file.
fn mistake(file: &str, before: usize, error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let variables = error.range().zip(error.template_source()).and_then(|(range, source)| source.get(range));
    let near = variables.map(|text| format!(" at `{}`", one_line(text))).unwrap_or_default();
    format!("{file}: line {}: {}{detail}{near}", before + error.line().unwrap_or(1), error.kind())
}
