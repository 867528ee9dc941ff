//! The services of a file, or a shipped one.

use std::{fs, path::Path};

use reqwest_safe_retry::{ConfigError, Service, ServicesConfig};
use serde_json::json;

use crate::{
    failure::Failure,
    report::{Mistake, Report},
};

/// The services of a file.
pub(crate) fn read(file: &str) -> Result<Vec<Service>, Failure> {
    let parse: fn(&str) -> Result<ServicesConfig, String> = match extension(file) {
        Some("toml") => of_toml,
        Some("json") => |text| serde_json::from_str(text).map_err(|error| error.to_string()),
        Some("yaml" | "yml") => |text| serde_yaml_ng::from_str(text).map_err(|error| error.to_string()),
        _ => {
            return Err(Failure::Refused(format!(
                "{file}: its format is not known: expected .toml, .json, .yaml or .yml"
            )));
        }
    };
    let text =
        fs::read_to_string(file).map_err(|error| Failure::Refused(format!("{file}: cannot be read: {error}")))?;
    let config = parse(&text).map_err(|message| mistakes(file, vec![Mistake { path: None, message }]))?;
    config.build().map_err(|error| mistakes(file, of_fields(&error)))
}

/// The services of a file; or the shipped one of this name.
pub(crate) fn read_or_find(name: &str) -> Result<Vec<Service>, Failure> {
    if extension(name).is_some() || Path::new(name).exists() {
        return read(name);
    }
    let file = json!({ "services": { name: { "from": name } } });
    let built = serde_json::from_value::<ServicesConfig>(file).map_err(|error| Failure::Refused(error.to_string()))?;
    built.build().map_err(|error| {
        let own_path = format!("services.{name}.");
        let mistakes = error.errors().iter().map(|error| match error.path().trim_start_matches(&own_path) {
            "from" => format!("{name:?} is neither a file nor a shipped service: {}", error.message()),
            field => format!("{name}: {field}: {}: give it in a file, with from = {name:?}", error.message()),
        });
        Failure::Refused(mistakes.collect::<Vec<_>>().join("; "))
    })
}

fn extension(file: &str) -> Option<&str> {
    Path::new(file).extension()?.to_str()
}

/// Without the line itself, which an error of TOML would quote: there may be a secret in it.
fn of_toml(text: &str) -> Result<ServicesConfig, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        format!("{} at line {line} column {column}", error.message())
    })
}

fn of_fields(error: &ConfigError) -> Vec<Mistake> {
    let mistakes = error.errors().iter();
    mistakes.map(|error| Mistake { path: Some(error.path().to_owned()), message: error.message().to_owned() }).collect()
}

fn mistakes(file: &str, mistakes: Vec<Mistake>) -> Failure {
    Failure::Mistakes(Report::mistakes(file, &mistakes))
}
