//! The JSON Schema: in the repository, in plain text, and with every field of the builders and of the example.

use std::collections::BTreeSet;

use reqwest_safe_retry::ServicesConfig;

use super::{EXAMPLE, toml};

/// Written anew with `UPDATE_SCHEMA=1 cargo test --features schema --test it schema`.
#[test]
fn schema_in_the_repository_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/services.schema.json");
    let schema = format!("{:#}\n", ServicesConfig::json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, schema).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == schema, "schema/services.schema.json has drifted: run the test with UPDATE_SCHEMA=1");
}

#[test]
fn schema_describes_every_field_in_plain_text() {
    let schema = ServicesConfig::json_schema();
    let tables = schema["definitions"].as_object().unwrap();
    assert_eq!(schema["required"], serde_json::json!(["services"]));
    for (table, required) in [
        ("Route", serde_json::json!(["method", "path", "effect"])),
        ("ResponseRule", serde_json::json!(["status", "meaning"])),
        ("ScopeHeader", serde_json::json!(["header", "limit_key_values"])),
        ("Source", serde_json::json!(["page", "read"])),
        // The rest comes from a description or the defaults.
        ("Backoff", serde_json::Value::Null),
        ("Idempotency", serde_json::Value::Null),
        ("RetryCosts", serde_json::Value::Null),
        ("Service", serde_json::Value::Null),
    ] {
        assert_eq!(tables[table]["required"], required, "{table}");
    }
    for (name, table) in tables.iter().filter(|(_, table)| table["type"] == "object") {
        assert_eq!(table["additionalProperties"], false, "{name}");
        for (field, of) in table["properties"].as_object().unwrap() {
            assert!(of["description"].is_string(), "{name}.{field} has no description");
        }
    }
    let text = schema.to_string();
    for unwanted in ["null", "::", "[`", "```", "\\n"] {
        assert!(!text.contains(unwanted), "{unwanted}");
    }
}

#[test]
fn schema_names_every_shipped_description() {
    let schema = ServicesConfig::json_schema();
    let names = schema["definitions"]["Service"]["properties"]["from"]["enum"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
    let mut shipped: Vec<_> =
        crate::tables::services::shipped().iter().map(|service| service.name().to_owned()).collect();
    shipped.sort();
    assert_eq!(names, shipped);
}

/// The names of the methods that take `self`.
fn setters(source: &'static str) -> BTreeSet<&'static str> {
    let functions =
        source.split("pub ").filter_map(|rest| rest.strip_prefix("const ").unwrap_or(rest).strip_prefix("fn "));
    let consuming = functions.filter_map(|rest| {
        let (head, parameters) = rest.split_once('(')?;
        let first = parameters.trim_start();
        (first.starts_with("mut self") || first.starts_with("self")).then(|| head.split('<').next().unwrap())
    });
    consuming.collect()
}

/// Methods of a service's builder that are shorter forms, or take what only code can give.
const NOT_IN_FILES: &[&str] = &[
    "at",
    "build",
    "classifier",
    "into_builder",
    "journal",
    "limit_key",
    "map_idempotency",
    "response",
    "response_matching",
    "route",
    "verifier",
    "verifier_fn",
];

/// The builder of a service, which is in two files.
const BUILDER: &str = concat!(
    include_str!("../../../../src/service/builder.rs"),
    include_str!("../../../../src/service/builder_keys.rs")
);

#[test]
fn every_setter_has_its_field() {
    let schema = ServicesConfig::json_schema();
    // The source, its table, setters that are not fields, and fields that the constructor sets.
    type Case<'a> = (&'static str, &'a str, &'a [&'static str], &'a [&'static str]);
    let cases: [Case<'_>; 8] = [
        (BUILDER, "Service", NOT_IN_FILES, &["from"]),
        (include_str!("../../../../src/decide/policy.rs"), "RetryPolicy", &[], &[]),
        (include_str!("../../../../src/decide/backoff.rs"), "Backoff", &[], &["base", "cap"]),
        (
            include_str!("../../../../src/service/idempotency.rs"),
            "Idempotency",
            &["routes_only", "write_into_body"],
            &["body_member", "header", "kind", "query"],
        ),
        (include_str!("../../../../src/service/rate_limiting.rs"), "RateLimiting", &[], &[]),
        (include_str!("../../../../src/service/error_format.rs"), "ErrorFormat", &[], &[]),
        (include_str!("../../../../src/service/route.rs"), "Route", &["unkeyed"], &["effect", "method", "path"]),
        (include_str!("../../../../src/service/source.rs"), "Source", &[], &["page", "read", "rules"]),
    ];
    for (source, table, no_fields, no_setters) in cases {
        let setters: BTreeSet<_> = setters(source).into_iter().filter(|name| !no_fields.contains(name)).collect();
        let fields = schema["definitions"][table]["properties"].as_object().unwrap().keys().map(String::as_str);
        let fields: BTreeSet<_> = fields.filter(|name| !no_setters.contains(name)).collect();
        assert!(!setters.is_empty());
        assert_eq!(setters, fields, "{table}");
    }
}

/// Notes which fields of which tables of the schema a value has.
fn note_fields(
    root: &serde_json::Value,
    schema: (&str, &serde_json::Value),
    value: &serde_json::Value,
    noted: &mut BTreeSet<(String, String)>,
) {
    let (name, schema) = schema;
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap();
        return note_fields(root, (name, &root["definitions"][name]), value, noted);
    }
    for option in ["allOf", "anyOf"].into_iter().filter_map(|of| schema[of].as_array()).flatten() {
        note_fields(root, (name, option), value, noted);
    }
    for item in value.as_array().into_iter().flatten() {
        note_fields(root, (name, &schema["items"]), item, noted);
    }
    for (field, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(field) {
            Some(of) => {
                noted.insert((name.to_owned(), field.clone()));
                note_fields(root, (name, of), value, noted);
            }
            None => note_fields(root, (name, &schema["additionalProperties"]), value, noted),
        }
    }
}

#[test]
fn example_shows_every_field() {
    let schema = ServicesConfig::json_schema();
    let example = serde_json::to_value(toml(EXAMPLE)).unwrap();
    let mut noted = BTreeSet::new();
    note_fields(&schema, ("file", &schema), &example, &mut noted);
    for (name, table) in schema["definitions"].as_object().unwrap() {
        for field in table["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(noted.contains(&(name.clone(), field.clone())), "{name}.{field} is not in the example");
        }
    }
}
