//! Where a service is: scheme, host, port and the path that all its requests have in common.

use reqwest::Url;

use super::config_error::FieldErrors;

/// A base URL, in the forms in which it is compared with the URLs of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    text: Box<str>,
    /// The URL with one slash at its end: what the URLs below it begin with.
    prefix: Box<str>,
    /// Its path, without them.
    path: Box<str>,
    scheme: Box<str>,
    port: Option<u16>,
    hosts: Hosts,
}

/// The hosts that a base URL covers; each covers less than the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    One(Box<str>),
    /// All below this domain, but not the domain itself.
    Below(Box<str>),
    Any,
}

/// In place of a URL: every host.
const ANY: &str = "*";

impl BaseUrl {
    /// `field` is where the text was given.
    pub(super) fn parse(text: &str, field: &str, errors: &mut FieldErrors) -> Option<Self> {
        if text == ANY {
            return Some(Self::any());
        }
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(_) if text.is_empty() => {
                errors.add(field, "is missing");
                return None;
            }
            Err(error) => {
                // The text itself may contain secrets.
                errors.add(field, format!("is not a URL: {error}"));
                return None;
            }
        };
        check(&url, field, errors);
        let host = host_of(&url).unwrap_or_default();
        Some(Self {
            text: url.as_str().into(),
            prefix: format!("{}/", url.as_str().trim_end_matches('/')).into(),
            path: url.path().trim_end_matches('/').into(),
            scheme: url.scheme().into(),
            port: url.port_or_known_default(),
            hosts: match host.strip_prefix("*.") {
                Some(domain) => Hosts::Below(domain.into()),
                None => Hosts::One(host.into()),
            },
        })
    }

    fn any() -> Self {
        let nothing = || Box::from("");
        Self { text: ANY.into(), prefix: ANY.into(), path: nothing(), scheme: nothing(), port: None, hosts: Hosts::Any }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Host and port, if there is one host.
    pub(crate) fn one_host(&self) -> Option<(&str, Option<u16>)> {
        match &self.hosts {
            Hosts::One(host) => Some((host, self.port)),
            Hosts::Below(_) | Hosts::Any => None,
        }
    }

    /// What the paths of all requests begin with.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        (&self.hosts, &self.scheme, self.port, &self.path) == (&other.hosts, &other.scheme, other.port, &other.path)
    }

    /// Of the base URLs that cover a URL, the one for which this is the largest counts: one host before a domain, a longer
    /// domain before a shorter one, any host last, and then the longest path.
    pub(crate) fn precedence(&self) -> (usize, usize) {
        let of_hosts = match &self.hosts {
            Hosts::One(_) => usize::MAX,
            Hosts::Below(domain) => domain.len(),
            Hosts::Any => 0,
        };
        (of_hosts, self.path.len())
    }

    /// The part of a path after the base URL, if the URL is below it.
    pub(crate) fn relative_path<'u>(&self, url: &'u Url) -> Option<&'u str> {
        // Nearly always the text is enough: a URL without user information begins as the base URL does.
        if url.as_str().starts_with(&*self.prefix) {
            return url.path().get(self.path.len()..);
        }
        if !self.covers_origin(url) {
            return None;
        }
        let rest = url.path().strip_prefix(&*self.path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    fn covers_origin(&self, url: &Url) -> bool {
        let Some(host) = host_of(url) else { return false };
        let is_covered = match &self.hosts {
            Hosts::One(known) => host == &**known,
            Hosts::Below(domain) => is_below(host, domain),
            Hosts::Any => return is_http(url),
        };
        is_covered && url.port_or_known_default() == self.port && url.scheme() == &*self.scheme
    }
}

/// A dot at the end makes a name absolute; it is the same host.
pub(crate) fn host_of(url: &Url) -> Option<&str> {
    let host = url.host_str()?;
    Some(host.strip_suffix('.').unwrap_or(host))
}

fn is_below(host: &str, domain: &str) -> bool {
    let labels = host.strip_suffix(domain).and_then(|labels| labels.strip_suffix('.'));
    labels.is_some_and(|labels| !labels.is_empty())
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn check(url: &Url, field: &str, errors: &mut FieldErrors) {
    if !is_http(url) {
        errors.add(field, format!("has the scheme {}: use http or https", url.scheme()));
        return;
    }
    match host_of(url) {
        None => errors.add(field, "has no host"),
        Some(host) if !is_host_or_pattern(host) => {
            let message = format!(
                "has the host {host:?}, a pattern that no request matches: give one host, \"*.\" and a domain of two \
                 labels or more for all hosts below it, or \"*\" in place of the URL for every host"
            );
            errors.add(field, message);
        }
        Some(_) => {}
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        errors.add(field, "has a query, a fragment or user information: give scheme, host, port and path only");
    }
}

fn is_host_or_pattern(host: &str) -> bool {
    let domain = host.strip_prefix("*.");
    // One label is a whole top-level domain, whose hosts belong to everybody.
    let is_wide = |domain: &str| domain.split('.').count() < 2 || domain.split('.').any(str::is_empty);
    !domain.is_some_and(is_wide) && !domain.unwrap_or(host).contains(['*', '{', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BaseUrl, String> {
        let mut errors = FieldErrors::default();
        let base = BaseUrl::parse(text, "base_url", &mut errors);
        errors.finish(base).map_err(|error| error.to_string())
    }

    #[test]
    fn pattern_covers_the_hosts_below_its_domain() {
        let base = parse("https://*.myshopify.com/admin").unwrap();
        for (url, expected) in [
            ("https://a.myshopify.com/admin/orders", Some("/orders")),
            ("https://a.b.myshopify.com/admin", Some("")),
            ("https://A.MyShopify.com.:443/admin/", Some("/")),
            ("https://user@a.myshopify.com/admin/x?y", Some("/x")),
            ("https://myshopify.com/admin/orders", None),
            ("https://.myshopify.com/admin/orders", None),
            ("https://notmyshopify.com/admin/orders", None),
            ("https://a.myshopify.com.evil.com/admin/orders", None),
            ("https://a.myshopify.com:8443/admin/orders", None),
            ("http://a.myshopify.com/admin/orders", None),
            ("https://a.myshopify.com/administrator", None),
        ] {
            let Ok(url) = url.parse() else { continue };
            assert_eq!(base.relative_path(&url), expected, "{url}");
        }
    }

    #[test]
    fn any_host_covers_http_and_https() {
        let base = parse("*").unwrap();
        for (url, expected) in [
            ("https://a.com/x/y?z", Some("/x/y")),
            ("http://127.0.0.1:8080", Some("/")),
            ("https://[::1]/x", Some("/x")),
            ("ftp://a.com/x", None),
            ("data:text/plain,x", None),
        ] {
            assert_eq!(base.relative_path(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn patterns_that_match_too_much_or_nothing_are_refused() {
        for host in ["*", "*.com", "*.com.", "a*.x.com", "*a.x.com", "a.*.com", "*.*.x.com", "**.x.com", "{shop}.x.com"]
        {
            let error = parse(&format!("https://{host}/v1")).unwrap_err();
            let host = host.trim_end_matches('.');
            assert!(error.contains(&format!("has the host {host:?}, a pattern that no request matches")), "{error}");
            assert!(error.contains("\"*.\" and a domain of two labels or more"), "{error}");
        }
        for not_a_url in ["https://*.0.0.1", "https://*.[::1]", "*:443", "**", "*/v1"] {
            assert!(parse(not_a_url).unwrap_err().starts_with("base_url: is not a URL"), "{not_a_url}");
        }
        for pattern in ["https://*.x.com", "http://*.a.b.x.com.:8080/v1"] {
            parse(pattern).unwrap();
        }
    }
}
