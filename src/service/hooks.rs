//! What only code can give to a service.

use std::sync::Arc;

use crate::{classifier::Classifier, durable::journal::Journal, hooks::LimitKey, verify::Verifier};

/// What only code can give to a service.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) verifier: Option<Arc<dyn Verifier>>,
    pub(crate) limit_key: Option<LimitKey>,
    pub(crate) journal: Option<Arc<dyn Journal>>,
    pub(crate) classifier: Option<Arc<dyn Classifier>>,
}

#[cfg(feature = "config")]
impl Hooks {
    /// These, and those of `base` for what is not given here.
    pub(crate) fn or(self, base: Self) -> Self {
        Self {
            verifier: self.verifier.or(base.verifier),
            limit_key: self.limit_key.or(base.limit_key),
            journal: self.journal.or(base.journal),
            classifier: self.classifier.or(base.classifier),
        }
    }
}
