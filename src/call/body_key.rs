//! A key in the request's JSON body: the caller's, or one that the layer writes there.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use reqwest::Body;

use super::{
    call::Call,
    carried::{EarlierPass, Fingerprint},
    key::{self, BodyKey, CallKey, InvalidKey},
};
use crate::{
    key::IdempotencyKey,
    service::idempotency::Idempotency,
    wire::{
        json::{self, Member},
        json_insert,
    },
};

impl Call<'_> {
    /// The key that the body has. Where it has none the given one is written there, or a fresh one if the layer makes keys for
    /// this service.
    pub(super) fn key_in_body(&mut self, pointer: &str, given: Option<&IdempotencyKey>) -> Result<CallKey, InvalidKey> {
        let idempotency = self.plan.idempotency();
        let body = self.request.body().unwrap_or_default();
        if let Some(member) = json::member(body, pointer) {
            return of_caller(idempotency, member, given);
        }
        let (key, written) = match given {
            Some(key) => {
                key::check_in_body(idempotency, key)?;
                let written = json_insert::insert_text(body, pointer, key.as_str()).ok_or(InvalidKey::NotWritten)?;
                (BodyKey { key: key.clone(), is_fresh: false }, written)
            }
            None if idempotency.callers_keys_only => return Ok(CallKey::None),
            None => match self.made_for(body, pointer)? {
                Some(made) => made,
                None => return Ok(CallKey::None),
            },
        };
        self.replace_body(written);
        Ok(CallKey::Body(Box::new(key)))
    }

    /// The key that an earlier pass of this request has made, or else a fresh one, and the body with it; `None` unless the body
    /// is a JSON object in memory.
    fn made_for(&self, body: &[u8], pointer: &str) -> Result<Option<(BodyKey, Vec<u8>)>, InvalidKey> {
        let with = |key: BodyKey| {
            let written = json_insert::insert_text(body, pointer, key.key.as_str())?;
            Some((key, written))
        };
        if let Some(EarlierPass { request, key: CallKey::Body(key), .. }) = self.extensions.earlier_pass() {
            let made = with(BodyKey::clone(key));
            if made.as_ref().is_some_and(|(_, written)| *request == self.fingerprint_with(written)) {
                return Ok(made);
            }
        }
        let key = IdempotencyKey::new(key::fresh(self.plan.idempotency())?.to_string());
        Ok(with(BodyKey { key, is_fresh: true }))
    }

    /// The fingerprint of the request with this body.
    fn fingerprint_with(&self, body: &[u8]) -> Fingerprint {
        let (method, url) = (self.request.method().clone(), self.request.url().clone());
        Fingerprint { method, url, body: Bytes::copy_from_slice(body) }
    }

    fn replace_body(&mut self, written: Vec<u8>) {
        if let Some(request) = self.request.whole() {
            *request.body_mut() = Some(Body::from(written));
            // That of the body before; the client works it out anew.
            request.headers_mut().remove(CONTENT_LENGTH);
        }
    }
}

/// A key that the caller has put into the body; what else is there is left as it is.
fn of_caller(idempotency: &Idempotency, member: Member, given: Option<&IdempotencyKey>) -> Result<CallKey, InvalidKey> {
    let key = Some(member).filter(Member::is_given).and_then(Member::into_text).map(IdempotencyKey::new);
    match (key, given) {
        (key, Some(given)) if key.as_ref() != Some(given) => Err(InvalidKey::NotInBody),
        (Some(key), _) => {
            key::check_in_body(idempotency, &key)?;
            Ok(CallKey::Body(Box::new(BodyKey { key, is_fresh: false })))
        }
        (None, _) => Ok(CallKey::None),
    }
}
