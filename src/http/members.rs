//! Declarations of the members of a body, from which both the parser and the schema are made.
//!
//! A [`Body`](super::Body) lists its members. The parser reads each member into a draft, collects all errors instead of
//! stopping at the first one, and rejects unknown members. The OpenAPI document has the same list.

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, Schema};

use super::field_errors::{FieldCode, FieldErrors, Violation, pointer};
use super::json::{Json, JsonError, JsonObject};

/// The parser of a value, with a schema that describes the same values.
pub struct Rule<T: 'static> {
    /// Parses and checks a value.
    pub parse: fn(&Json<'_>) -> Result<T, Violation>,
    /// Describes the values that `parse` accepts.
    pub schema: fn() -> Schema,
}

type Read<D> = Box<dyn Fn(&mut D, &Json<'_>, &str, &mut FieldErrors) -> Result<(), JsonError> + Send + Sync>;

/// A member of a JSON object, read into a draft `D`.
pub struct Member<D> {
    name: &'static str,
    is_required: bool,
    schema: Schema,
    read: Read<D>,
}

impl<D: 'static> Member<D> {
    /// Declares a member that may be absent but not null.
    pub fn new<T>(name: &'static str, rule: &'static Rule<T>, set: fn(&mut D, T)) -> Self {
        let read: Read<D> = Box::new(move |draft, value, parent, errors| {
            match (rule.parse)(value) {
                Ok(value) => set(draft, value),
                Err(violation) => errors.add(pointer(parent, name), violation),
            }
            Ok(())
        });
        Self { name, is_required: false, schema: (rule.schema)(), read }
    }

    /// Declares a member that may be absent or null. An empty string counts as null, because forms send it for an empty
    /// field.
    pub fn nullable<T>(name: &'static str, rule: &'static Rule<T>, set: fn(&mut D, Option<T>)) -> Self {
        let read: Read<D> = Box::new(move |draft, value, parent, errors| {
            match if value.is_absent() { Ok(None) } else { (rule.parse)(value).map(Some) } {
                Ok(value) => set(draft, value),
                Err(violation) => errors.add(pointer(parent, name), violation),
            }
            Ok(())
        });
        Self { name, is_required: false, schema: or_absent((rule.schema)()), read }
    }

    /// Declares a member that may be absent or null. An empty string is an ordinary value.
    pub fn or_null<T>(name: &'static str, rule: &'static Rule<T>, set: fn(&mut D, T)) -> Self {
        let Self { read, schema, .. } = Self::new(name, rule, set);
        let read: Read<D> = Box::new(move |draft, value, parent, errors| match value {
            Json::Null => Ok(()),
            value => read(draft, value, parent, errors),
        });
        let null = ObjectBuilder::new().schema_type(Type::Null);
        let schema = AnyOfBuilder::new().item(schema).item(null).build().into();
        Self { name, is_required: false, schema, read }
    }

    /// Declares a nested object that may be absent or null.
    pub fn object<A: Default + 'static>(
        name: &'static str,
        members: Vec<Member<A>>,
        set: fn(&mut D, Option<A>),
    ) -> Self {
        let schema = or_absent(object_schema(&members, false));
        let read: Read<D> = Box::new(move |draft, value, parent, errors| {
            match value {
                Json::Object(raw) => {
                    let mut nested = A::default();
                    read_members(&members, &JsonObject::parse(raw)?, &pointer(parent, name), &mut nested, errors)?;
                    set(draft, Some(nested));
                }
                value if value.is_absent() => set(draft, None),
                _ => errors.add(pointer(parent, name), Violation::wrong_type("an object or null")),
            }
            Ok(())
        });
        Self { name, is_required: false, schema, read }
    }

    /// Declares a member that appears in replies and cannot be set. It is accepted and ignored, so that clients can
    /// edit a reply and send it back.
    pub fn read_only(name: &'static str) -> Self {
        let schema = ObjectBuilder::new().schema_type(SchemaType::AnyValue).read_only(true).build().into();
        Self { name, is_required: false, schema, read: Box::new(|_, _, _, _| Ok(())) }
    }

    /// Declares a member of any type. `set` reads it and never fails.
    pub fn any(name: &'static str, set: fn(&mut D, &Json<'_>)) -> Self {
        let schema = ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into();
        let read: Read<D> = Box::new(move |draft, value, _, _| {
            set(draft, value);
            Ok(())
        });
        Self { name, is_required: false, schema, read }
    }

    /// Returns the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Makes the member required.
    pub fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

/// Reads an object's members into a draft.
///
/// # Errors
/// Returns an error if a nested object has a duplicate member. All other errors are added to `errors`.
pub(super) fn read_members<D: 'static>(
    declared: &[Member<D>],
    object: &JsonObject<'_>,
    parent: &str,
    draft: &mut D,
    errors: &mut FieldErrors,
) -> Result<(), JsonError> {
    for (name, value) in object.iter() {
        match declared.iter().find(|member| member.name == name) {
            Some(member) => (member.read)(draft, &value, parent, errors)?,
            None => {
                errors.add(pointer(parent, name), Violation::new(FieldCode::UnknownField, "There is no such member."));
            }
        }
    }
    for member in declared.iter().filter(|member| member.is_required && !object.has(member.name)) {
        errors.add(pointer(parent, member.name), Violation::required());
    }
    Ok(())
}

/// Returns the schema of an object with these members. If it is `open`, it may have others.
pub(super) fn object_schema<D>(members: &[Member<D>], open: bool) -> Schema {
    let object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(open)));
    let object = members.iter().fold(object, |object, member| object.property(member.name, member.schema.clone()));
    let required = members.iter().filter(|member| member.is_required);
    required.fold(object, |object, member| object.required(member.name)).build().into()
}

fn or_absent(schema: Schema) -> Schema {
    let absent = ObjectBuilder::new().schema_type(SchemaType::AnyValue).enum_values(Some([Value::Null, "".into()]));
    AnyOfBuilder::new()
        .item(schema)
        .item(absent.description(Some("The empty text is the same as null.")))
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static TEXT: Rule<String> = Rule {
        parse: |json| json.text().map(ToOwned::to_owned),
        schema: || ObjectBuilder::new().schema_type(Type::String).build().into(),
    };

    #[derive(Debug, Default, PartialEq)]
    struct Draft {
        name: Option<String>,
        nickname: Option<Option<String>>,
        note: Option<String>,
        home: Option<Option<Home>>,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Home {
        city: Option<String>,
    }

    fn members() -> Vec<Member<Draft>> {
        let city = Member::new("city", &TEXT, |home: &mut Home, city| home.city = Some(city)).required();
        vec![
            Member::new("name", &TEXT, |draft: &mut Draft, name| draft.name = Some(name)).required(),
            Member::nullable("nickname", &TEXT, |draft: &mut Draft, nickname| draft.nickname = Some(nickname)),
            Member::or_null("note", &TEXT, |draft: &mut Draft, note| draft.note = Some(note)),
            Member::object("home", vec![city], |draft: &mut Draft, home| draft.home = Some(home)),
            Member::read_only("id"),
        ]
    }

    /// Returns the draft and the errors of an object.
    fn read(json: &str) -> Result<(Draft, Vec<String>), JsonError> {
        let (mut draft, mut errors) = (Draft::default(), FieldErrors::default());
        read_members(&members(), &JsonObject::parse(json)?, "#", &mut draft, &mut errors)?;
        let errors = errors.into_vec().into_iter().map(|error| format!("{} {:?}", error.pointer, error.code));
        Ok((draft, errors.collect()))
    }

    #[track_caller]
    fn accepted(json: &str) -> Draft {
        let (draft, errors) = read(json).expect("an object");
        assert!(errors.is_empty(), "{json}: {errors:?}");
        draft
    }

    #[test]
    fn absent_null_and_empty_members_are_distinguished() {
        let ada = || Draft { name: Some("Ada".into()), ..Draft::default() };
        assert_eq!(accepted(r#"{"name": "Ada"}"#), ada());
        for absent in ["null", r#""""#, r#"" ""#] {
            let draft = accepted(&format!(r#"{{"name": "Ada", "nickname": {absent}, "home": {absent}}}"#));
            assert_eq!(draft, Draft { nickname: Some(None), home: Some(None), ..ada() }, "{absent}");
        }
        let draft = accepted(r#"{"name": "Ada", "nickname": "A.", "home": {"city": ""}}"#);
        let home = Home { city: Some(String::new()) };
        assert_eq!(draft, Draft { nickname: Some(Some("A.".into())), home: Some(Some(home)), ..ada() });
        assert_eq!(accepted(r#"{"name": "Ada", "note": null}"#), ada());
        assert_eq!(accepted(r#"{"name": "Ada", "note": ""}"#), Draft { note: Some(String::new()), ..ada() });
    }

    #[test]
    fn every_error_is_collected_with_its_pointer_and_the_rest_is_read() {
        let (draft, errors) = read(r#"{"home": {"town": 1}, "nickname": 7, "id": {}, "x/y": 0}"#).expect("an object");
        let expected = [
            "#/home/town UnknownField",
            "#/home/city Required",
            "#/nickname Type",
            "#/x~1y UnknownField",
            "#/name Required",
        ];
        assert_eq!(errors, expected);
        assert_eq!(draft, Draft { home: Some(Some(Home::default())), ..Draft::default() });
        let (_, errors) = read(r#"{"name": null, "home": []}"#).expect("an object");
        assert_eq!(errors, ["#/name Null", "#/home Type"]);
    }

    #[test]
    fn a_duplicate_member_makes_the_whole_body_malformed() {
        for json in [r#"{"name": "A", "name": "A"}"#, r#"{"name": "A", "home": {"city": "B", "city": "B"}}"#] {
            assert!(matches!(read(json), Err(JsonError::Malformed(_))), "{json}");
        }
        assert_eq!(read("[]"), Err(JsonError::NotAnObject));
    }

    #[test]
    fn a_read_only_member_may_have_any_value() {
        for value in ["7", "null", r#""x""#, "[{}]"] {
            assert_eq!(accepted(&format!(r#"{{"name": "", "id": {value}}}"#)).name, Some(String::new()));
        }
    }

    #[test]
    fn the_schema_describes_what_the_parser_accepts() {
        let schema = serde_json::to_value(object_schema(&members(), false)).expect("JSON");
        let absent = json!({"enum": [null, ""], "description": "The empty text is the same as null."});
        let home = json!({
            "type": "object", "required": ["city"], "additionalProperties": false,
            "properties": {"city": {"type": "string"}},
        });
        let expected = json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string"},
                "nickname": {"anyOf": [{"type": "string"}, absent]},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "home": {"anyOf": [home, absent]},
                "id": {"readOnly": true},
            },
        });
        assert_eq!(schema, expected);
        assert_eq!(serde_json::to_value(object_schema(&members(), true)).expect("JSON")["additionalProperties"], true);
    }
}
