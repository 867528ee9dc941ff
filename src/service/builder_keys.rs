//! Describes what a service does with keys, and what its responses mean.

use std::{borrow::Cow, sync::Arc};

use super::{builder::ServiceBuilder, description::Description, idempotency::Idempotency, response_rule::ResponseRule};
use crate::{
    classifier::Classifier,
    decide::key::{KeyKind, Meaning},
};

impl ServiceBuilder {
    /// How the service handles idempotency keys. Routes that have rules of their own lose them, and without keys
    /// ([`Idempotency::none`]) no route is keyed; give routes theirs afterwards. Response rules about keys that come from the
    /// service that this one starts from are lost too.
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        let own = self.description.responses.len() - self.inherited.responses;
        let inherited = self.description.responses.split_off(own);
        self.description.responses.extend(inherited.into_iter().filter(|rule| rule.meaning.is_about_load()));
        self.inherited.responses = self.description.responses.len() - own;
        for route in &mut self.description.routes {
            route.idempotency = None;
            route.keyed = route.keyed.filter(|_| idempotency.kind != KeyKind::Unsupported);
        }
        self.description.idempotency = idempotency;
        self
    }

    /// Changes how the service handles idempotency keys, on routes with rules of their own too.
    ///
    /// ```
    /// use reqwest_safe_retry::{ConcurrentRequests, services};
    ///
    /// let careful = services::paypal().into_builder();
    /// let careful = careful.map_idempotency(|keys| keys.concurrent_requests(ConcurrentRequests::Executed)).build()?;
    /// let rules = careful.routes().iter().filter_map(|route| route.idempotency.as_ref());
    /// assert!(rules.clone().count() == 20);
    /// assert!(rules.clone().all(|keys| keys.concurrent_requests == ConcurrentRequests::Executed));
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn map_idempotency(mut self, change: impl Fn(Idempotency) -> Idempotency) -> Self {
        for own in self.description.routes.iter_mut().filter_map(|route| route.idempotency.as_mut()) {
            **own = change((**own).clone());
        }
        self.description.idempotency = change(self.description.idempotency);
        self
    }

    /// What this status means, whatever else the response says; see [`responses`](Self::responses).
    ///
    /// ```
    /// use reqwest_safe_retry::{Meaning, Service};
    ///
    /// let service = Service::builder("billing", "https://billing.internal")
    ///     .response(529, Meaning::Unavailable)
    ///     .response_matching(429, "quota_exceeded", Meaning::Final)
    ///     .build()?;
    /// assert_eq!(service.responses().len(), 2);
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn response(self, status: u16, meaning: Meaning) -> Self {
        self.responses([ResponseRule::new(status, meaning)])
    }

    /// What this status means if the body's code, type, name or message has this text, as [`ResponseRule::text`] says.
    pub fn response_matching(self, status: u16, text: impl Into<Cow<'static, str>>, meaning: Meaning) -> Self {
        self.responses([ResponseRule::new(status, meaning).text(text)])
    }

    /// Adds rules that say what error responses mean. The first that matches counts, those of a
    /// [route](crate::Route::responses) before these; of the service that this one starts from the rules come last, and one with the
    /// same conditions is replaced.
    pub fn responses(mut self, rules: impl IntoIterator<Item = ResponseRule>) -> Self {
        let Self { description: Description { responses, .. }, inherited, .. } = &mut self;
        for rule in rules {
            let own = responses.len() - inherited.responses;
            if let Some(known) = responses[own..].iter().position(|known| known.is_about_the_same(&rule)) {
                drop(responses.remove(own + known));
                inherited.responses -= 1;
            }
            responses.insert(own, rule);
        }
        self
    }

    /// Asks this classifier what error responses mean; see [`Classifier`].
    pub fn classifier(mut self, classifier: impl Classifier) -> Self {
        self.hooks.classifier = Some(Arc::new(classifier));
        self
    }

    /// Refuses a key that this process has used for another request, with
    /// [`ErrorKind::PayloadMismatch`](crate::ErrorKind::PayloadMismatch) and before anything is sent: for a service that does
    /// not compare requests, and would answer with the result of the first one.
    ///
    /// ```
    /// use reqwest_safe_retry::{Idempotency, KeyKind, Service};
    ///
    /// let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess);
    /// let service = Service::builder("billing", "https://billing.internal").idempotency(keys);
    /// let service = service.refuse_reused_keys().build()?;
    /// # assert_eq!(service.name(), "billing");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    ///
    /// Requests are compared by method, host, path, query and body, from the first call that takes the key on, even if
    /// nothing was sent. The same request can be sent again with it at any time. A body that is a stream is not compared,
    /// nor is that of an operation which says what it is [about](crate::Operation::about); an operation in a journal is
    /// compared there.
    ///
    /// The last 10,000 keys are known, as hashes, each for the [retention](Idempotency::retention) of keys, or 24 hours where
    /// none is given. Other processes do not know them; the clones of the service do.
    pub fn refuse_reused_keys(mut self) -> Self {
        self.description.refuse_reused_keys = true;
        self
    }
}
