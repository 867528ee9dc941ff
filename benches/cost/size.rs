//! How large a call's future is.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, Middleware, Next, Result};
use reqwest_safe_retry::{SafeRetry, Service};

/// The largest size that glibc keeps in its per-thread cache.
const AGREED: usize = 1032;

/// The layer, which notes the size of its future.
struct Measured(SafeRetry, Arc<AtomicUsize>);

impl Middleware for Measured {
    fn handle<'a, 'b, 'c, 'd>(
        &'a self,
        request: Request,
        extensions: &'b mut Extensions,
        next: Next<'c>,
    ) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + 'd>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
    {
        let future = self.0.handle(request, extensions, next);
        self.1.store(size_of_val(&*future), Relaxed);
        future
    }
}

/// Answers.
struct Answers;

#[async_trait]
impl Middleware for Answers {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        Ok(http::Response::builder().url(request.url().clone()).body("").map(Response::from).expect("a response"))
    }
}

/// Prints the size, and tells whether it is what was agreed.
pub(crate) fn check() -> bool {
    let noted = Arc::<AtomicUsize>::default();
    let layer = Measured(SafeRetry::new([Service::metronome()]), Arc::clone(&noted));
    let client = ClientBuilder::new(reqwest::Client::new()).with(layer).with(Answers).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(client.get("https://api.metronome.com/v1/customers").send()).expect("a response");
    let size = noted.load(Relaxed);
    println!("the future of a call: {size} bytes (agreed: {AGREED})");
    (1..=AGREED).contains(&size)
}
