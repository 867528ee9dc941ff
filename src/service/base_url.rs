//! Where a service is: scheme, host, port and the path that all its requests have in common.

use reqwest::Url;

use super::config_error::FieldErrors;

/// A base URL, in the forms in which it is compared with the URLs of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub(crate) url: Url,
    /// The URL with one slash at its end: what the URLs below it begin with.
    prefix: Box<str>,
    /// Its path, without them.
    path: Box<str>,
}

impl BaseUrl {
    pub(crate) fn parse(text: &str, errors: &mut FieldErrors) -> Option<Self> {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(_) if text.is_empty() => {
                errors.add("base_url", "is missing");
                return None;
            }
            Err(error) => {
                // The text itself may contain secrets.
                errors.add("base_url", format!("is not a URL: {error}"));
                return None;
            }
        };
        check(&url, errors);
        let prefix = format!("{}/", url.as_str().trim_end_matches('/')).into();
        let path = url.path().trim_end_matches('/').into();
        Some(Self { url, prefix, path })
    }

    pub(crate) fn host(&self) -> &str {
        host_of(&self.url).unwrap_or_default()
    }

    /// What the paths of all requests begin with.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        self.is_same_origin(&other.url) && self.path == other.path
    }

    fn is_same_origin(&self, url: &Url) -> bool {
        host_of(url) == host_of(&self.url)
            && url.port_or_known_default() == self.url.port_or_known_default()
            && url.scheme() == self.url.scheme()
    }

    /// The part of a path after the base URL, if the URL is below it.
    pub(crate) fn relative_path<'u>(&self, url: &'u Url) -> Option<&'u str> {
        // Nearly always the text is enough: a URL without user information begins as the base URL does.
        if url.as_str().starts_with(&*self.prefix) {
            return url.path().get(self.path.len()..);
        }
        if !self.is_same_origin(url) {
            return None;
        }
        let rest = url.path().strip_prefix(&*self.path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// A dot at the end makes a name absolute; it is the same host.
pub(crate) fn host_of(url: &Url) -> Option<&str> {
    let host = url.host_str()?;
    Some(host.strip_suffix('.').unwrap_or(host))
}

fn check(url: &Url, errors: &mut FieldErrors) {
    if !matches!(url.scheme(), "http" | "https") {
        errors.add("base_url", format!("has the scheme {}: use http or https", url.scheme()));
        return;
    }
    match url.host_str() {
        None => errors.add("base_url", "has no host"),
        Some(host) if host.contains(['*', '{', '}']) => {
            errors.add("base_url", format!("has the host {host:?}, a pattern that no request matches: give one host"));
        }
        Some(_) => {}
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        errors.add("base_url", "has a query, a fragment or user information: give scheme, host, port and path only");
    }
}
