//! A service with several hosts: several origins, the hosts below a domain, or every host.

use std::borrow::Cow;

use reqwest::Url;

use super::{
    base_url::{BaseUrl, host_of},
    base_urls::BaseUrlTexts,
    builder::ServiceBuilder,
    service::{Service, Shared},
};
use crate::limit::hosts::{HostLimits, Hosts};

impl Service {
    /// Every `http` and `https` URL that no other service of the layer covers, for typed errors and safe retries of calls to
    /// hosts of which nothing is documented. The same as a [`builder`](Self::builder) with the base URL `*`.
    ///
    /// ```
    /// use reqwest_safe_retry::{SafeRetry, Service};
    ///
    /// let others = Service::any_host("others").build()?;
    /// let layer = SafeRetry::new([Service::metronome(), others]);
    /// assert_eq!(layer.services()[1].base_url(), "*");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    ///
    /// Without keys a read is sent again, and so are a PUT and a DELETE, which HTTP defines as idempotent; any other write
    /// only if it was not sent, or was refused with a 429 or 425. Each host has a retry budget and a concurrency limit of its
    /// own, see [`base_urls`](ServiceBuilder::base_urls).
    pub fn any_host(name: impl Into<Cow<'static, str>>) -> ServiceBuilder {
        Self::builder(name, "*")
    }

    /// The base URLs, in the order in which they were given; see [`ServiceBuilder::base_urls`](crate::ServiceBuilder::base_urls).
    pub fn base_urls(&self) -> impl Iterator<Item = &str> {
        self.shared.bases.iter().map(BaseUrl::as_str)
    }

    /// What all calls to the host of this URL share.
    #[inline]
    pub(crate) fn limits_of(&self, url: &Url) -> &HostLimits {
        match &self.shared.hosts {
            None => &self.shared.limits,
            Some(hosts) => self.limits_of_one(hosts, url),
        }
    }

    fn limits_of_one<'s>(&'s self, hosts: &'s Hosts, url: &Url) -> &'s HostLimits {
        let Shared { limits, description, routes, .. } = &*self.shared;
        let (Some(name), Some(port)) = (host_of(url), url.port_or_known_default()) else { return limits };
        hosts.find(name, port, || Self::new_limits(description, routes)).unwrap_or(limits)
    }

    /// Host and port of a request, if the service has several hosts: the same operation in two of them is two writes.
    pub(crate) fn host_of_several(&self, url: &Url) -> Option<String> {
        self.shared.hosts.as_ref()?;
        Some(format!("{}:{}", host_of(url)?, url.port_or_known_default()?))
    }
}

impl ServiceBuilder {
    /// Several base URLs, in place of the one: a service with several origins, with a host for each customer, or both. The
    /// paths of routes come after each of them.
    ///
    /// ```
    /// use reqwest_safe_retry::Service;
    ///
    /// let shops = Service::builder("shops", "https://*.myshopify.com/admin").build()?;
    /// assert_eq!(shops.base_url(), "https://*.myshopify.com/admin");
    /// let regions = ["https://eu.example.com", "https://us.example.com"];
    /// let regions = Service::builder("regions", "").base_urls(regions).build()?;
    /// assert_eq!(regions.base_urls().count(), 2);
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    ///
    /// `*` stands for one label or more, and only for the first ones: `https://*.example.com` covers
    /// `https://a.b.example.com`, but not `https://example.com`. Of several base URLs that cover a request, in one service or
    /// in several, one that names the host counts, then the longest domain, then `*`; and of these the one with the longest
    /// path.
    ///
    /// Each host, with its port, has a retry budget and a concurrency limit of its own, from the first call to it on. The
    /// first 1,024 hosts have, for as long as the service lives; all further ones share one budget and one limit. See
    /// [`Health::hosts`](crate::Health::hosts).
    ///
    /// Operations, their keys and their journal entries are told apart by host. So the operations of a service have other
    /// keys once it has several hosts: what is in doubt then is not protected by them.
    pub fn base_urls<U: Into<Cow<'static, str>>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.description.base_url = BaseUrlTexts::List(urls.into_iter().map(Into::into).collect());
        self
    }
}
