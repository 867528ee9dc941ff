//! The services of a layer, found by URL.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use reqwest::Url;

use super::{
    base_url::{BaseUrl, Hosts, host_of},
    config_error::{ConfigError, FieldErrors},
    service::Service,
};

/// The services of a layer, found by URL. Clones are the same list.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    services: Arc<[Service]>,
    /// The services of each host, in the order of the hosts.
    by_host: Arc<[(Box<str>, Vec<Place>)]>,
    /// None if every service names its hosts.
    patterns: Option<Arc<Patterns>>,
    /// Whether there is one place alone, in which nearly every URL is: hosts need not be compared.
    is_one_place: bool,
}

/// Where a service is, and its position in the list. Places with the longest path come first, so that the first match is
/// the closest.
#[derive(Clone, Debug)]
struct Place {
    base: BaseUrl,
    service: usize,
}

/// The services whose base URLs do not name a host.
#[derive(Debug, Default)]
struct Patterns {
    /// By the domain below which their hosts are.
    by_domain: BTreeMap<Box<str>, Vec<Place>>,
    any: Option<Place>,
}

impl Registry {
    pub(crate) fn new(services: impl IntoIterator<Item = Service>) -> Result<Self, ConfigError> {
        let services: Arc<[Service]> = services.into_iter().collect();
        let mut errors = FieldErrors::default();
        refuse_shared_base_urls(&services, &mut errors);
        let mut by_host = BTreeMap::<Box<str>, Vec<Place>>::new();
        let mut patterns = Patterns::default();
        for (position, base) in
            services.iter().enumerate().flat_map(|(at, service)| service.bases().iter().map(move |base| (at, base)))
        {
            let place = Place { base: base.clone(), service: position };
            match base.hosts() {
                Hosts::One(host) => by_host.entry(host.clone()).or_default().push(place),
                Hosts::Below(domain) => patterns.by_domain.entry(domain.clone()).or_default().push(place),
                Hosts::Any => patterns.any = Some(place),
            }
        }
        for places in by_host.values_mut().chain(patterns.by_domain.values_mut()) {
            places.sort_by_key(|place| Reverse(place.base.path().len()));
        }
        let patterns = (!patterns.by_domain.is_empty() || patterns.any.is_some()).then(|| Arc::new(patterns));
        let by_host: Arc<[_]> = by_host.into_iter().collect();
        let is_one_place = patterns.is_none() && matches!(&*by_host, [(_, places)] if places.len() == 1);
        errors.finish(Some(Self { services, by_host, patterns, is_one_place }))
    }

    pub(crate) fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service of a URL, and the part of its path after the service's own.
    pub(crate) fn find<'u>(&self, url: &'u Url) -> Option<(&Service, &'u str)> {
        if self.is_one_place {
            let (service, path) = closest(&self.by_host.first()?.1, url)?;
            return Some((&self.services[service], path));
        }
        let host = host_of(url)?;
        let found = self.by_host.binary_search_by(|(known, _)| (**known).cmp(host)).ok();
        let of_host = found.and_then(|found| closest(&self.by_host[found].1, url));
        let (service, path) = of_host.or_else(|| self.patterns.as_ref()?.find(host, url))?;
        Some((&self.services[service], path))
    }
}

impl Patterns {
    fn find<'u>(&self, host: &str, url: &'u Url) -> Option<(usize, &'u str)> {
        // The longest domain first.
        let mut domains = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        let below = domains.find_map(|domain| closest(self.by_domain.get(domain)?, url));
        below.or_else(|| closest(self.any.as_slice(), url))
    }
}

fn closest<'u>(places: &[Place], url: &'u Url) -> Option<(usize, &'u str)> {
    places.iter().find_map(|place| Some((place.service, place.base.relative_path(url)?)))
}

pub(crate) fn refuse_shared_base_urls(services: &[Service], errors: &mut FieldErrors) {
    for (index, service) in services.iter().enumerate() {
        for (position, base) in service.bases().iter().enumerate() {
            let is_there = |other: &&Service| other.bases().iter().any(|other| other.is_same_place(base));
            for other in services[..index].iter().filter(is_there) {
                errors.add(
                    format!("services.{}.{}", service.name(), service.bases().field(position)),
                    format!("is also the base URL of {}: requests could belong to either", other.name()),
                );
            }
        }
    }
}
