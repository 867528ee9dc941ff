//! The services of a layer from a file: read leniently, checked whole, told at once.

mod apply;
mod file;
mod raw;
mod reader;
#[cfg(feature = "schema")]
mod schema;
mod values;
mod words;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

use self::{
    file::File,
    raw::Raw,
    reader::{Found, Read, Reader},
};
use crate::{
    config_error::{ConfigError, Mistakes},
    service::{CustomerOf, RequestFacts, Service, ServiceBuilder, refuse_shared_base_urls},
    verify::Verifier,
};

/// The services of a layer as a file gives them, in TOML, JSON, YAML or any other format of serde; needs the feature
/// `serde`.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Doubt, SafeRetry, ServicesConfig, Verdict};
///
/// let file: ServicesConfig = toml::from_str(
///     r#"
///     [services.metronome]
///     from = "metronome"
///     retry.max_attempts = 5
///
///     [services.billing]
///     base_url = "https://billing.internal/api"
///     idempotency = { header = "Idempotency-Key", kind = "replay_all", retention = "24h" }
///     retry = { deadline = "2m", transient = { base = "100ms" }, retry_on = [429, "5xx"] }
///     routes = [{ method = "POST", path = "/search", effect = "read" }]
///     "#,
/// )?;
/// let services = file.verifier("billing", |_: &Doubt<'_>| async { Verdict::Unknown })?.build()?;
///
/// assert_eq!(services[0].base_url(), "https://billing.internal/api");
/// assert_eq!(services[0].idempotency().kept_for(), Some(Duration::from_secs(24 * 3600)));
/// let layer = SafeRetry::try_new(services)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A service starts from the shipped description that `from` names, or from nothing. What the file gives replaces what
/// the description says, field by field: `retry.max_attempts = 5` keeps the rest. A list replaces a list, except that
/// routes are added, and replace those with the same method and path. The fields have the names of the setters of
/// [`ServiceBuilder`], [`RetryPolicy`](crate::RetryPolicy), [`Idempotency`](crate::Idempotency),
/// [`RateLimiting`](crate::RateLimiting), [`ErrorFormat`](crate::ErrorFormat) and [`Route`](crate::Route); the words have
/// those of the variants, in snake case. `examples/services.toml` shows all of them.
///
/// # Mistakes
///
/// Deserialising fails only where the format itself is broken. Everything else that is wrong (an unknown field, a value
/// of the wrong type, a wait above its cap) is kept, and [`build`](Self::build) tells all of it at once:
///
/// ```
/// # use reqwest_safe_retry::ServicesConfig;
/// let file: ServicesConfig = toml::from_str(
///     r#"
///     [services.billing]
///     base_url = "https://billing.internal"
///     retry = { max_attempts = "many", transient = { base = "5s", cap = "2s" } }
///     "#,
/// )?;
/// let error = file.build().unwrap_err();
/// assert_eq!(error.mistakes()[0].to_string(), "services.billing.retry.max_attempts: is text: expected a whole number");
/// assert_eq!(error.mistakes()[1].to_string(), "services.billing.retry.transient.base: 5s is above the cap 2s");
/// # Ok::<_, toml::de::Error>(())
/// ```
///
/// # Secrets
///
/// Have no place in the file. Set tokens and headers on the reqwest client, for example with `default_headers`; a field
/// that sounds like one, and user information in a base URL, is refused, and its value is not repeated in the mistake.
///
/// # Serialising
///
/// Gives what the file gave, in one form: services and fields in a fixed order, durations as `humantime` writes them.
/// Reading that gives an equal value. A file with mistakes in what it says cannot be serialised.
#[derive(Clone, Default)]
pub struct ServicesConfig {
    file: File,
    found: Found,
    hooks: BTreeMap<String, Hooks>,
}

/// What only code can give to a service.
#[derive(Clone, Default)]
struct Hooks {
    verifier: Option<Arc<dyn Verifier>>,
    customer: Option<CustomerOf>,
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
        self.file.services.keys().map(String::as_str)
    }

    /// Gives a service its [`Verifier`], see [`Service::verifier`].
    ///
    /// ```
    /// # use reqwest_safe_retry::{Doubt, ServicesConfig, Verdict};
    /// let file: ServicesConfig = toml::from_str("[services.metronome]\nfrom = 'metronome'")?;
    /// let file = file.verifier("metronome", |_: &Doubt<'_>| async { Verdict::Unknown })?;
    ///
    /// let error = file.verifier("metronom", |_: &Doubt<'_>| async { Verdict::Unknown }).unwrap_err();
    /// assert_eq!(error.to_string(), "services.metronom: is not in the file, which has metronome");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file has no service of this name; the error lists those it has.
    pub fn verifier(mut self, name: &str, verifier: impl Verifier) -> Result<Self, ConfigError> {
        self.hooks(name)?.verifier = Some(Arc::new(verifier));
        Ok(self)
    }

    /// Gives a service the function that draws the customer from a request, see [`ServiceBuilder::customer`].
    ///
    /// ```
    /// # use reqwest_safe_retry::ServicesConfig;
    /// let file: ServicesConfig = toml::from_str("[services.metronome]\nfrom = 'metronome'")?;
    /// let services = file.customer("metronome", |request| request.json("/customer_id"))?.build()?;
    /// assert_eq!(services[0].name(), "metronome");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file has no service of this name; the error lists those it has.
    pub fn customer(
        mut self,
        name: &str,
        of: impl Fn(&RequestFacts<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        self.hooks(name)?.customer = Some(Arc::new(of));
        Ok(self)
    }

    fn hooks(&mut self, name: &str) -> Result<&mut Hooks, ConfigError> {
        if self.file.services.contains_key(name) {
            return Ok(self.hooks.entry(name.to_owned()).or_default());
        }
        let names: Vec<&str> = self.names().collect();
        let names = if names.is_empty() { "no service".to_owned() } else { names.join(", ") };
        let mut mistakes = Mistakes::default();
        mistakes.add(format!("services.{name}"), format!("is not in the file, which has {names}"));
        mistakes.finish(None)
    }

    /// The services, in the order of their names; for [`SafeRetry::try_new`](crate::SafeRetry::try_new), together with
    /// others if need be.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that lists everything that is wrong with the file, sorted by path: what cannot be read, what
    /// [`ServiceBuilder::build`] refuses, and base URLs that two services share.
    pub fn build(mut self) -> Result<Vec<Service>, ConfigError> {
        let mut mistakes = self.found.mistakes.clone();
        let mut services = Vec::new();
        let mut places = Vec::new();
        for (name, table) in &self.file.services {
            let mut own = Mistakes::default();
            let hooks = self.hooks.remove(name).unwrap_or_default();
            let builder = hooks.over(table.builder(name, &mut own));
            if !self.found.explains(name, "base_url") {
                places.extend(builder.parsed_url().map(|url| (name.as_str(), url)));
            }
            match builder.build() {
                Ok(service) => services.push(service),
                Err(error) => own.add_unless_told(error, &format!("services.{name}.")),
            }
            own.retain(|mistake| !self.found.explains(name, mistake.path()));
            mistakes.extend(own.under(&format!("services.{name}.")));
        }
        let places: Vec<_> = places.iter().map(|(name, url)| (*name, url.as_str())).collect();
        refuse_shared_base_urls(&places, &mut mistakes);
        mistakes.sort();
        mistakes.finish(Some(services))
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
    pub fn json_schema() -> serde_json::Value {
        schema::generate()
    }
}

impl Hooks {
    fn over(self, mut builder: ServiceBuilder) -> ServiceBuilder {
        builder.verifier = self.verifier.or(builder.verifier);
        builder.customer = self.customer.or(builder.customer);
        builder
    }
}

impl<'de> Deserialize<'de> for ServicesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        let mut found = Found::default();
        let file = File::read(raw, &mut Reader::new(&mut found)).unwrap_or_default();
        Ok(Self { file, found, hooks: BTreeMap::new() })
    }
}

impl Serialize for ServicesConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.found.mistakes.clone().finish(Some(())) {
            Ok(()) => self.file.serialize(serializer),
            Err(error) => Err(S::Error::custom(error)),
        }
    }
}

/// By what the files give; verifiers and functions are not compared.
impl PartialEq for ServicesConfig {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.found == other.found
    }
}

/// Names only: a base URL may have a password in it until it is refused.
impl fmt::Debug for ServicesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServicesConfig")
            .field("services", &self.file.services.keys())
            .field("mistakes", &self.found.mistakes.all())
            .finish_non_exhaustive()
    }
}
