//! What is wrong with a value of a file: without the names of Rust types, and without the value, which may be a secret.

use std::{borrow::Cow, fmt};

use serde::de::{self, Expected, Unexpected};

/// The message of an error, made by serde's derives.
#[derive(Debug)]
pub(super) struct Message(Cow<'static, str>);

impl Message {
    /// For a word that must be one of `known`.
    pub(super) fn unknown_word(word: &str, known: &[&str]) -> Self {
        // All that are near, not only the nearest: a wrong kind of keys can double a write.
        let near: Vec<&str> = near(word, known).map(|(_, known)| known).collect();
        Self(match near.as_slice() {
            [] => format!("unknown value; expected one of {}", list(known, ", ")).into(),
            near => format!("unknown value; did you mean {}?", list(near, " or ")).into(),
        })
    }

    /// For a field of a table that has the fields `known`.
    pub(super) fn unknown_field(name: &str, known: &[&str]) -> Self {
        if sounds_secret(name) && !known.iter().any(|field| strsim::levenshtein(name, field) == 1) {
            return Self(Cow::Borrowed(
                "unknown field; secrets do not belong in this file: set them on the reqwest client, for example with \
                 `default_headers`",
            ));
        }
        Self(match nearest(name, known) {
            Some(near) => format!("unknown field `{name}`; did you mean `{near}`?").into(),
            None => format!("unknown field `{name}`; expected one of {}", list(known, ", ")).into(),
        })
    }
}

impl de::Error for Message {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string().into())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self(format!("expected {}, found {}", plain(&wanted.to_string()), kind(&found)).into())
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = wanted.to_string();
        Self(match largest(&wanted) {
            Some(largest) => format!("out of range: expected a whole number from 0 to {largest}").into(),
            None => format!("expected {}", plain(&wanted)).into(),
        })
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::unknown_word(word, known)
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        // `from` is read before the rest of a service.
        let from = if known.contains(&"base_url") { &["from"][..] } else { &[] };
        Self::unknown_field(name, &[from, known].concat())
    }

    fn missing_field(name: &'static str) -> Self {
        Self(format!("missing field `{name}`").into())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Message {}

/// What serde expects, in the words of someone who writes a file.
fn plain(wanted: &str) -> &str {
    match wanted {
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "a table",
        "a duration" => "a duration such as \"500ms\"",
        _ if wanted.starts_with("struct ") => "a table",
        _ if largest(wanted).is_some() => "a whole number",
        _ => wanted,
    }
}

/// The largest number of a type that serde expects.
fn largest(wanted: &str) -> Option<u64> {
    match wanted {
        "u16" => Some(u16::MAX.into()),
        "u32" => Some(u32::MAX.into()),
        "usize" => u64::try_from(usize::MAX).ok(),
        _ => None,
    }
}

fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(_) => "a decimal number",
        Unexpected::Str(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "another kind of value",
    }
}

fn list(known: &[&str], between: &str) -> String {
    known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(between)
}

/// The words that may have been meant, each with how near it is.
fn near<'k>(word: &str, known: &[&'k str]) -> impl DoubleEndedIterator<Item = (f64, &'k str)> {
    const NEAR: f64 = 0.8;
    let rated = known.iter().map(|known| (strsim::jaro_winkler(word, known), *known));
    rated.filter(|(rating, _)| *rating > NEAR)
}

/// The word that was probably meant; the first of several.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    near(word, known).rev().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Whether a field of this name would hold a secret.
fn sounds_secret(name: &str) -> bool {
    const WORDS: [&str; 10] =
        ["token", "apikey", "auth", "header", "secret", "password", "bearer", "credential", "cookie", "user"];
    let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    WORDS.iter().any(|word| name.contains(word))
}
