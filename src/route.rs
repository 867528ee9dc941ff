//! What sending a request again does, by method and path.

use std::borrow::Cow;

use http::Method;

use crate::{config_error::Mistakes, policy::RetryPolicy};

/// What sending a request again does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing: it only reads. Never keyed, always repeatable, never in doubt.
    Read,
    /// The same end state as once.
    Idempotent,
    /// Nothing more: the service recognises the repeat by something in the body.
    Deduplicated,
    /// It happens again. Only a key makes it repeatable.
    Write,
}

impl Effect {
    /// RFC 9110, sections 9.2.1 and 9.2.2: safe methods read, idempotent ones may be repeated, all others write.
    pub fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => Self::Read,
            Method::PUT | Method::DELETE => Self::Idempotent,
            _ => Self::Write,
        }
    }
}

/// What a service documents about one of its operations.
///
/// The path is relative to the service's base URL; `{name}` stands for one segment, `{*name}` for all the rest.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, Route};
///
/// // A search sent as POST is no write.
/// let search = Route::new(Method::POST, "/search", Effect::Read);
/// // A repeat is recognised by the body's `uniqueness_key`; without one it is an ordinary write.
/// let create = Route::new(Method::POST, "/contracts", Effect::Write).deduplicated_by("/uniqueness_key");
/// assert_ne!(search, create);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub(crate) method: Method,
    pub(crate) path: Cow<'static, str>,
    pub(crate) effect: Effect,
    pub(crate) guard: Option<Guard>,
    pub(crate) keyed: bool,
    pub(crate) policy: Option<RetryPolicy>,
}

/// What in a request's body lets the service recognise a repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) pointer: Cow<'static, str>,
    pub(crate) holds: Holds,
}

/// Whether a guard still holds after an internal error, which may have left the write half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Always,
    UnlessHalfDone,
}

impl Route {
    /// An operation and what repeating it does.
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>, effect: Effect) -> Self {
        Self { method, path: path.into(), effect, guard: None, keyed: true, policy: None }
    }

    /// [`Effect::Deduplicated`] where the request's JSON body has something at this pointer (RFC 6901), which is
    /// looked up only when an attempt has failed.
    pub fn deduplicated_by(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.guard = Some(Guard { pointer: pointer.into(), holds: Holds::Always });
        self
    }

    /// As [`deduplicated_by`](Self::deduplicated_by), for something that takes effect apart from the rest of the write: after
    /// an internal error, which may have left the write half done, it guards nothing, and the write counts as any other;
    /// and so it does where no key remembers such an error.
    pub fn deduplicated_unless_half_done_by(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.guard = Some(Guard { pointer: pointer.into(), holds: Holds::UnlessHalfDone });
        self
    }

    /// Follows this policy, in place of the service's. Its budget is the service's all the same.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// No key is made for this operation, whatever its method.
    pub const fn unkeyed(mut self) -> Self {
        self.keyed = false;
        self
    }
}

/// The routes of a service, found by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    /// Those whose path has no placeholder, in the order of [`by_length`]: found at a fraction of what it takes to match.
    fixed: Vec<SamePath>,
    by_pattern: matchit::Router<Vec<Route>>,
    /// The routes say no more of a GET than its method does, so that none need be found to send one.
    plain_gets: bool,
}

type SamePath = (Cow<'static, str>, Vec<Route>);

/// An order in which most texts differ in length already.
pub(crate) fn by_length(text: &str) -> (usize, &str) {
    (text.len(), text)
}

impl Routes {
    /// Keeps every route that can be kept; what cannot is a mistake.
    pub(crate) fn new(routes: Vec<Route>, mistakes: &mut Mistakes) -> Self {
        let plain = |route: &Route| route.effect == Effect::Read && route.policy.is_none();
        let plain_gets = routes.iter().filter(|route| route.method == Method::GET).all(plain);
        let mut by_path: Vec<SamePath> = Vec::new();
        for route in routes {
            match by_path.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, same_path)) => {
                    if same_path.iter().any(|other| other.method == route.method) {
                        mistakes.add("routes", format!("{} {} is given twice", route.method, route.path));
                    }
                    same_path.push(route);
                }
                None => by_path.push((route.path.clone(), vec![route])),
            }
        }
        let (mut fixed, mut by_pattern) = (Vec::new(), matchit::Router::new());
        for (path, routes) in by_path {
            let mut pointers = routes.iter().filter_map(|route| Some(&route.guard.as_ref()?.pointer));
            if let Some(pointer) = pointers.find(|pointer| !pointer.starts_with('/')) {
                mistakes.add("routes", format!("{path}: {pointer:?} is no JSON pointer: it must begin with a slash"));
            }
            for (method, policy) in routes.iter().filter_map(|route| Some((&route.method, route.policy.as_ref()?))) {
                policy.check(&format!("routes.{method} {path}.retry"), mistakes);
            }
            if !path.starts_with('/') {
                mistakes.add("routes", format!("{path:?} does not begin with a slash"));
            } else if !path.contains(['{', '}']) {
                fixed.push((path, routes));
            } else if let Err(error) = by_pattern.insert(path.clone(), routes) {
                mistakes.add("routes", format!("{path}: {error}"));
            }
        }
        fixed.sort_unstable_by(|(one, _), (other, _)| by_length(one).cmp(&by_length(other)));
        Self { fixed, by_pattern, plain_gets }
    }

    pub(crate) fn tell_nothing_of(&self, method: &Method) -> bool {
        self.plain_gets && *method == Method::GET
    }

    /// The documented operation, if `method` and `path` are one.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<&Route> {
        let routes = match self.fixed.binary_search_by(|(fixed, _)| by_length(fixed).cmp(&by_length(path))) {
            Ok(index) => &self.fixed[index].1,
            Err(_) => self.by_pattern.at(path).ok()?.value,
        };
        routes.iter().find(|route| route.method == method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(routes: Vec<Route>) -> (Routes, String) {
        let mut mistakes = Mistakes::default();
        let routes = Routes::new(routes, &mut mistakes);
        (routes, mistakes.finish(Some(())).err().map(|error| error.to_string()).unwrap_or_default())
    }

    #[test]
    fn methods_have_the_effect_of_rfc_9110() {
        for (method, effect) in [
            (Method::GET, Effect::Read),
            (Method::HEAD, Effect::Read),
            (Method::OPTIONS, Effect::Read),
            (Method::PUT, Effect::Idempotent),
            (Method::DELETE, Effect::Idempotent),
            (Method::POST, Effect::Write),
            (Method::PATCH, Effect::Write),
            (Method::CONNECT, Effect::Write),
            (Method::from_bytes(b"PURGE").unwrap(), Effect::Write),
        ] {
            assert_eq!(Effect::of_method(&method), effect, "{method}");
        }
    }

    #[test]
    fn a_route_is_found_by_method_and_path() {
        let (routes, mistakes) = routes(vec![
            Route::new(Method::POST, "/customers", Effect::Write),
            Route::new(Method::GET, "/customers/{id}", Effect::Read),
            Route::new(Method::POST, "/customers/{id}", Effect::Idempotent),
            Route::new(Method::POST, "/customers/search", Effect::Read),
            Route::new(Method::DELETE, "/customers/{id}/{{x}}", Effect::Write),
        ]);
        assert_eq!(mistakes, "");
        let effect = |method, path| routes.find(&method, path).map(|route| route.effect);
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
    fn mistakes_in_routes_are_named() {
        let (_, mistakes) = routes(vec![
            Route::new(Method::POST, "/a", Effect::Read),
            Route::new(Method::POST, "/a", Effect::Write),
            Route::new(Method::POST, "b", Effect::Read),
            Route::new(Method::POST, "/c/{", Effect::Read),
            Route::new(Method::POST, "/d", Effect::Write).deduplicated_by("key"),
        ]);
        for part in
            ["POST /a is given twice", "\"b\" does not begin with a slash", "/c/{", "\"key\" is no JSON pointer"]
        {
            assert!(mistakes.contains(part), "{part} is missing in: {mistakes}");
        }
    }
}
