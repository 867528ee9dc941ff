//! What is wrong with a configuration: every error with the path of its field.

use std::fmt;

/// A configuration that cannot work: every error with the path of its field.
///
/// ```
/// use reqwest_safe_retry::{RetryPolicy, Service};
///
/// let service = Service::builder("billing", "https://billing.internal").retry_policy(RetryPolicy::new().max_attempts(0));
/// let error = service.build().unwrap_err();
/// assert_eq!(error.errors()[0].path(), "services.billing.retry_policy.max_attempts");
/// assert_eq!(error.errors()[0].message(), "is 0, but the first attempt counts: use at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    errors: Vec<FieldError>,
}

/// One error in a configuration.
///
/// ```
/// use reqwest_safe_retry::{RetryPolicy, Service};
///
/// let billing = Service::builder("billing", "nowhere").retry_policy(RetryPolicy::new().max_attempts(0));
/// let error = billing.build().unwrap_err();
/// let wrong: Vec<_> = error.errors().iter().map(|field| field.path()).collect();
/// assert_eq!(wrong, ["services.billing.base_url", "services.billing.retry_policy.max_attempts"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    path: String,
    message: String,
}

impl ConfigError {
    /// Every error found.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl FieldError {
    /// The field, for example `services.billing.retry_policy.transient.base`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(feature = "config")]
impl From<FieldErrors> for ConfigError {
    fn from(FieldErrors(errors): FieldErrors) -> Self {
        Self { errors }
    }
}

/// Collects errors, so that all are reported together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { path: path.into(), message: message.into() });
    }

    /// Adds the errors of a JSON pointer (RFC 6901) that must not be empty.
    pub(crate) fn check_pointer(&mut self, path: &str, pointer: &str) {
        if !pointer.starts_with('/') {
            self.add(path, format!("{pointer:?} is not a JSON pointer: it must start with a slash"));
        }
    }

    /// Puts the paths of all errors below this one.
    pub(crate) fn below(mut self, path: &str) -> Self {
        for error in &mut self.0 {
            error.path.insert_str(0, path);
        }
        self
    }

    pub(crate) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    #[cfg(feature = "config")]
    pub(crate) fn extend(&mut self, more: ConfigError) {
        self.0.extend(more.errors);
    }

    #[cfg(feature = "config")]
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
    }

    /// What was built, unless there is an error.
    pub(crate) fn finish<T>(self, built: Option<T>) -> Result<T, ConfigError> {
        built.filter(|_| self.0.is_empty()).ok_or(ConfigError { errors: self.0 })
    }
}
