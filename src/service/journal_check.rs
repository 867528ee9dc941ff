//! What contradicts itself in how calls use their journal.

use std::time::Duration;

use super::{config_error::FieldErrors, description::Description};
use crate::durable::settings::JournalSettings;

/// A process must not send anything once another one may hold its operation.
pub(crate) fn check_lease(journal: &JournalSettings, deadline: Duration, path: &str, errors: &mut FieldErrors) {
    if let Some(lease) = journal.lease.filter(|lease| *lease < deadline) {
        errors.add(path, format!("{deadline:?} is above the lease {lease:?} of the journal"));
    }
}

/// Of the journal, and its lease against the deadlines of the service and its routes.
pub(crate) fn check(description: &Description, errors: &mut FieldErrors) {
    let Description { journal_settings: journal, retry_policy, routes, .. } = description;
    if journal.timeout.is_zero() {
        errors.add("journal_settings.timeout", "is 0, which leaves the journal no time");
    }
    check_lease(journal, retry_policy.resolve().deadline, "retry_policy.deadline", errors);
    for (index, route) in routes.iter().enumerate() {
        let deadline = route.retry_policy.as_ref().and_then(|policy| policy.deadline).unwrap_or_default();
        check_lease(journal, deadline, &format!("routes[{index}].retry_policy.deadline"), errors);
    }
}
