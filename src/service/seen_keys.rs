//! The keys that this process has used, for a service that does not compare requests.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::Method;
use reqwest::Url;

use super::base_url::host_of;
use crate::time::{self, Instant};

/// Each key with the request that it was used for first, as hashes: neither can be read back.
#[derive(Debug, Default)]
pub(crate) struct SeenKeys {
    seen: Mutex<Seen>,
    /// Their seed is random, so that nobody can choose keys that look the same.
    hashes: RandomState,
}

#[derive(Debug, Default)]
struct Seen {
    by_key: HashMap<u64, Use>,
    /// The keys in the order in which they came.
    order: VecDeque<u64>,
}

/// The first use of a key.
#[derive(Debug)]
struct Use {
    head: u64,
    /// None if it was not in memory.
    body: Option<u64>,
    at: Instant,
    lasts: Duration,
}

/// However many keys are used, no more are kept: the oldest are forgotten first.
const MOST_KEYS: usize = 10_000;

/// What tells the requests of a key apart.
#[derive(Clone, Copy)]
pub(crate) struct KeyedRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// That of the URL without the key.
    pub(crate) query: Option<&'a str>,
    /// Not compared if it is not known of both requests.
    pub(crate) body: Option<&'a [u8]>,
}

impl SeenKeys {
    /// Whether the key is used for the first time, which is remembered for so long, or for the same request as then.
    pub(crate) fn admit(&self, key: &str, request: KeyedRequest<'_>, lasts: Duration) -> bool {
        let KeyedRequest { method, url, query, body } = request;
        let place = (host_of(url), url.port_or_known_default(), url.path(), query);
        let (key, head) = (self.hashes.hash_one(key), self.hashes.hash_one((method, url.scheme(), place)));
        let body = body.map(|body| self.hashes.hash_one(body));
        let new = Use { head, body, at: time::now(), lasts };
        // No panic leaves it half-changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).admit(key, new)
    }
}

impl Seen {
    fn admit(&mut self, key: u64, new: Use) -> bool {
        match self.by_key.get(&key) {
            Some(first) if new.at - first.at < first.lasts => return first.is_same_request(&new),
            // The service has forgotten it too.
            Some(_) => {}
            None => {
                self.make_room();
                self.order.push_back(key);
            }
        }
        self.by_key.insert(key, new);
        true
    }

    fn make_room(&mut self) {
        if self.order.len() >= MOST_KEYS {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

impl Use {
    fn is_same_request(&self, other: &Self) -> bool {
        let is_same_body = self.body.zip(other.body).is_none_or(|(one, other)| one == other);
        self.head == other.head && is_same_body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_are_bounded() {
        let keys = SeenKeys::default();
        let (url, day) = ("https://a.example/x".parse().unwrap(), Duration::from_secs(24 * 3600));
        let admit = |number: usize, method: &Method| {
            let request = KeyedRequest { method, url: &url, query: None, body: None };
            keys.admit(&format!("key-{number}"), request, day)
        };
        assert!((0..100_000).all(|number| admit(number, &Method::POST)));
        let seen = || {
            let seen = keys.seen.lock().unwrap();
            (seen.by_key.len(), seen.order.len())
        };
        assert_eq!(seen(), (MOST_KEYS, MOST_KEYS));
        assert!(!admit(100_000 - MOST_KEYS, &Method::PUT), "the newest are known");
        assert!(admit(100_000 - MOST_KEYS - 1, &Method::PUT), "the others are forgotten");
        // One that is used anew when its time is over takes no second place.
        time::sleep(day).await;
        assert!((90_001..100_000).all(|number| admit(number, &Method::PUT)));
        assert_eq!(seen(), (MOST_KEYS, MOST_KEYS));
    }
}
