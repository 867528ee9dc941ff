//! The retry budget and concurrency limit of each host of a service that has many.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{budget::Budget, limiters::Limiters};

/// What all calls to a host share.
#[derive(Debug)]
pub(crate) struct HostLimits {
    pub(crate) budget: Budget,
    /// `None` if there is no limit.
    pub(crate) limiters: Option<Limiters>,
}

/// A host, from its first call on.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
    pub(crate) limits: HostLimits,
}

/// The hosts of a service. They are only ever added, so that finding one takes no lock; none is ever removed.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// A host is in the first free slot from the one that its hash names.
    slots: Box<[OnceLock<Box<Host>>]>,
    /// Its seed is random, so that nobody can choose hosts that share a slot.
    hashes: RandomState,
    count: AtomicUsize,
}

/// However many hosts a service has, no more are kept.
const MOST_HOSTS: usize = 1024;
/// Half of them stay empty, so that a search ends soon.
const SLOTS: usize = 2 * MOST_HOSTS;

impl Hosts {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| OnceLock::new()).collect();
        Self { slots, hashes: RandomState::new(), count: AtomicUsize::new(0) }
    }

    /// What the calls to this host share; `new` at its first one. `None` if too many hosts came before it.
    pub(crate) fn find(&self, name: &str, port: u16, new: impl FnOnce() -> HostLimits) -> Option<&HostLimits> {
        let host = match self.search(name, port) {
            Ok(host) => Some(host),
            Err(_) if self.is_full() => None,
            Err(free) => self.add(free, Host { name: name.into(), port, limits: new() }),
        };
        host.map(|host| &host.limits)
    }

    /// The host, or the position of the free slot at which it would be.
    fn search(&self, name: &str, port: u16) -> Result<&Host, usize> {
        let mut position = self.hashes.hash_one((name, port)) as usize % SLOTS;
        while let Some(host) = self.slots[position].get() {
            if (&*host.name, host.port) == (name, port) {
                return Ok(host);
            }
            position = (position + 1) % SLOTS;
        }
        Err(position)
    }

    fn add(&self, mut free: usize, host: Host) -> Option<&Host> {
        self.count.fetch_update(Relaxed, Relaxed, |count| (count < MOST_HOSTS).then_some(count + 1)).ok()?;
        let mut host = Box::new(host);
        loop {
            match self.slots[free].set(host) {
                Ok(()) => return self.slots[free].get().map(|host| &**host),
                // Another thread was first: with the same host, or with one that took the slot.
                Err(rejected) => host = rejected,
            }
            match self.search(&host.name, host.port) {
                Ok(known) => {
                    self.count.fetch_sub(1, Relaxed);
                    return Some(known);
                }
                Err(next) => free = next,
            }
        }
    }

    /// Those that had a call.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Host> {
        self.slots.iter().filter_map(|slot| slot.get().map(|host| &**host))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Relaxed) >= MOST_HOSTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> HostLimits {
        HostLimits { budget: Budget::new(10), limiters: None }
    }

    #[test]
    fn hosts_are_bounded() {
        let hosts = Hosts::new();
        let found = |number: usize| hosts.find(&format!("shop-{number}.example.com"), 443, limits).is_some();
        assert!((0..MOST_HOSTS).all(found) && hosts.is_full());
        assert!(!(MOST_HOSTS..100_000).any(found), "there is no room for them");
        assert!((0..MOST_HOSTS).all(found), "what was there first stays");
        assert_eq!(hosts.iter().count(), MOST_HOSTS);
    }

    #[test]
    fn port_is_part_of_a_host() {
        let hosts = Hosts::new();
        let spend =
            |port| hosts.find("a.example.com", port, limits).unwrap().budget.withdraw(7).map(|paid| paid.spend());
        assert_eq!([443, 443, 8443].map(spend), [Some(7), None, Some(7)]);
    }

    #[test]
    fn threads_find_the_same_hosts() {
        let hosts = Hosts::new();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let hosts = &hosts;
                scope.spawn(move || {
                    for number in 0..2 * MOST_HOSTS {
                        let name = (number * 7 + thread) % (2 * MOST_HOSTS);
                        let _ = hosts.find(&name.to_string(), 443, limits).map(|limits| limits.budget.withdraw(1));
                    }
                });
            }
        });
        let names: std::collections::HashSet<_> = hosts.iter().map(|host| &*host.name).collect();
        assert_eq!((names.len(), hosts.iter().count()), (MOST_HOSTS, MOST_HOSTS));
    }
}
