//! What contradicts itself in the key rules of a service and of its endpoints.

use std::time::Duration;

use http::{HeaderName, header};

use super::{
    config_error::FieldErrors,
    description::Description,
    idempotency::{Idempotency, KeyFormat},
    method,
    response_rule::ResponseRule,
    route::Route,
};
use crate::decide::{
    effect::Effect,
    key::{KeyKind, Meaning},
};

/// The length of a UUID with its hyphens: what the layer makes.
const UUID_LENGTH: usize = 36;

/// Headers that mean something else, or that the client writes itself.
const NOT_FOR_KEYS: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::ACCEPT,
    header::USER_AGENT,
];

/// The rules of the service, and those of its routes.
pub(super) fn check(description: &Description, errors: &mut FieldErrors) {
    let Description { idempotency, routes, .. } = description;
    errors.append(idempotency.check().below("idempotency."));
    idempotency.check_rules(&description.responses, "responses", errors);
    if idempotency.kind != KeyKind::Unsupported {
        check_methods(idempotency, routes, errors);
    }
    let deadline = description.retry_policy.resolve().deadline;
    idempotency.check_deadline(deadline, "retry_policy.deadline", errors);
    for (index, route) in routes.iter().enumerate() {
        let mut own = FieldErrors::default();
        check_route(route, idempotency, deadline, &mut own);
        if let Some(keys) = &route.idempotency {
            keys.check_stored(&description.responses, &mut own);
        }
        let keys = route.idempotency.as_deref().unwrap_or(idempotency);
        keys.check_rules(&route.responses, "responses", &mut own);
        errors.append(own.below(&format!("routes[{index}].")));
    }
}

fn check_methods(idempotency: &Idempotency, routes: &[Route], errors: &mut FieldErrors) {
    if idempotency.methods.is_empty() && !routes.iter().any(|route| route.is_keyed() == Some(true)) {
        let message = "is empty, and no route is `keyed`: for a service without keys use the kind `unsupported`";
        errors.add("idempotency.methods", message);
    }
    for known in &idempotency.methods {
        method::check(known, "idempotency.methods", errors);
    }
}

/// What concerns the keys of a route.
fn check_route(route: &Route, service: &Idempotency, deadline: Duration, errors: &mut FieldErrors) {
    let own = route.idempotency.as_deref();
    let policy_deadline = route.retry_policy.as_ref().and_then(|policy| policy.deadline);
    if let Some(deadline) = policy_deadline {
        own.unwrap_or(service).check_deadline(deadline, "retry_policy.deadline", errors);
    }
    if let Some(own) = own {
        errors.append(own.check().below("idempotency."));
        if policy_deadline.is_none() {
            own.check_deadline(deadline, "idempotency.retention", errors);
        }
    }
    let has_no_rules = own.unwrap_or(service).kind == KeyKind::Unsupported;
    match route.keyed {
        Some(false) if own.is_some() => errors.add("keyed", "is false, but `idempotency` is given: choose one"),
        Some(true) if has_no_rules => errors.add("keyed", "is true, but the service has no keys: give `idempotency`"),
        _ if route.is_keyed() == Some(true) && route.effect == Effect::Read => {
            errors.add("keyed", "does not apply to a route that only reads");
        }
        _ => {}
    }
}

impl Idempotency {
    /// Contradictions, with the path below the rules.
    fn check(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if self.kind == KeyKind::Unsupported {
            if !self.places().is_empty() {
                errors.add("kind", "is `unsupported`, but a place for keys is given: choose another kind");
            }
            return errors;
        }
        self.check_place(&mut errors);
        self.check_kind(&mut errors);
        self.check_replay_status(&mut errors);
        for (field, header) in [("transient_header", &self.transient_header), ("replay_header", &self.replay_header)] {
            if let Some(header) = header {
                header.check(field, &mut errors);
            }
        }
        errors
    }

    fn check_place(&self, errors: &mut FieldErrors) {
        match &self.places()[..] {
            [] => errors.add("header", "is missing: name a header, a `query` parameter or a `body_member`"),
            [_] => self.check_only_place(errors),
            [first, more @ ..] => {
                let first = if *first == "header" { "a header" } else { "a query parameter" };
                more.iter()
                    .for_each(|place| errors.add(*place, format!("is given beside {first}: keys have one place")));
            }
        }
        if !self.callers_keys_only && self.max_length < UUID_LENGTH {
            let message =
                format!("{} is too short for a UUID ({UUID_LENGTH}): set `callers_keys_only`", self.max_length);
            errors.add("max_length", message);
        }
    }

    /// The fields that name a place.
    fn places(&self) -> Vec<&'static str> {
        let given = [
            ("header", self.header.is_some()),
            ("query", self.query.is_some()),
            ("body_member", self.body_member.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(field, _)| field).collect()
    }

    fn check_only_place(&self, errors: &mut FieldErrors) {
        if let Some(header) = &self.header {
            header.check("header", errors);
            if header.name().is_some_and(|name| NOT_FOR_KEYS.contains(name)) {
                errors.add("header", format!("{:?} cannot carry a key", header.as_str()));
            }
        }
        if let Some(name) = &self.query {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_plain) {
                errors.add("query", format!("{name:?} is not a parameter's name: use letters, digits and `-._~`"));
            }
            if self.format != KeyFormat::Raw {
                errors.add("format", "does not apply to a key in the query, which is sent as it is");
            }
        }
        if let Some(pointer) = &self.body_member {
            errors.check_pointer("body_member", pointer);
            if !self.callers_keys_only && pointer.matches('/').count() > 1 {
                let message = "is false, but a key is written only into a member of the body itself";
                errors.add("callers_keys_only", message);
            }
        }
    }

    /// What contradicts what the service stores.
    fn check_kind(&self, errors: &mut FieldErrors) {
        if self.kind == KeyKind::Signalled && self.transient_header.is_none() {
            errors.add("transient_header", "is missing: the kind `signalled` reads it after an error");
        }
        if self.in_progress_needs_signal && self.kind != KeyKind::Signalled {
            let message = format!("does not apply to the kind `{}`, which has no signal", self.kind);
            errors.add("in_progress_needs_signal", message);
        }
        if self.probe.is_some() && self.kind != KeyKind::ReplayAll {
            let message = format!("does not apply to the kind `{}`, which stores no error", self.kind);
            errors.add("probe", message);
        }
    }

    /// Rules that ask for a new key, where there can be none.
    fn check_rotation(&self, rules: &[ResponseRule], path: &str, errors: &mut FieldErrors) {
        let needs_rotation =
            |rule: &ResponseRule| matches!(rule.meaning, Meaning::KeyInvalidated | Meaning::NotApplied);
        let Some(index) = rules.iter().position(needs_rotation) else { return };
        let reason = match (&self.body_member, self.kind) {
            (Some(_), _) => "a key in the body is never replaced",
            (_, kind) if !kind.may_be_rotated() => "a new key would double the write",
            _ => return,
        };
        let message = format!("{} cannot ask for a new key: {reason}", rules[index].status);
        errors.add(format!("{path}[{index}].meaning"), message);
    }

    fn check_replay_status(&self, errors: &mut FieldErrors) {
        let Some(status) = self.replay_status else { return };
        if !(400..=499).contains(&status) || [408, 425, 429].contains(&status) {
            let message = format!(
                "{status} cannot stand for a stored success: use a status of 400 to 499 that is not sent again"
            );
            errors.add("replay_status", message);
        }
        if self.kind.may_be_rotated() {
            let message = format!("does not apply to the kind `{}`, which stores errors as well", self.kind);
            errors.add("replay_status", message);
        }
    }

    /// What rules cannot say of responses about keys handled in this way.
    fn check_rules(&self, rules: &[ResponseRule], path: &str, errors: &mut FieldErrors) {
        self.check_rotation(rules, path, errors);
        let Some(status) = self.replay_status else { return };
        if let Some(index) = rules.iter().position(|rule| rule.status == status) {
            let message = format!("{status} is the `replay_status`, which means a stored success");
            errors.add(format!("{path}[{index}].status"), message);
        }
    }

    /// For a route's keys: its stored successes would hide what the service's rules say of the same status.
    fn check_stored(&self, of_service: &[ResponseRule], errors: &mut FieldErrors) {
        let Some(status) = self.replay_status else { return };
        if let Some(index) = of_service.iter().position(|rule| rule.status == status) {
            let message = format!("{status} means something else by `responses[{index}]` of the service");
            errors.add("idempotency.replay_status", message);
        }
    }

    /// A call must not outlive the result that its key stands for.
    pub(crate) fn check_deadline(&self, deadline: Duration, path: &str, errors: &mut FieldErrors) {
        if let Some(retention) = self.retention.filter(|retention| *retention < deadline) {
            errors.add(path, format!("{deadline:?} is above the retention {retention:?} of keys"));
        }
    }
}
