//! The endpoints of a service, found by method and path.

use std::{borrow::Cow, collections::HashSet};

use http::Method;

use super::{config_error::FieldErrors, policy, route::Route};
use crate::{
    decide::{
        effect::Effect,
        policy::{ResolvedPolicy, RetryPolicy},
    },
    limit::limiters::Group,
    wire::json,
};

/// The routes of a service, found by method and path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    by_method: Vec<(Method, Paths)>,
    /// No route says more of a GET than its method does, so that none has to be found to send one.
    plain_gets: bool,
    /// The names of the limit groups; the position of one is its [`Group`].
    groups: Vec<Cow<'static, str>>,
}

/// The routes of one method: another method's never hides one of them.
#[derive(Clone, Debug, Default)]
struct Paths {
    /// Paths without a parameter, those of each length together and sorted: found at a fraction of what it takes to match a
    /// pattern.
    fixed: Vec<Vec<KnownRoute>>,
    patterns: matchit::Router<KnownRoute>,
}

/// A route with its own policy, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct KnownRoute {
    pub(crate) route: Route,
    pub(crate) policy: Option<ResolvedPolicy>,
    pub(crate) group: Option<Group>,
    /// The member of the body that makes the request deduplicated.
    pub(crate) deduplicated_by: Option<json::Pointer>,
}

impl Routes {
    /// Keeps every route that is valid. `service` is the policy that the routes' own ones change.
    pub(crate) fn new(routes: &[Route], service: &RetryPolicy, errors: &mut FieldErrors) -> Self {
        let mut found = Self { plain_gets: routes.iter().all(says_no_more_than_get), ..Self::default() };
        let mut seen = HashSet::new();
        for (index, route) in routes.iter().enumerate() {
            let path = format!("routes[{index}]");
            route.check(&path, errors);
            if !seen.insert((&route.method, &route.path)) {
                errors.add(path, format!("{} {} is given twice", route.method, route.path));
                continue;
            }
            let (policy, group) = (resolve(route, service, &path, errors), found.group_of(route));
            let deduplicated_by = route.deduplicated_by.as_deref().map(json::Pointer::new);
            let known = KnownRoute { route: route.clone(), policy, group, deduplicated_by };
            if let Err(error) = found.of_method(&route.method).insert(known) {
                errors.add(format!("{path}.path"), format!("{}: {error}", route.path));
            }
        }
        for (_, paths) in &mut found.by_method {
            for of_length in &mut paths.fixed {
                of_length.sort_by(|one, other| one.route.path.cmp(&other.route.path));
            }
        }
        found
    }

    /// The limit group of a route, which is added if it is new.
    fn group_of(&mut self, route: &Route) -> Option<Group> {
        let name = route.limit_group.as_ref()?;
        let position = self.groups.iter().position(|known| known == name).unwrap_or_else(|| {
            self.groups.push(name.clone());
            self.groups.len() - 1
        });
        Some(Group(position))
    }

    /// The names of the limit groups, in their order.
    pub(crate) fn groups(&self) -> &[Cow<'static, str>] {
        &self.groups
    }

    fn of_method(&mut self, method: &Method) -> &mut Paths {
        let position = self.by_method.iter().position(|(known, _)| known == method).unwrap_or_else(|| {
            self.by_method.push((method.clone(), Paths::default()));
            self.by_method.len() - 1
        });
        &mut self.by_method[position].1
    }

    /// Whether effect, policy, limit group and response rules of such a request need no route.
    pub(crate) fn say_nothing_of(&self, method: &Method) -> bool {
        self.plain_gets && *method == Method::GET
    }

    /// The documented endpoint, if `method` and `path` are one.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<&KnownRoute> {
        self.of_known_method(method)?.find(path)
    }

    /// A parameter of the path of the endpoint that matches.
    pub(crate) fn parameter<'p>(&self, method: &Method, path: &'p str, name: &str) -> Option<&'p str> {
        self.of_known_method(method)?.parameter(path, name)
    }

    fn of_known_method(&self, method: &Method) -> Option<&Paths> {
        self.by_method.iter().find(|(known, _)| known == method).map(|(_, paths)| paths)
    }
}

impl Paths {
    fn insert(&mut self, known: KnownRoute) -> Result<(), matchit::InsertError> {
        if known.route.path.contains(['{', '}']) {
            return self.patterns.insert(known.route.path.clone(), known);
        }
        let length = known.route.path.len();
        if self.fixed.len() <= length {
            self.fixed.resize_with(length + 1, Vec::new);
        }
        self.fixed[length].push(known);
        Ok(())
    }

    fn fixed(&self, path: &str) -> Option<&KnownRoute> {
        let of_length = self.fixed.get(path.len())?;
        let found = of_length.binary_search_by(|known| (*known.route.path).cmp(path)).ok()?;
        of_length.get(found)
    }

    fn parameter<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        if self.fixed(path).is_some() {
            return None;
        }
        self.patterns.at(path).ok()?.params.get(name)
    }

    fn find(&self, path: &str) -> Option<&KnownRoute> {
        if let Some(found) = self.fixed(path) {
            return Some(found);
        }
        let found = self.patterns.at(path).ok()?;
        let may_be_empty = path.ends_with('/') || path.contains("//");
        // An empty segment is no parameter: what a service makes of it is unknown.
        (!may_be_empty || found.params.iter().all(|(_, value)| !value.is_empty())).then_some(found.value)
    }
}

fn says_no_more_than_get(route: &Route) -> bool {
    let says_more = route.effect != Effect::Read
        || route.retry_policy.is_some()
        || route.limit_group.is_some()
        || !route.responses.is_empty();
    route.method != Method::GET || !says_more
}

fn resolve(route: &Route, service: &RetryPolicy, path: &str, errors: &mut FieldErrors) -> Option<ResolvedPolicy> {
    let given = route.retry_policy.as_ref()?.over(service);
    let resolved = given.resolve();
    policy::check(&given, &resolved, &format!("{path}.retry_policy"), errors);
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(routes: Vec<Route>) -> (Routes, String) {
        let mut errors = FieldErrors::default();
        let routes = Routes::new(&routes, &RetryPolicy::new(), &mut errors);
        (routes, errors.finish(Some(())).err().map(|error| error.to_string()).unwrap_or_default())
    }

    #[test]
    fn route_is_found_by_method_and_path() {
        let (routes, errors) = routes(vec![
            Route::new(Method::POST, "/customers", Effect::Write),
            Route::new(Method::GET, "/customers/{id}", Effect::Read),
            Route::new(Method::POST, "/customers/{id}", Effect::Idempotent),
            Route::new(Method::POST, "/customers/search", Effect::Read),
            Route::new(Method::DELETE, "/customers/{id}/{{x}}", Effect::Write),
            Route::new(Method::PUT, "/counters/{name}", Effect::Write),
            Route::new(Method::POST, "/counters/reset", Effect::Read),
            Route::new(Method::POST, "/tenants/{id}/search", Effect::Read),
        ]);
        assert_eq!(errors, "");
        let effect = |method, path| routes.find(&method, path).map(|route| route.route.effect);
        assert_eq!(effect(Method::POST, "/customers"), Some(Effect::Write));
        assert_eq!(effect(Method::POST, "/customers/c-1"), Some(Effect::Idempotent));
        assert_eq!(effect(Method::POST, "/customers/search"), Some(Effect::Read));
        assert_eq!(effect(Method::GET, "/customers/search"), Some(Effect::Read), "the other method's does not hide it");
        assert_eq!(effect(Method::DELETE, "/customers/c-1/{x}"), Some(Effect::Write));
        assert_eq!(effect(Method::PUT, "/counters/reset"), Some(Effect::Write));
        assert_eq!(effect(Method::POST, "/tenants/t-1/search"), Some(Effect::Read));
        let empty_segments = ["/tenants//search", "/customers/", "//customers"];
        for unknown in empty_segments.into_iter().chain(["/customers/c-1/x", "", "/Customers"]) {
            assert_eq!(effect(Method::POST, unknown), None, "{unknown:?}");
        }
        assert_eq!(effect(Method::DELETE, "/customers"), None);
    }

    #[test]
    fn errors_name_the_index() {
        let (_, errors) = routes(vec![
            Route::new(Method::POST, "/a", Effect::Read),
            Route::new(Method::POST, "/a", Effect::Write),
            Route::new(Method::POST, "b", Effect::Read),
            Route::new(Method::POST, "/c/{", Effect::Read),
            Route::new(Method::POST, "/d", Effect::Write).deduplicated_by("key"),
            Route::new(Method::from_bytes(b"PSOT").unwrap(), "/e", Effect::Write),
            Route::new(Method::POST, "/s/:id", Effect::Write),
            Route::new(Method::POST, "/f", Effect::Read).deduplicated_by("/key"),
            Route::new(Method::POST, "/g", Effect::Write).retry_policy(RetryPolicy::new().max_attempts(0)),
        ]);
        for part in [
            "routes[1]: POST /a is given twice",
            "routes[2].path: \"b\" does not start with a slash",
            "routes[3].path: /c/{",
            "routes[4].deduplicated_by: \"key\" is not a JSON pointer",
            "routes[5].method: \"PSOT\" is not a known method",
            "routes[6].path: \":id\" would match only itself: write `{id}`",
            "routes[7].deduplicated_by: does not apply",
            "routes[8].retry_policy.max_attempts: is 0",
        ] {
            assert!(errors.contains(part), "{part} is missing in: {errors}");
        }
    }
}
