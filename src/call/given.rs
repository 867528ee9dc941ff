//! What the caller gives to go by: a key, an operation, or the record of an earlier call.

use std::borrow::Cow;

use http::Extensions;
use uuid::Uuid;

use super::{call::Call, key::InvalidKey, operating::Operating};
use crate::{
    decide::{effect::Effect, history::History, stop::Applied},
    durable::{digest, journal::Journal, operation::Operation, record::Record},
    key::IdempotencyKey,
    wire::{json_insert, query},
};

impl<'a> Call<'a> {
    /// The key that the caller gives, or that follows from the operation.
    pub(super) fn given_key(&mut self) -> Result<Option<IdempotencyKey>, InvalidKey> {
        let Some(extensions) = self.extensions.given() else { return Ok(None) };
        let key = extensions.get::<IdempotencyKey>().cloned();
        let operation = extensions.get::<Operation>().cloned();
        let record = extensions.get::<Record>().cloned();
        match (key, operation, record) {
            (key, None, None) => Ok(key),
            (None, Some(operation), None) => self.operate(operation).map(Some),
            (None, None, Some(record)) => self.resume_from(&record),
            _ => Err(InvalidKey::TwoKeys),
        }
    }

    fn operate(&mut self, operation: Operation) -> Result<IdempotencyKey, InvalidKey> {
        operation.check()?;
        let key = self.derived_key(&operation);
        let journal = self.journal();
        let request = operation.request().or_else(|| self.digest());
        if journal.is_some() && request.is_none() {
            return Err(InvalidKey::NoDigest);
        }
        self.operating = Some(Box::new(Operating::new(Some(operation), request, journal)));
        Ok(key)
    }

    /// The first key of an operation, in the form that the service demands.
    fn derived_key(&self, operation: &Operation) -> IdempotencyKey {
        let uuid = operation.first_key(self.plan.service.name(), self.host_of_several().as_deref());
        IdempotencyKey::new(self.plan.idempotency().characters.form(uuid).to_string())
    }

    /// What tells the call's operation from that of the same name in another host, if the service has several.
    pub(super) fn host_of_several(&self) -> Option<String> {
        self.plan.service.host_of_several(self.request.url())
    }

    fn journal(&self) -> Option<&'a dyn Journal> {
        let journal = self.plan.service.hooks().journal.as_deref();
        journal.filter(|_| self.plan.effect != Effect::Read)
    }

    /// Whether the caller names an operation that a journal may know.
    pub(super) fn names_an_operation_in_a_journal(&self) -> bool {
        let names = |given: &Extensions| {
            given.get::<Operation>().is_some() || given.get::<Record>().is_some_and(|record| record.operation.is_some())
        };
        self.journal().is_some() && self.extensions.given().is_some_and(names)
    }

    /// The record that the caller gives to go on from.
    pub(super) fn given_record(&self) -> Option<&Record> {
        self.extensions.given()?.get()
    }

    /// Goes on where an earlier call has stopped: with its key, in the same doubt. What a journal has recorded counts more.
    fn resume_from(&mut self, record: &Record) -> Result<Option<IdempotencyKey>, InvalidKey> {
        if record.service != self.plan.service.name() {
            return Err(InvalidKey::OtherService);
        }
        if record.host != self.host_of_several() {
            return Err(InvalidKey::OtherHost);
        }
        let operation = record.operation.clone();
        let request = operation.as_ref().and_then(Operation::request).or_else(|| self.digest());
        if request.is_some() && record.request.is_some() && request != record.request {
            return Err(InvalidKey::OtherRequest);
        }
        let was_applied = record.applied == Applied::Yes;
        if let (Some(operation), Some(_), false) = (&operation, self.journal(), was_applied) {
            let derived = self.operate(operation.clone())?;
            return Ok(Some(record.last_key().unwrap_or(derived)));
        }
        let mut operating = Operating::new(operation, request, None);
        operating.applied_earlier = was_applied;
        self.operating = Some(Box::new(operating));
        let derived = || record.operation.as_ref().map(|operation| self.derived_key(operation));
        let key = record.last_key().or_else(derived);
        if record.applied != Applied::No && self.effect() == Effect::Write {
            self.history = History::of_used_key();
            if key.is_none() {
                return Err(InvalidKey::MayBeSent);
            }
        }
        Ok(key)
    }

    /// What tells the request from another one, without its key; `None` if its body is a stream.
    pub(super) fn digest(&self) -> Option<Uuid> {
        let (url, body) = (self.request.url(), self.request.body()?);
        let pointer = self.plan.idempotency().body_member.as_deref();
        let without_key = pointer.and_then(|pointer| json_insert::without_member(body, pointer));
        let body = without_key.as_deref().unwrap_or(body);
        let query = self.query_without_key();
        Some(digest::of_request(self.request.method().as_str(), url.path(), query.as_deref(), body))
    }

    /// The query of the request but for a key that the caller has written there.
    pub(super) fn query_without_key(&self) -> Option<Cow<'_, str>> {
        let url = self.request.url();
        match &self.plan.idempotency().query {
            Some(name) => query::without(url, name).map(Cow::Owned),
            None => url.query().map(Cow::Borrowed),
        }
    }
}
