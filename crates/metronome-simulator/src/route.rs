//! The method and path of an operation, and what its requests need.

use http::Method;

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// A segment in braces matches any segment.
    pub(crate) path: &'static str,
    /// The fields that a request must have.
    pub(crate) required: &'static [&'static str],
    /// Operations of one space reject each other's used `uniqueness_key`s.
    pub(crate) key_space: &'static str,
}

impl Route {
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let mut template = self.path.split('/');
        template.all(|expected| segments.next().is_some_and(|found| fits(expected, found))) && segments.next().is_none()
    }

    /// The segment of the path that has this parameter.
    pub(crate) fn parameter<'a>(&self, path: &'a str, name: &str) -> Option<&'a str> {
        let is_it = |segment: &str| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(name);
        self.path.split('/').zip(path.split('/')).find(|(template, _)| is_it(template)).map(|(_, value)| value)
    }
}

fn fits(expected: &str, found: &str) -> bool {
    expected == found || (expected.starts_with('{') && !found.is_empty())
}
