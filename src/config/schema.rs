//! The JSON schema of a file, generated from the public types.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema, transform::RecursiveTransform,
};
use serde_json::{Value, json};

use super::shipped;
use crate::service::{description::Description, method};

/// The services of a reqwest-safe-retry layer.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // Only its schema is used.
struct File {
    /// The schema of this file, for editors.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// The services by name.
    services: BTreeMap<String, Description>,
}

/// Tables that a file may give in part: the rest comes from the description or the defaults.
const PARTIAL: [&str; 4] = ["Backoff", "Idempotency", "RetryAfterJitter", "RetryCosts"];

pub(super) fn generate() -> Value {
    let schema = SchemaSettings::draft07()
        .with_transform(RecursiveTransform(forbid_null))
        .with_transform(RecursiveTransform(simplify))
        .into_generator()
        .into_root_schema_for::<File>();
    let mut schema = schema.to_value();
    for table in PARTIAL {
        if let Some(table) = schema["definitions"][table].as_object_mut() {
            table.remove("required");
        }
    }
    schema["definitions"]["Service"]["properties"]["from"] = json!({
        "description": "The shipped description that this service starts from.",
        "type": "string",
        "enum": shipped::names(),
    });
    schema
}

/// A field may be left out, but not be empty.
fn forbid_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|name| name != "null"));
        // Editors tell what is wrong below the only option of `allOf`, but not below that of `anyOf`.
        if options.len() == 1 {
            if let Some(only) = schema.remove("anyOf") {
                schema.insert("allOf".to_owned(), only);
            }
        }
    }
}

/// Leaves the plain text of descriptions, and no defaults: they depend on `from`.
fn simplify(schema: &mut Schema) {
    schema.remove("default");
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = plain(text);
    }
}

/// The first paragraph of a doc comment, without its links and the names of Rust types.
fn plain(doc: &str) -> String {
    let first = doc.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let mut rest = first.as_str();
    let mut plain = String::new();
    while let Some((before, (link, after))) =
        rest.split_once('[').and_then(|(before, link)| Some((before, link.split_once(']')?)))
    {
        plain.push_str(before);
        plain.push_str(&word(link));
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    plain + rest
}

/// The word of a file for what a link names: `full` for `Jitter::Full`.
fn word(link: &str) -> String {
    let name = link.trim_matches('`');
    let name = name.rsplit("::").next().unwrap_or(name);
    let mut word = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// A duration as text; for the attributes of public types.
pub(crate) struct DurationText;

/// A method as text.
pub(crate) struct MethodText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration with its unit.",
            "type": "string",
            "pattern": "^([0-9]+ ?[a-zA-Z]+ ?)+$",
            "examples": ["500ms", "30s", "2m", "1h 30m", "24h"],
        })
    }
}

impl JsonSchema for MethodText {
    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A method in capitals.", "type": "string", "enum": method::KNOWN })
    }
}
