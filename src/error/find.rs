//! Finding the layer's error behind others.

use std::error::Error as StdError;

use super::{
    call_error::CallError,
    error::{Error, Node},
};
use crate::wire::causes::causes;

impl Error {
    /// The layer's error within another one, if there is one: in a [`reqwest_middleware::Error`], a [`CallError`], an
    /// [`anyhow::Error`] (also with context), or any `dyn std::error::Error` that has one of them among its causes.
    ///
    /// Use it instead of `downcast_ref` and of walking `source()`: `reqwest_middleware::Error` is transparent to both
    /// and hides the error that a middleware returned.
    ///
    /// ```
    /// use reqwest_safe_retry::{Error, ErrorKind};
    ///
    /// fn is_missing(error: &reqwest_middleware::Error) -> bool {
    ///     Error::find(error).is_some_and(|error| error.kind() == ErrorKind::NotFound)
    /// }
    ///
    /// let other = reqwest_middleware::Error::middleware(std::io::Error::other("something else"));
    /// assert!(!is_missing(&other));
    /// ```
    pub fn find<E: Searchable + ?Sized>(error: &E) -> Option<&Self> {
        error.search()
    }
}

mod sealed {
    #[allow(unnameable_types)] // Unnameable is what keeps others from implementing it.
    pub trait Sealed {}
}

/// An error that may contain an [`Error`]; for [`Error::find`], and implemented for what is listed there.
///
/// ```
/// use reqwest_safe_retry::{Applied, Error, SafeRetry, Searchable, Service, testing::ScriptedTransport};
///
/// /// Takes any error that the layer's can be in.
/// fn needs_a_look<E: Searchable + ?Sized>(error: &E) -> bool {
///     Error::find(error).is_some_and(|error| error.applied() == Applied::Unknown)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([500, 500]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let error = client.post("https://api.metronome.com/v1/contracts/create").body("{}").send().await.unwrap_err();
/// assert!(needs_a_look(&error));
/// assert!(needs_a_look(&anyhow::Error::from(error).context("creating a contract")));
/// # });
/// ```
pub trait Searchable: sealed::Sealed {
    #[doc(hidden)]
    fn search(&self) -> Option<&Error>;
}

macro_rules! searchable {
    ($($error:ty: $search:expr,)*) => {$(
        impl sealed::Sealed for $error {}
        impl Searchable for $error {
            fn search(&self) -> Option<&Error> {
                let search: fn(&Self) -> Option<&Error> = $search;
                search(self)
            }
        }
    )*};
}

searchable! {
    Error: |error| Some(error),
    CallError: |error| within(error),
    reqwest_middleware::Error: |error| within(error),
    anyhow::Error: within_anyhow,
    dyn StdError + 'static: |error| error_and_causes(error),
    dyn StdError + Send + 'static: |error| error_and_causes(error),
    dyn StdError + Send + Sync + 'static: |error| error_and_causes(error),
}

/// Boxes of any of them: `Box<Error>`, `Box<dyn std::error::Error>`.
impl<E: sealed::Sealed + ?Sized> sealed::Sealed for Box<E> {}

impl<E: Searchable + ?Sized> Searchable for Box<E> {
    fn search(&self) -> Option<&Error> {
        (**self).search()
    }
}

fn error_and_causes<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    causes(error).find_map(within)
}

fn within_anyhow(error: &anyhow::Error) -> Option<&Error> {
    error.downcast_ref::<Error>().or_else(|| error.chain().flat_map(causes).find_map(within))
}

/// In this one link of a chain. `reqwest_middleware::Error` and `CallError` are transparent: what they carry is not a link
/// of its own.
pub(super) fn within<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return Some(error);
    }
    if let Some(node) = cause.downcast_ref::<Node>() {
        return Some(Error::of_node(node));
    }
    if let Some(error) = cause.downcast_ref::<Box<Error>>() {
        return Some(error);
    }
    match cause.downcast_ref::<CallError>() {
        Some(CallError::Service(error)) => return Some(error),
        Some(CallError::Other(error)) => return within_chain(error),
        None => {}
    }
    within_chain(cause.downcast_ref::<reqwest_middleware::Error>()?)
}

fn within_chain(error: &reqwest_middleware::Error) -> Option<&Error> {
    match error {
        reqwest_middleware::Error::Middleware(error) => within_anyhow(error),
        reqwest_middleware::Error::Reqwest(error) => causes(error).find_map(|cause| cause.downcast_ref()),
    }
}
