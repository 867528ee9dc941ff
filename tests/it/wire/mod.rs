//! Real connections over loopback, in real time: few and short.

mod below;
mod bodies;
mod endurance;
mod metronome;
mod redirects;
mod transport;

use reqwest_safe_retry::Error;

/// The layer's error, as the client hands it out.
fn typed(error: reqwest_middleware::Error) -> Error {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast().expect("the layer's errors are typed"),
        reqwest_middleware::Error::Reqwest(error) => panic!("not the layer's: {error:?}"),
    }
}
