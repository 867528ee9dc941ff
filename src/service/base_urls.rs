//! The base URLs of a service: one, or several that a service with several origins has.

use std::borrow::Cow;

use reqwest::Url;

use super::{
    base_url::{BaseUrl, Hosts},
    config_error::FieldErrors,
};

/// The base URLs of a service as they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BaseUrlTexts {
    One(Cow<'static, str>),
    List(Vec<Cow<'static, str>>),
}

/// The base URLs of a service, at least one, in the order in which they were given.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrls(Box<[BaseUrl]>);

impl BaseUrls {
    pub(super) fn parse(texts: &BaseUrlTexts, errors: &mut FieldErrors) -> Option<Self> {
        let texts = match texts {
            BaseUrlTexts::One(text) => return Some(Self([BaseUrl::parse(text, "base_url", errors)?].into())),
            BaseUrlTexts::List(texts) => texts,
        };
        if texts.is_empty() {
            errors.add("base_url", "is missing");
        }
        let mut found = Vec::<BaseUrl>::new();
        for (index, text) in texts.iter().enumerate() {
            let field = field(texts.len(), index);
            let Some(base) = BaseUrl::parse(text, &field, errors) else { continue };
            if found.iter().any(|other| other.is_same_place(&base)) {
                errors.add(&*field, "is given twice");
            }
            if texts.len() > 1 && *base.hosts() == Hosts::Any {
                errors.add(&*field, "covers every host: give it alone");
            }
            found.push(base);
        }
        Some(Self(found.into()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &BaseUrl> {
        self.0.iter()
    }

    /// Where the base URL at this position is in a description.
    pub(super) fn field(&self, position: usize) -> Cow<'static, str> {
        field(self.0.len(), position)
    }

    /// Whether all requests go to one host.
    pub(super) fn are_one_host(&self) -> bool {
        let mut places = self.iter().map(BaseUrl::one_host);
        places.next().flatten().is_some_and(|first| places.all(|other| other == Some(first)))
    }

    /// The base URL that a URL is below, and the part of its path after it.
    pub(super) fn locate<'u>(&self, url: &'u Url) -> Option<(&BaseUrl, &'u str)> {
        let covering = self.iter().filter_map(|base| Some((base, base.relative_path(url)?)));
        covering.max_by_key(|(base, _)| base.precedence())
    }
}

fn field(count: usize, position: usize) -> Cow<'static, str> {
    if count == 1 { "base_url".into() } else { format!("base_url[{position}]").into() }
}

#[cfg(feature = "config")]
mod file {
    use std::fmt;

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{Error, SeqAccess, Visitor},
    };

    use super::BaseUrlTexts;

    impl Serialize for BaseUrlTexts {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::One(text) => text.serialize(serializer),
                Self::List(texts) => texts.serialize(serializer),
            }
        }
    }

    impl<'de> Deserialize<'de> for BaseUrlTexts {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(TextsVisitor)
        }
    }

    struct TextsVisitor;

    impl<'de> Visitor<'de> for TextsVisitor {
        type Value = BaseUrlTexts;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text or a list of texts")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<BaseUrlTexts, E> {
            Ok(BaseUrlTexts::One(text.to_owned().into()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<BaseUrlTexts, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = items.next_element::<String>()? {
                texts.push(text.into());
            }
            Ok(BaseUrlTexts::List(texts))
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for BaseUrlTexts {
    fn schema_name() -> Cow<'static, str> {
        "BaseUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A base URL, or a list of several.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ],
            "examples": [
                "https://billing.internal/api",
                "https://*.example.com",
                ["https://eu.example.com", "https://us.example.com"],
                "*",
            ],
        })
    }
}
