//! The mark on a request that a layer already carries.

use std::{cell::RefCell, mem, time::SystemTime};

use bytes::Bytes;
use http::{Extensions, Method};
use reqwest::Url;

use super::key::CallKey;
use crate::key::IdempotencyKey;

/// What the layer keeps in the extensions of a request.
#[derive(Clone, Default)]
struct Mark {
    /// Whether a layer carries the request now: an inner one then passes it through.
    is_carried: bool,
    /// In a box, since few requests have one.
    earlier: Option<Box<EarlierPass>>,
}

/// Whether another layer carries the request.
pub(crate) fn is_carried(extensions: &Extensions) -> bool {
    extensions.get::<Mark>().is_some_and(|mark| mark.is_carried)
}

fn mark(extensions: &mut Extensions) {
    extensions.get_or_insert_default::<Mark>().is_carried = true;
}

thread_local! {
    /// Extensions with nothing but the mark, kept for the next calls of the thread: to make them takes three allocations, and
    /// a list that threads share slows them down. They hold nothing of a call.
    static SPARE: RefCell<Vec<Extensions>> = const { RefCell::new(Vec::new()) };
}
/// More are dropped.
const MOST_SPARE: usize = 64;

fn marked() -> Extensions {
    // A thread that ends has none.
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
    spare.unwrap_or_else(|| {
        let mut marked = Extensions::new();
        mark(&mut marked);
        marked
    })
}

fn keep_spare(marked: Extensions) {
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST_SPARE {
            spare.push(marked);
        }
    });
}

/// What a call that did not succeed leaves in the extensions of its request, for a later pass of the same request: another
/// layer outside this one may send it again.
#[derive(Clone)]
pub(crate) struct EarlierPass {
    pub(super) request: Fingerprint,
    /// The key of the first attempt of all: the caller's, or one that the layer has made.
    pub(super) given: IdempotencyKey,
    /// The key of the last attempt.
    pub(super) key: CallKey,
    pub(super) first_sent: Option<SystemTime>,
    /// What its repeats took out of the retry budget.
    pub(super) tokens_spent: u32,
}

/// Tells a request from another one that comes with the same extensions.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Bytes,
}

/// The extensions of a request while a call carries it. The mark is removed when the call ends or is dropped, so that a
/// later pass of the same request is a call again.
pub(crate) struct Carried<'a> {
    extensions: &'a mut Extensions,
    /// As the caller gave them, if there were any.
    original: Option<Extensions>,
}

impl<'a> Carried<'a> {
    pub(crate) fn begin(extensions: &'a mut Extensions) -> Self {
        let original = (!extensions.is_empty()).then(|| extensions.clone());
        match original {
            Some(_) => mark(extensions),
            None => *extensions = marked(),
        }
        Self { extensions, original }
    }

    /// As they were before the first attempt: an attempt must not see what the one before left.
    pub(crate) fn reset(&mut self) {
        match &self.original {
            Some(original) => self.extensions.clone_from(original),
            // Nothing was left.
            None if self.extensions.len() == 1 && is_carried(self.extensions) => return,
            None => self.extensions.clear(),
        }
        mark(self.extensions);
    }

    pub(crate) fn get(&mut self) -> &mut Extensions {
        self.extensions
    }

    /// What the caller gave, if anything.
    pub(crate) fn given(&self) -> Option<&Extensions> {
        self.original.as_ref()
    }

    /// Whether an earlier call has left something.
    pub(super) fn has_earlier_pass(&self) -> bool {
        self.earlier_pass().is_some()
    }

    /// What an earlier call has left, perhaps for another request.
    pub(super) fn earlier_pass(&self) -> Option<&EarlierPass> {
        self.original.as_ref()?.get::<Mark>()?.earlier.as_deref()
    }

    /// What an earlier pass of this request has left, if this is one.
    pub(super) fn take_earlier_pass(&mut self, request: &Fingerprint) -> Option<EarlierPass> {
        self.original.as_mut()?.remove::<Mark>();
        let earlier = self.extensions.get_mut::<Mark>()?.earlier.take()?;
        (earlier.request == *request).then_some(*earlier)
    }

    /// For a later pass of the request.
    pub(super) fn leave(&mut self, pass: EarlierPass) {
        self.extensions.get_or_insert_default::<Mark>().earlier = Some(Box::new(pass));
    }
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        // A layer below may have replaced them all.
        let Some(mark) = self.extensions.get_mut::<Mark>() else { return };
        if mark.earlier.is_some() {
            mark.is_carried = false;
        } else if self.original.is_none() && self.extensions.len() == 1 {
            // Only the mark itself is kept: what else a layer below has put there is not for the next call.
            keep_spare(mem::take(self.extensions));
        } else {
            self.extensions.remove::<Mark>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spares() -> usize {
        SPARE.with_borrow(Vec::len)
    }

    #[test]
    fn mark_is_there_for_the_call_alone() {
        let mut extensions = Extensions::new();
        for _ in 0..3 {
            assert!(!is_carried(&extensions));
            let mut carried = Carried::begin(&mut extensions);
            assert!(is_carried(carried.get()));
            carried.get().insert("left by a layer below");
            carried.reset();
            assert!(is_carried(carried.get()) && carried.get().len() == 1);
        }
        assert!(extensions.is_empty());
        assert_eq!(spares(), 1, "one serves them all");
    }

    #[test]
    fn replaced_extensions_are_not_reused() {
        let mut extensions = Extensions::new();
        let mut carried = Carried::begin(&mut extensions);
        *carried.get() = Extensions::new();
        carried.get().insert("left by a layer below");
        drop(carried);
        assert_eq!(spares(), 0);
        assert_eq!(extensions.get(), Some(&"left by a layer below"));
    }

    #[test]
    fn what_the_caller_gave_stays() {
        let mut extensions = Extensions::new();
        extensions.insert(7_u32);
        let mut carried = Carried::begin(&mut extensions);
        carried.get().insert("left by a layer below");
        carried.reset();
        assert_eq!((carried.get().len(), carried.get().get()), (2, Some(&7_u32)));
        drop(carried);
        assert_eq!((extensions.len(), is_carried(&extensions)), (1, false));
    }
}
