//! Reads a [`Raw`] value into what a file may have, and goes on after a mistake.

use std::collections::BTreeMap;

use super::raw::Raw;
use crate::config_error::Mistakes;

/// What can stand in a file. `None` where it does not: then the reader knows why.
pub(super) trait Read: Sized {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self>;
}

/// What went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) mistakes: Mistakes,
    /// The paths of values that could not be read, and are missing for that reason alone.
    pub(super) lost: Vec<String>,
}

impl Found {
    /// Whether a mistake in this field of a service only follows from a value that could not be read.
    pub(super) fn explains(&self, service: &str, field: &str) -> bool {
        let service = format!("services.{service}");
        let lost = || self.lost.iter().filter_map(|path| path.strip_prefix(&service));
        let below = |lost: &str, field: &str| {
            lost.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let field = format!(".{field}");
        lost().any(|lost| below(&field, lost))
            || premises(&field).iter().any(|premise| lost().any(|lost| below(lost, premise)))
    }
}

/// What a check of a field looks at besides.
fn premises(field: &str) -> &'static [&'static str] {
    match field {
        ".base_url" => &[".from"],
        ".retry_signal" => &[".retry_signal"],
        ".retry.transient.base" => &[".retry.transient"],
        ".retry.throttled.base" => &[".retry.throttled"],
        ".idempotency.keyed" => &[".from", ".idempotency.keyed"],
        ".idempotency.max_length" => &[".from", ".idempotency.callers_keys_only"],
        ".idempotency.retention" => &[".from", ".retry.deadline"],
        ".idempotency.transient_signal" => &[".from", ".idempotency.kind", ".idempotency.transient_signal"],
        ".idempotency.replay_marker" => &[".idempotency.replay_marker"],
        _ if field.starts_with(".idempotency.") => {
            &[".from", ".idempotency.kind", ".idempotency.header", ".idempotency.body_member"]
        }
        _ => &[],
    }
}

/// Where in the file the reading is, and what went wrong so far.
pub(super) struct Reader<'m> {
    path: String,
    found: &'m mut Found,
}

impl<'m> Reader<'m> {
    pub(super) fn new(found: &'m mut Found) -> Self {
        Self { path: String::new(), found }
    }

    fn value<T: Read>(&mut self, raw: Raw) -> Option<T> {
        let value = T::read(raw, self);
        if value.is_none() {
            self.found.lost.push(self.path.clone());
        }
        value
    }

    /// A mistake here.
    pub(super) fn refuse<T>(&mut self, problem: impl Into<String>) -> Option<T> {
        let path = if self.path.is_empty() { "the file" } else { &self.path };
        self.found.mistakes.add(path, problem);
        None
    }

    pub(super) fn expected<T>(&mut self, wanted: &str, found: &Raw) -> Option<T> {
        self.refuse(format!("is {}: expected {wanted}", found.what()))
    }

    fn inside<T>(&mut self, part: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let here = self.path.len();
        self.path.push_str(part);
        let value = read(self);
        self.path.truncate(here);
        value
    }

    pub(super) fn field<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let part = if self.path.is_empty() { name.to_owned() } else { format!(".{name}") };
        self.inside(&part, read)
    }
}

/// A table whose fields are taken out one by one; what is left is unknown.
pub(super) struct Table<'r, 'm> {
    fields: Vec<(String, Raw)>,
    known: Vec<&'static str>,
    at: &'r mut Reader<'m>,
}

impl<'r, 'm> Table<'r, 'm> {
    pub(super) fn open(raw: Raw, at: &'r mut Reader<'m>) -> Option<Self> {
        match raw {
            Raw::Map(fields) => Some(Self { fields, known: Vec::new(), at }),
            other => at.expected("a table", &other),
        }
    }

    /// A field that may be missing.
    pub(super) fn take<T: Read>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let place = self.fields.iter().position(|(field, _)| field == name)?;
        let (_, raw) = self.fields.remove(place);
        self.at.field(name, |at| at.value(raw))
    }

    /// A field that must be there.
    pub(super) fn need<T: Read>(&mut self, name: &'static str) -> Option<T> {
        if !self.fields.iter().any(|(field, _)| field == name) {
            self.at.field(name, |at| at.refuse::<()>("is missing"));
        }
        self.take(name)
    }

    pub(super) fn close(self) {
        let Self { fields, known, at } = self;
        for (name, _) in fields {
            let problem = if known.contains(&name.as_str()) {
                "is given twice".to_owned()
            } else if sounds_secret(&name) {
                "is no field, and secrets have no place in this file: set them on the reqwest client, for example with \
                 `default_headers`"
                    .to_owned()
            } else {
                format!("is no field: there are {}", known.join(", "))
            };
            at.field(&name, |at| at.refuse::<()>(problem));
        }
    }
}

/// Whether a field of this name would hold what gives access.
fn sounds_secret(name: &str) -> bool {
    const WORDS: [&str; 10] =
        ["token", "apikey", "auth", "header", "secret", "password", "bearer", "credential", "cookie", "user"];
    let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    WORDS.iter().any(|word| name.contains(word))
}

impl Read for bool {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        match raw {
            Raw::Bool(value) => Some(value),
            other => at.expected("true or false", &other),
        }
    }
}

impl Read for String {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        match raw {
            Raw::Text(text) => Some(text),
            other => at.expected("text", &other),
        }
    }
}

/// A whole number from 0 to the largest of its type.
macro_rules! read_whole_numbers {
    ($($number:ty),*) => {$(
        impl Read for $number {
            fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
                match raw {
                    Raw::Integer(number) => match Self::try_from(number) {
                        Ok(number) => Some(number),
                        Err(_) => at.refuse(format!("is {number}: expected 0 to {}", Self::MAX)),
                    },
                    Raw::Float(_) => at.refuse("has a fraction: expected a whole number"),
                    other => at.expected("a whole number", &other),
                }
            }
        }
    )*};
}
read_whole_numbers!(u16, u32);

impl<T: Read> Read for Vec<T> {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        let Raw::List(items) = raw else { return at.expected("a list", &raw) };
        let items = items.into_iter().enumerate();
        Some(items.filter_map(|(index, item)| at.inside(&format!("[{index}]"), |at| at.value(item))).collect())
    }
}

/// Values by name; one that could not be read keeps its name.
impl<T: Read + Default> Read for BTreeMap<String, T> {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        let Raw::Map(entries) = raw else { return at.expected("a table", &raw) };
        let mut map = Self::new();
        for (name, raw) in entries {
            at.field(&name, |at| {
                let value = at.value(raw).unwrap_or_default();
                if map.insert(name.clone(), value).is_some() {
                    at.refuse::<()>("is given twice");
                }
            });
        }
        Some(map)
    }
}
