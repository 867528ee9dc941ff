//! The services of a layer, found by URL.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use reqwest::Url;

use super::{
    base_url::host_of,
    config_error::{ConfigError, FieldErrors},
    service::Service,
};

/// The services of a layer, found by URL. Clones are the same list.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    services: Arc<[Service]>,
    /// The positions of each host's services, in the order of the hosts. Those with the longest path come first, so that
    /// the first match is the closest.
    by_host: Arc<[(Box<str>, Vec<usize>)]>,
}

impl Registry {
    pub(crate) fn new(services: impl IntoIterator<Item = Service>) -> Result<Self, ConfigError> {
        let services: Arc<[Service]> = services.into_iter().collect();
        let mut errors = FieldErrors::default();
        refuse_shared_base_urls(&services, &mut errors);
        let mut by_host = BTreeMap::<Box<str>, Vec<usize>>::new();
        for (position, service) in services.iter().enumerate() {
            by_host.entry(service.base().host().into()).or_default().push(position);
        }
        for positions in by_host.values_mut() {
            positions.sort_by_key(|position| Reverse(services[*position].base().path().len()));
        }
        errors.finish(Some(Self { services, by_host: by_host.into_iter().collect() }))
    }

    pub(crate) fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service of a URL, and the part of its path after the service's own.
    pub(crate) fn find<'u>(&self, url: &'u Url) -> Option<(&Service, &'u str)> {
        let host = host_of(url)?;
        let found = self.by_host.binary_search_by(|(known, _)| (**known).cmp(host)).ok()?;
        self.by_host[found].1.iter().find_map(|position| {
            let service = &self.services[*position];
            Some((service, service.base().relative_path(url)?))
        })
    }
}

pub(crate) fn refuse_shared_base_urls(services: &[Service], errors: &mut FieldErrors) {
    for (index, service) in services.iter().enumerate() {
        for other in services[..index].iter().filter(|other| other.base().is_same_place(service.base())) {
            errors.add(
                format!("services.{}.base_url", service.name()),
                format!("is also the base URL of {}: requests could belong to either", other.name()),
            );
        }
    }
}
