//! The operations of a service, found by method and path.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap};

use http::Method;

use super::{config_error::FieldErrors, policy, route::Route};
use crate::decide::{
    effect::Effect,
    policy::{ResolvedPolicy, RetryPolicy},
};

/// The routes of a service, found by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    /// Paths without a parameter, in the order of [`by_length`]: found at a fraction of what it takes to match a pattern.
    fixed: Vec<(Cow<'static, str>, Vec<KnownRoute>)>,
    patterns: matchit::Router<Vec<KnownRoute>>,
    /// No route says more of a GET than its method does, so that none has to be found to send one.
    plain_gets: bool,
}

/// A route with its own policy, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct KnownRoute {
    pub(crate) route: Route,
    pub(crate) policy: Option<ResolvedPolicy>,
}

impl Routes {
    /// Keeps every route that is valid. `service` is the policy that the routes' own ones change.
    pub(crate) fn new(routes: &[Route], service: &RetryPolicy, errors: &mut FieldErrors) -> Self {
        let mut by_path = BTreeMap::<Cow<'static, str>, Vec<KnownRoute>>::new();
        let mut seen = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let path = format!("routes[{index}]");
            route.check(&path, errors);
            if seen.contains(&(&route.method, &route.path)) {
                errors.add(path.clone(), format!("{} {} is given twice", route.method, route.path));
            }
            seen.push((&route.method, &route.path));
            let known = KnownRoute { route: route.clone(), policy: resolve(route, service, &path, errors) };
            by_path.entry(route.path.clone()).or_default().push(known);
        }
        let mut found = Self { plain_gets: routes.iter().all(says_no_more_than_get), ..Self::default() };
        for (path, known) in by_path {
            if !path.contains(['{', '}']) {
                found.fixed.push((path, known));
            } else if let Err(error) = found.patterns.insert(path.clone(), known) {
                let index = routes.iter().position(|route| route.path == path).unwrap_or_default();
                errors.add(format!("routes[{index}].path"), format!("{path}: {error}"));
            }
        }
        found.fixed.sort_by(|(one, _), (other, _)| by_length(one, other));
        found
    }

    /// Whether the effect and the policy of such a request need no route.
    pub(crate) fn say_nothing_of(&self, method: &Method) -> bool {
        self.plain_gets && *method == Method::GET
    }

    /// The documented operation, if `method` and `path` are one.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<&KnownRoute> {
        let same_path = match self.fixed.binary_search_by(|(known, _)| by_length(known, path)) {
            Ok(found) => &self.fixed[found].1,
            Err(_) => self.patterns.at(path).ok()?.value,
        };
        same_path.iter().find(|known| known.route.method == method)
    }
}

/// Shorter first: most comparisons are then of two numbers.
fn by_length(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn says_no_more_than_get(route: &Route) -> bool {
    route.method != Method::GET || (route.effect == Effect::Read && route.retry_policy.is_none())
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
        ]);
        assert_eq!(errors, "");
        let effect = |method, path| routes.find(&method, path).map(|route| route.route.effect);
        assert_eq!(effect(Method::POST, "/customers"), Some(Effect::Write));
        assert_eq!(effect(Method::POST, "/customers/c-1"), Some(Effect::Idempotent));
        assert_eq!(effect(Method::POST, "/customers/search"), Some(Effect::Read));
        assert_eq!(
            effect(Method::GET, "/customers/search"),
            None,
            "what is fixed counts before what has a placeholder"
        );
        assert_eq!(effect(Method::DELETE, "/customers/c-1/{x}"), Some(Effect::Write));
        for unknown in ["/customers/", "//customers", "/customers/c-1/x", "", "/Customers"] {
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
