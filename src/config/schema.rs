//! The JSON schema of a file, generated from its tables.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema, transform};
use serde_json::Value;

use super::{
    file::File,
    values::{Method, Share, Span, Status, StatusRange},
};

pub(super) fn generate() -> Value {
    let mut schema = SchemaSettings::draft07()
        .with_transform(transform::RecursiveTransform(forbid_null))
        .into_generator()
        .into_root_schema_for::<File>();
    schema.insert("title".to_owned(), "The services of a reqwest-safe-retry layer".into());
    schema.to_value()
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

/// The schemas of values that are written in a form of their own.
macro_rules! schemas {
    ($($type:ident: $schema:tt,)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schemas! {
    Span: {
        "description": "A duration with its unit.",
        "type": "string",
        "pattern": "^([0-9]+ ?[a-zA-Z]+ ?)+$",
        "examples": ["500ms", "30s", "2m", "1h 30m", "24h"],
    },
    Share: { "description": "A share.", "type": "number", "minimum": 0, "maximum": 1 },
    Method: {
        "description": "A method in capitals.",
        "type": "string",
        "pattern": "^[A-Z][A-Z0-9-]*$",
        "examples": ["POST", "PUT", "PATCH", "DELETE", "GET"],
    },
    Status: { "description": "A status.", "type": "integer", "minimum": 100, "maximum": 599 },
    StatusRange: {
        "description": "A status, or a range of them with both ends included.",
        "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2}-[1-5][0-9]{2})$" },
        ],
        "examples": [429, "5xx", "500-599"],
    },
}
