//! The templates of paths, and what an error asks its service for.

use std::sync::Arc;

use http::Method;
use reqwest::Url;

use super::{
    error_format::ErrorParts,
    service::{Service, Shared},
};
use crate::{error::callee::Callee, telemetry::spans::Template};

impl Service {
    /// The template of a request's path, if a route matches.
    pub(crate) fn template(&self, method: &Method, url: &Url) -> Option<Template<'_>> {
        self.shared.template(method, url)
    }

    /// The template of the path; without one the path itself.
    pub(crate) fn path_or_template(&self, method: &Method, url: &Url) -> String {
        self.template(method, url).map_or_else(|| url.path().to_owned(), Template::into_text)
    }

    /// What the error of a call keeps of the service: nothing that the caller has given to it in code.
    pub(crate) fn callee(&self) -> Arc<dyn Callee> {
        Arc::<Shared>::clone(&self.shared)
    }
}

impl Shared {
    fn template(&self, method: &Method, url: &Url) -> Option<Template<'_>> {
        let (base, path) = self.bases.locate(url)?;
        let known = self.routes.find(method, path)?;
        Some(Template { base: base.path(), route: &known.route.path })
    }
}

impl Callee for Shared {
    fn name(&self) -> &str {
        &self.description.name
    }

    fn template(&self, method: &Method, url: &Url) -> Option<String> {
        self.template(method, url).map(Template::into_text)
    }

    fn read_error(&self, body: &[u8]) -> ErrorParts {
        self.error_reader.parts(body)
    }
}
