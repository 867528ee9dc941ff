//! Real connections over loopback, in real time; tests really sleep.

mod bodies;
mod by_key;
mod client;
mod endurance;
mod interim;
mod metronome;
mod overload;
mod protocol_retries;
mod redirects;
mod scripted_failures;
mod transport;

use reqwest_safe_retry::Error;

/// The layer's error, taken out of the client's.
fn typed(error: reqwest_middleware::Error) -> Error {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast().expect("the layer's errors are typed"),
        reqwest_middleware::Error::Reqwest(error) => panic!("not the layer's: {error:?}"),
    }
}
