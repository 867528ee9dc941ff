//! Short ways to read and change JSON.

use serde_json::Value;

/// Adds the fields of one object to another, over those that it has.
pub(super) fn merge(to: &mut Value, from: Value) {
    if let (Value::Object(to), Value::Object(from)) = (to, from) {
        to.extend(from);
    }
}

/// These fields of an object, as they are.
pub(super) fn picked(fields: &[&str], from: &Value) -> Value {
    let present = fields.iter().filter_map(|field| Some(((*field).to_owned(), from.get(field)?.clone())));
    Value::Object(present.filter(|(_, value)| !value.is_null()).collect())
}

/// The items of a field that is a list.
pub(super) fn items<'a>(of: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of[field].as_array().into_iter().flatten()
}

pub(super) fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_default()
}

pub(super) fn number(of: &Value, field: &str) -> f64 {
    of[field].as_f64().unwrap_or_default()
}
