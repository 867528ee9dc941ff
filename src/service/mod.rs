//! What a service documents, as data, and the service that is built from it.

mod attach;
pub(crate) mod base_url;
pub(crate) mod base_urls;
pub(crate) mod boolean_header;
pub(crate) mod builder;
mod builder_keys;
pub(crate) mod config_error;
pub(crate) mod description;
pub(crate) mod error_format;
pub(crate) mod header;
pub(crate) mod health;
pub(crate) mod hooks;
pub(crate) mod idempotency;
pub(crate) mod idempotency_check;
pub(crate) mod journal_check;
pub(crate) mod key_characters;
pub(crate) mod limit_key;
pub(crate) mod method;
#[cfg(feature = "config")]
mod name_or_table;
pub(crate) mod policy;
pub(crate) mod rate_limiting;
pub(crate) mod registry;
pub(crate) mod response_rule;
pub(crate) mod retry_after_source;
pub(crate) mod route;
pub(crate) mod routes;
pub(crate) mod seen_keys;
#[allow(clippy::module_inception)]
pub(crate) mod service;
mod several_hosts;
pub(crate) mod source;
mod templates;
