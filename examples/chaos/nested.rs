//! A call within a call, as a middleware makes one that fetches a token.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::async_trait;

use crate::fault_mix::IDENTITY;

/// Below the layer: reads something from the same service before some attempts, through the same layer. Whether that succeeds
/// makes no difference to the attempt.
pub(crate) struct Nested {
    pub(crate) client: ClientWithMiddleware,
    pub(crate) url: String,
}

/// In the attempts of one call in so many.
const ONE_IN: usize = 20;

/// Whether the attempts of the call with this identity have a call within them.
fn has_nested(identity: &str) -> bool {
    let number = identity.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| number % ONE_IN == ONE_IN / 2)
}

#[async_trait]
impl Middleware for Nested {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let identity = request.headers().get(IDENTITY).and_then(|identity| identity.to_str().ok()).unwrap_or_default();
        if has_nested(identity) {
            // Its faults are drawn apart from those of the call around it.
            let read = self.client.get(&self.url).header(IDENTITY, format!("within-{identity}"));
            drop(read.send().await);
        }
        next.run(request, extensions).await
    }
}
