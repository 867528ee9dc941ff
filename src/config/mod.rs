//! The services of a layer from a file.
//!
//! A table of the file is put over the description that it starts from (`merge`), read as that type (`value`, `message`),
//! and built as if it came from code (`build`).

mod build;
mod merge;
mod message;
#[cfg(feature = "schema")]
pub(crate) mod schema;
mod shipped;
mod statuses;
mod value;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use self::{merge::Table, value::Any};
use crate::{
    classifier::Classifier,
    durable::journal::Journal,
    hooks::RequestFacts,
    service::{config_error::ConfigError, hooks::Hooks, service::Service},
    verify::{InDoubtWrite, Verdict, Verifier, VerifierFn},
};

/// The services of a layer from a file in TOML, JSON, YAML or any other format of serde; needs the feature `config`.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{SafeRetry, ServicesConfig, Verdict};
///
/// let file: ServicesConfig = toml::from_str(
///     r#"
///     [services.metronome]
///     from = "metronome"
///     retry_policy.max_attempts = 5
///
///     [services.billing]
///     base_url = "https://billing.internal/api"
///     idempotency = { header = "Idempotency-Key", kind = "replay_all", retention = "24h" }
///     retry_policy = { deadline = "2m", transient = { base = "100ms" }, retry_on = [429, "5xx"] }
///     routes = [{ method = "POST", path = "/search", effect = "read" }]
///     "#,
/// )?;
/// let services = file.verifier_fn("billing", |_| async { Verdict::Unknown })?.build()?;
///
/// assert_eq!(services[0].base_url(), "https://billing.internal/api");
/// assert_eq!(services[0].idempotency().retention, Some(Duration::from_secs(24 * 3600)));
/// let layer = SafeRetry::try_new(services)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A service starts from the shipped description that `from` names, or from nothing. What the file says replaces what the
/// description says, field by field: `retry_policy.max_attempts = 5` keeps the rest. A list replaces a list, except that
/// routes are added, and change those with the same method and path, field by field too. What `idempotency` says also changes
/// the routes of the description that have rules of their own. The `idempotency` of a route needs to give only what
/// differs from the service's. The fields have the names of the setters of
/// [`ServiceBuilder`](crate::ServiceBuilder), [`RetryPolicy`](crate::RetryPolicy), [`Idempotency`](crate::Idempotency),
/// [`RateLimiting`](crate::RateLimiting), [`ErrorFormat`](crate::ErrorFormat) and [`Route`](crate::Route); the values have
/// those of the variants, in snake case. `examples/services.toml` shows all of them.
///
/// # Errors in the file
///
/// Deserialising fails only if the format itself is broken, a value is empty, or a field is given twice.
/// [`build`](Self::build) reports everything else, each error with its path:
///
/// ```
/// # use reqwest_safe_retry::ServicesConfig;
/// let file: ServicesConfig = toml::from_str(
///     r#"
///     [services.billing]
///     base_ulr = "https://billing.internal"
///
///     [services.orders]
///     base_url = "https://orders.internal"
///     retry_policy = { max_attempts = 0, transient = { base = "5s", cap = "2s" } }
///     "#,
/// )?;
/// let error = file.build().unwrap_err();
/// assert_eq!(error.errors()[0].path(), "services.billing.base_ulr");
/// assert_eq!(error.errors()[0].message(), "unknown field `base_ulr`; did you mean `base_url`?");
/// assert_eq!(error.errors()[1].path(), "services.orders.retry_policy.max_attempts");
/// assert_eq!(error.errors()[2].message(), "5s is above the cap 2s");
/// # Ok::<_, toml::de::Error>(())
/// ```
///
/// Contradictions are all reported. Of unknown fields and unreadable values, only the first of each service is.
///
/// # Secrets
///
/// Do not put secrets in the file. Set tokens and headers on the reqwest client, for example with `default_headers`. A field
/// that sounds like a secret, and user information in a base URL, is refused, and the error does not repeat the value.
///
/// # Serialising
///
/// Gives back what the file said, with services and fields sorted. Reading that gives an equal value.
#[derive(Clone)]
pub struct ServicesConfig {
    root: Table,
    hooks: BTreeMap<String, Hooks>,
}

impl ServicesConfig {
    /// The names of the services, sorted.
    ///
    /// ```
    /// # use reqwest_safe_retry::ServicesConfig;
    /// let file: ServicesConfig = toml::from_str("[services.orb]\nfrom = 'orb'\n[services.lago]\nfrom = 'lago'")?;
    /// assert!(file.names().eq(["lago", "orb"]));
    /// # Ok::<_, toml::de::Error>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let tables = self.root.get("services").and_then(Value::as_object);
        tables.into_iter().flat_map(Table::keys).map(String::as_str)
    }

    /// Gives a service its [`Verifier`], see [`Service::verifier`].
    ///
    /// # Errors
    ///
    /// If the file has no service of this name; the error lists those it has.
    pub fn verifier(mut self, name: &str, verifier: impl Verifier) -> Result<Self, ConfigError> {
        self.hooks(name)?.verifier = Some(Arc::new(verifier));
        Ok(self)
    }

    /// As [`verifier`](Self::verifier), with an async closure; see [`VerifierFn`].
    ///
    /// ```
    /// # use reqwest_safe_retry::{ServicesConfig, Verdict};
    /// let file: ServicesConfig = toml::from_str("[services.metronome]\nfrom = 'metronome'")?;
    /// let file = file.verifier_fn("metronome", |_| async { Verdict::Unknown })?;
    ///
    /// let error = file.verifier_fn("metronom", |_| async { Verdict::Unknown }).unwrap_err();
    /// assert_eq!(error.to_string(), "services.metronom: is not in the file, which has metronome");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`verifier`](Self::verifier).
    pub fn verifier_fn<F, Fut>(self, name: &str, verify: F) -> Result<Self, ConfigError>
    where
        F: Fn(&InDoubtWrite<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Verdict>> + Send + 'static,
    {
        self.verifier(name, VerifierFn::new(verify))
    }

    /// Gives a service the function that extracts the limit key from a request, see
    /// [`ServiceBuilder::limit_key`](crate::ServiceBuilder::limit_key).
    ///
    /// ```
    /// # use reqwest_safe_retry::ServicesConfig;
    /// let file: ServicesConfig = toml::from_str("[services.metronome]\nfrom = 'metronome'")?;
    /// let services = file.limit_key("metronome", |request| request.json("/customer_id"))?.build()?;
    /// assert_eq!(services[0].name(), "metronome");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file has no service of this name; the error lists those it has.
    pub fn limit_key(
        mut self,
        name: &str,
        key: impl Fn(&RequestFacts<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        self.hooks(name)?.limit_key = Some(Arc::new(key));
        Ok(self)
    }

    /// Gives a service its [`Classifier`], see [`ServiceBuilder::classifier`](crate::ServiceBuilder::classifier).
    ///
    /// # Errors
    ///
    /// If the file has no service of this name; the error lists those it has.
    pub fn classifier(mut self, name: &str, classifier: impl Classifier) -> Result<Self, ConfigError> {
        self.hooks(name)?.classifier = Some(Arc::new(classifier));
        Ok(self)
    }

    /// Gives the service of this name a journal, see [`Service::journal`].
    ///
    /// # Errors
    ///
    /// If the file has no such service.
    pub fn journal(mut self, name: &str, journal: impl Journal) -> Result<Self, ConfigError> {
        self.hooks(name)?.journal = Some(Arc::new(journal));
        Ok(self)
    }

    fn hooks(&mut self, name: &str) -> Result<&mut Hooks, ConfigError> {
        if self.names().any(|known| known == name) {
            return Ok(self.hooks.entry(name.to_owned()).or_default());
        }
        let names: Vec<&str> = self.names().collect();
        let names = if names.is_empty() { "no services".to_owned() } else { names.join(", ") };
        Err(build::refused(&format!("services.{name}"), format!("is not in the file, which has {names}")))
    }

    /// The services, in the order of their names; for [`SafeRetry::try_new`](crate::SafeRetry::try_new), together with
    /// others if need be.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] with the errors of all services, sorted by path: what cannot be read, what
    /// [`ServiceBuilder::build`](crate::ServiceBuilder::build) refuses, and base URLs that two services share.
    pub fn build(self) -> Result<Vec<Service>, ConfigError> {
        build::build(self.root, self.hooks)
    }

    /// The JSON schema of a file, with which editors complete and check it; needs the feature `schema`.
    ///
    /// The same text is in the repository as `schema/services.schema.json`. A TOML file names it in its first line, as
    /// `#:schema services.schema.json`; a YAML file as `# yaml-language-server: $schema=services.schema.json`; a JSON file in
    /// its field `$schema`.
    ///
    /// ```
    /// # use reqwest_safe_retry::ServicesConfig;
    /// let schema = ServicesConfig::json_schema();
    /// assert_eq!(schema["properties"]["services"]["type"], "object");
    /// ```
    #[cfg(feature = "schema")]
    pub fn json_schema() -> Value {
        schema::generate()
    }
}

impl<'de> Deserialize<'de> for ServicesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Any::deserialize(deserializer)? {
            Any(Value::Object(root)) => Ok(Self { root, hooks: BTreeMap::new() }),
            _ => Err(D::Error::custom("expected a table with the field `services`")),
        }
    }
}

impl Serialize for ServicesConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root.serialize(serializer)
    }
}

/// By what the files say; verifiers and functions are not compared.
impl PartialEq for ServicesConfig {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

/// Names only: a value may be a secret until it is refused.
impl fmt::Debug for ServicesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServicesConfig").field("services", &self.names().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
