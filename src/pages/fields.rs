//! The fields of a form on a page: what was typed, what is wrong with it, and the JSON that it becomes.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use serde_json::Map;

use super::form::Form;
use super::messages::Messages;
use crate::http::{Body, Problem};

/// The fields of a page's form. Names are those of the API's members; `address.city` is a member of a member.
pub(super) struct Fields {
    names: &'static [&'static str],
    typed: BTreeMap<&'static str, String>,
    errors: BTreeMap<&'static str, String>,
    stored: BTreeMap<&'static str, String>,
    form_error: Option<String>,
    hidden: Vec<(String, String)>,
}

impl Fields {
    /// Returns the empty fields of a form.
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            typed: BTreeMap::new(),
            errors: BTreeMap::new(),
            stored: BTreeMap::new(),
            form_error: None,
            hidden: Vec::new(),
        }
    }

    /// Takes what was typed out of a form.
    pub(super) fn typed(names: &'static [&'static str], form: &mut Form) -> Self {
        let typed = names.iter().filter_map(|name| Some((*name, form.take(name)?))).collect();
        Self { typed, ..Self::new(names) }
    }

    /// Sets the text of a field.
    pub(super) fn set(&mut self, name: &'static str, text: impl Into<String>) {
        self.typed.insert(name, text.into());
    }

    /// Returns the text of a field.
    pub(super) fn text(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    /// Returns what was typed, without passwords.
    pub(super) fn without_passwords(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.typed.iter().filter(|(name, _)| !is_password(name)).map(|(name, text)| (*name, text.as_str()))
    }

    /// Says what is stored where it is not what was typed.
    pub(super) fn set_stored(&mut self, name: &'static str, text: String) {
        self.stored.insert(name, text);
    }

    /// Adds a hidden input.
    pub(super) fn hide(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.hidden.push((name.into(), value.into()));
    }

    /// Returns the body that the API takes. Fields that the form did not have are not in it.
    ///
    /// # Errors
    /// Those of [`Body::from_json`].
    pub(super) fn body<B: Body>(&self) -> Result<B, Problem> {
        self.body_with(|_| ())
    }

    /// Returns the body after a change of its members.
    ///
    /// # Errors
    /// Those of [`Body::from_json`].
    pub(super) fn body_with<B: Body>(
        &self,
        change: impl FnOnce(&mut Map<String, serde_json::Value>),
    ) -> Result<B, Problem> {
        let mut json = self.json();
        change(&mut json);
        B::from_json(serde_json::Value::Object(json).to_string().as_bytes())
    }

    fn json(&self) -> Map<String, serde_json::Value> {
        let mut object = Map::new();
        for (name, text) in &self.typed {
            match name.split_once('.') {
                Some((parent, name)) => {
                    let nested = object.entry(parent).or_insert_with(|| serde_json::Value::Object(Map::new()));
                    if let Some(nested) = nested.as_object_mut() {
                        nested.insert(name.to_owned(), text.as_str().into());
                    }
                }
                None => {
                    object.insert((*name).to_owned(), text.as_str().into());
                }
            }
        }
        object
    }

    /// Says that the form has fields that its page does not have.
    pub(super) fn refuse_form(&mut self, messages: &Messages) {
        self.form_error = Some(messages.text("errors", "form").to_owned());
    }

    /// Says what is wrong, at the fields or about the whole.
    pub(super) fn refuse(&mut self, problem: &Problem, messages: &Messages) {
        let errors = problem.errors().unwrap_or_default();
        for error in errors.iter() {
            let name = error.pointer.trim_start_matches("#/").replace('/', ".");
            match self.names.iter().find(|known| **known == name) {
                Some(known) => {
                    let last = known.rsplit('.').next().unwrap_or(known);
                    self.errors.entry(known).or_insert_with(|| messages.field_error(last, error));
                }
                None => self.refuse_form(messages),
            }
        }
        if errors.is_empty() || (self.errors.is_empty() && matches!(problem, Problem::EmailTaken)) {
            self.form_error = Some(messages.problem(problem));
        }
    }

    /// Returns what templates expect of every form.
    pub(super) fn context(&self) -> Value {
        let field = |name: &'static str| {
            let value = if is_password(name) { "" } else { self.text(name) };
            (name, context! { value, error => self.errors.get(name), stored => self.stored.get(name) })
        };
        let hidden: Vec<Value> = self.hidden.iter().map(|(name, value)| context! { name, value }).collect();
        context! {
            fields => Value::from_pairs(self.names.iter().map(|name| field(name))),
            form_error => self.form_error.as_deref(),
            failed => self.errors.len(),
            hidden,
        }
    }
}

fn is_password(name: &str) -> bool {
    name.ends_with("password")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{FieldCode, Language, Violation};
    use crate::pages::messages::AllMessages;

    const NAMES: &[&str] = &["email", "address.city", "address.country", "new_password"];

    fn typed() -> Fields {
        let pairs = [("email", "ada"), ("address.city", ""), ("new_password", "secret"), ("other", "x")];
        let pairs: Vec<_> = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        Fields::typed(NAMES, &mut Form::from(pairs))
    }

    #[test]
    fn the_fields_of_a_form_become_the_json_of_the_api() {
        let json = serde_json::Value::Object(typed().json());
        assert_eq!(json, serde_json::json!({"email": "ada", "address": {"city": ""}, "new_password": "secret"}));
    }

    #[test]
    fn errors_stand_at_their_fields_and_passwords_are_not_repeated() {
        let messages = AllMessages::load(None).expect("texts");
        let english = messages.of(Language::En);
        let mut fields = typed();
        let format = |pointer: &str| Violation::new(FieldCode::Format, "").at(pointer);
        let errors = vec![format("#/email"), format("#/email"), format("#/address/city"), format("#/slug")];
        fields.refuse(&Problem::Validation(errors), english);
        let context = serde_json::to_value(fields.context()).expect("JSON");
        assert_eq!(context["failed"], 2);
        assert_eq!(context["fields"]["email"]["value"], "ada");
        let expected = "This does not look like an email address. It should look like name@example.com.";
        assert_eq!(context["fields"]["email"]["error"], expected);
        assert_eq!(context["fields"]["new_password"]["value"], "");
        assert_eq!(context["form_error"], english.text("errors", "form"));
        assert!(!context.to_string().contains("secret"));
    }
}
