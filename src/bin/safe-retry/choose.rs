//! The service of a file that a path belongs to.

use reqwest_safe_retry::Service;

use crate::{failure::Failure, options::Question};

/// The one that is named; else the only one; else the only one that has the path among its routes.
pub(crate) fn service<'s>(services: &'s [Service], question: &Question) -> Result<&'s Service, Failure> {
    let Question { service, method, path, status, attempt, services: file } = question;
    if let Some(name) = service {
        let found = services.iter().find(|service| service.name() == name);
        return found
            .ok_or_else(|| Failure::Refused(format!("{file} has no service {name:?}, but {}", names(services))));
    }
    if let [only] = services {
        return Ok(only);
    }
    let lists = |service: &&Service| service.explain(method, path, *status, *attempt).route().is_some();
    let listed: Vec<_> = services.iter().filter(lists).collect();
    match &listed[..] {
        [only] => Ok(only),
        [] => Err(Failure::Refused(format!(
            "{method} {path} is a route of no service of {file}: say which is meant with --service, one of {}",
            names(services)
        ))),
        several => Err(Failure::Refused(format!(
            "{method} {path} is a route of several services of {file}: say which is meant with --service, one of {}",
            names(several.iter().copied())
        ))),
    }
}

fn names<'s>(services: impl IntoIterator<Item = &'s Service>) -> String {
    let names: Vec<_> = services.into_iter().map(Service::name).collect();
    if names.is_empty() { "no services".to_owned() } else { names.join(", ") }
}
