//! Builds services from the tables of a file.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::Value;

use super::{
    merge::{Table, merge},
    message::Message,
    shipped,
    value::Node,
};
use crate::service::{
    builder::ServiceBuilder,
    config_error::{ConfigError, FieldErrors},
    description::Description,
    hooks::Hooks,
    registry::refuse_shared_base_urls,
    service::Service,
};

/// The services of a file, in the order of their names.
pub(super) fn build(root: Table, mut hooks: BTreeMap<String, Hooks>) -> Result<Vec<Service>, ConfigError> {
    let mut errors = FieldErrors::default();
    let mut services = Vec::new();
    for (name, table) in tables(root, &mut errors) {
        let hooks = hooks.remove(&name).unwrap_or_default();
        match service(&name, table, hooks) {
            Ok(service) => services.push(service),
            Err(error) => errors.extend(error),
        }
    }
    refuse_shared_base_urls(&services, &mut errors);
    errors.sort();
    errors.finish(Some(services))
}

/// The tables of the services by name.
fn tables(root: Table, errors: &mut FieldErrors) -> Table {
    for name in root.keys().filter(|name| !["$schema", "services"].contains(&name.as_str())) {
        let path = if name.is_empty() { "\"\"" } else { name };
        errors.add(path, Message::unknown_field(name, &["$schema", "services"]).to_string());
    }
    match root.into_iter().find(|(name, _)| name == "services") {
        Some((_, services)) => table(services).unwrap_or_else(|message| {
            errors.add("services", message.to_string());
            Table::new()
        }),
        None => {
            errors.add("services", "is missing");
            Table::new()
        }
    }
}

fn service(name: &str, value: Value, hooks: Hooks) -> Result<Service, ConfigError> {
    let path = format!("services.{name}");
    let mut file = table(value).map_err(|message| refused(&path, message))?;
    let base = match file.remove("from") {
        Some(from) => base(from).map_err(|message| refused(&format!("{path}.from"), message))?,
        None => shipped::nothing(),
    };
    let merged = merge(&base.description, file);
    let read = serde_path_to_error::deserialize(Node(Value::Object(merged.table)));
    let built = read.map_err(|error| refused(&format!("{path}.{}", error.path()), error.inner())).and_then(
        |description: Description| {
            let description = Description { name: Cow::Owned(name.to_owned()), ..description };
            ServiceBuilder::new(description, hooks.or(base.hooks)).build()
        },
    );
    built.map_err(|error| renumbered(&error, &format!("{path}.routes["), merged.kept_routes))
}

fn table(value: Value) -> Result<Table, Message> {
    Table::deserialize(Node(value))
}

/// The shipped service that `from` names.
fn base(from: Value) -> Result<ServiceBuilder, Message> {
    let name = String::deserialize(Node(from))?;
    shipped::find(&name).ok_or_else(|| Message::unknown_word(&name, &shipped::names()))
}

/// A single error.
pub(super) fn refused(path: &str, message: impl ToString) -> ConfigError {
    let mut errors = FieldErrors::default();
    errors.add(path, message.to_string());
    errors.into()
}

/// Counts the routes of the file alone, as its reader does.
fn renumbered(error: &ConfigError, routes: &str, kept: usize) -> ConfigError {
    let in_file = |path: &str| {
        let (index, rest) = path.strip_prefix(routes)?.split_once(']')?;
        let index = index.parse::<usize>().ok()?.checked_sub(kept)?;
        Some(format!("{routes}{index}]{rest}"))
    };
    let mut errors = FieldErrors::default();
    for error in error.errors() {
        errors.add(in_file(error.path()).unwrap_or_else(|| error.path().to_owned()), error.message());
    }
    errors.into()
}
