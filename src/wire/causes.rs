//! The chain of causes behind an error.

use std::{error::Error as StdError, io, iter};

/// The error and its causes.
pub(crate) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |cause| next_cause(*cause))
}

/// The same for an error of the middleware chain. What it carries is not a cause of its own `source()`.
pub(crate) fn causes_of(error: &reqwest_middleware::Error) -> Box<dyn Iterator<Item = &(dyn StdError + 'static)> + '_> {
    match error {
        reqwest_middleware::Error::Reqwest(error) => Box::new(causes(error)),
        reqwest_middleware::Error::Middleware(error) => Box::new(error.chain().flat_map(causes)),
    }
}

/// The first error of reqwest among the causes.
pub(crate) fn reqwest_error(error: &reqwest_middleware::Error) -> Option<&reqwest::Error> {
    causes_of(error).find_map(|cause| cause.downcast_ref())
}

/// An `io::Error` names the cause of its payload as its source, and so hides the payload.
fn next_cause<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match cause.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|payload| payload as &(dyn StdError + 'static)),
        None => cause.source(),
    }
}
