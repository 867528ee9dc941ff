//! Tables over the pure core and over descriptions of services: only data, and at most the scripted transport.

mod budget;
#[cfg(feature = "config")]
mod config;
mod decide;
mod display;
mod explain;
mod fuzz;
mod key_times;
pub(crate) mod ladder;
mod properties;
mod response_rules;
mod services;
mod setup;

use http::StatusCode;
use reqwest_safe_retry::{
    Meaning,
    decide::{Outcome, ResponseFacts},
};

/// A response that says nothing but its status.
fn status(status: u16) -> ResponseFacts {
    ResponseFacts::new(StatusCode::from_u16(status).unwrap())
}

/// The outcome of such a response.
fn outcome(number: u16) -> Outcome {
    status(number).into()
}

/// A response with a meaning for the key.
fn meaning(number: u16, meaning: Meaning) -> Outcome {
    let mut response = status(number);
    response.meaning = Some(meaning);
    response.into()
}
