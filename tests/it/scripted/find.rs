//! `Error::find` behind wrapping errors, and conversion with `?`.

use std::error::Error as StdError;

use reqwest_safe_retry::{CallError, Error, ErrorKind, Service};

use super::{LIST, outer_error};
use crate::support::transport::{Transport, reply, status};

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error(transparent)]
    Chain(#[from] reqwest_middleware::Error),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("billing failed")]
    Source(#[source] CallError),
    #[error(transparent)]
    Boxed(Box<Error>),
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Outer(#[from] Inner);

/// A new error of the middleware chain.
async fn not_found() -> reqwest_middleware::Error {
    outer_error(Transport::new([status(404)]).client(Service::metronome()).post(LIST)).await
}

fn call_error(error: reqwest_middleware::Error) -> Box<Error> {
    match CallError::from(error) {
        CallError::Service(error) => Box::new(error),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn error_is_found_behind_every_wrapper() {
    let wrapped: Vec<(&str, Box<dyn StdError + Send + Sync>)> = vec![
        ("chain", Box::new(not_found().await)),
        ("call error", Box::new(CallError::from(not_found().await))),
        ("box", call_error(not_found().await)),
        ("box in a box", Box::new(call_error(not_found().await))),
        ("transparent chain", Box::new(Inner::from(not_found().await))),
        ("transparent call error", Box::new(Inner::from(CallError::from(not_found().await)))),
        ("source", Box::new(Inner::Source(not_found().await.into()))),
        ("transparent box", Box::new(Inner::Boxed(call_error(not_found().await)))),
        ("twice transparent chain", Box::new(Outer(not_found().await.into()))),
        ("twice transparent call error", Box::new(Outer(CallError::from(not_found().await).into()))),
        ("twice transparent source", Box::new(Outer(Inner::Source(not_found().await.into())))),
        ("twice transparent box", Box::new(Outer(Inner::Boxed(call_error(not_found().await))))),
        ("in an io::Error", Box::new(std::io::Error::other(Outer(not_found().await.into())))),
    ];
    for (name, wrapped) in wrapped {
        assert_eq!(Error::find(&wrapped).map(Error::kind), Some(ErrorKind::NotFound), "{name}");
        assert_eq!(Error::find(&*wrapped).map(Error::kind), Some(ErrorKind::NotFound), "{name}");
        let anyhow = anyhow::Error::from_boxed(wrapped).context("while billing");
        assert_eq!(Error::find(&anyhow).map(Error::kind), Some(ErrorKind::NotFound), "{name} in anyhow");
    }
    let call = CallError::from(not_found().await);
    assert_eq!(Error::find(&call).map(Error::kind), Some(ErrorKind::NotFound));
    let boxed = call_error(not_found().await);
    assert_eq!(Error::find(&boxed).map(Error::kind), Some(ErrorKind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_not_found() {
    let other = reqwest::Client::new().get("no url").send().await.unwrap_err();
    assert!(Error::find(&CallError::from(other)).is_none());
    assert!(Error::find(&reqwest_middleware::Error::middleware(std::io::Error::other("x"))).is_none());
    assert!(Error::find(&anyhow::anyhow!("x")).is_none());
}

#[tokio::test(start_paused = true)]
async fn kind_is_the_first_cause() {
    let error = not_found().await;
    let error = Error::find(&error).unwrap();
    let kind = error.source().unwrap();
    assert_eq!((kind.to_string(), kind.source().is_none()), ("not found".to_owned(), true));
}

async fn names(transport: &Transport) -> reqwest_safe_retry::Result<Vec<String>> {
    let client = transport.client(Service::metronome());
    Ok(client.post(LIST).send().await?.json().await?)
}

#[tokio::test(start_paused = true)]
async fn question_mark_converts_both_errors() {
    let transport = Transport::new([reply(200, &[], r#"["a"]"#), reply(200, &[], "{"), status(404)]);
    assert_eq!(names(&transport).await.unwrap(), ["a"]);
    let CallError::Other(reqwest_middleware::Error::Reqwest(error)) = names(&transport).await.unwrap_err() else {
        panic!("the body is not JSON");
    };
    assert!(error.is_decode());
    assert!(matches!(names(&transport).await.unwrap_err(), CallError::Service(error) if error.is_not_found()));
}
