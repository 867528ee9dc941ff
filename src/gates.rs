//! The gates of a service: one for all calls, and one for each customer whose own limit was met.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    size::Ended,
    time::{self, Instant},
    window::{Gate, Permit, Priority, Reading, Window},
};

/// A service's windows. A customer has one only after a refusal that named its own limit, so that nothing is kept of
/// customers who stay within it.
#[derive(Debug)]
pub(crate) struct Gates {
    all: Gate,
    customers: Mutex<HashMap<String, Customer>>,
    /// Read without the lock: as long as there are none, a request need not be asked whose it is.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Customer {
    gate: Gate,
    used: Instant,
}

/// However many customers a service has, and whatever it says of them, no more are kept.
const MOST_CUSTOMERS: usize = 1024;
/// A customer of whom nothing was heard for so long starts anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// Whose limit an attempt has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Customer,
}

/// The places of an attempt: in the service's window, and in its customer's where there is one.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Places {
    /// None is needed where there is no window.
    all: Option<Permit>,
    /// In a box, since few calls have one.
    customer: Option<Box<Permit>>,
}

impl Gates {
    /// `None` where any number may be in flight.
    pub(crate) fn new(window: Window) -> Option<Self> {
        (window != Window::Off).then(|| Self {
            all: Gate::new(window),
            customers: Mutex::default(),
            count: AtomicUsize::new(0),
        })
    }

    fn customers(&self) -> MutexGuard<'_, HashMap<String, Customer>> {
        self.customers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places for an attempt, where they are to be had at once and nobody need be asked whose it is.
    pub(crate) fn try_enter(&self, now: Instant) -> Option<Places> {
        if self.count.load(Relaxed) > 0 {
            return None;
        }
        Some(Places { all: Some(self.all.try_enter(now)?), customer: None })
    }

    /// Places for an attempt, within `patience`. The customer's comes first: who waits for it keeps nobody else waiting.
    pub(crate) async fn enter(
        &self,
        priority: Priority,
        patience: Duration,
        customer: impl FnOnce() -> Option<String>,
    ) -> Option<Places> {
        let started = time::now();
        let customer = match self.of_customer(customer) {
            Some(gate) => Some(Box::new(gate.enter(priority, patience).await?)),
            None => None,
        };
        let all = self.all.enter(priority, patience.saturating_sub(started.elapsed())).await?;
        Some(Places { all: Some(all), customer })
    }

    fn of_customer(&self, name: impl FnOnce() -> Option<String>) -> Option<Gate> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let name = name()?;
        let mut customers = self.customers();
        if customers.get(&name).is_some_and(Customer::is_forgotten) {
            // All at once: when nobody is left, requests need no longer be asked whose they are.
            customers.retain(|_, customer| !customer.is_forgotten());
            self.count.store(customers.len(), Relaxed);
        }
        let customer = customers.get_mut(&name)?;
        customer.used = time::now();
        Some(customer.gate.clone())
    }

    /// This customer has met its own limit: from now on it has a window. Where too many have one it has none, and its
    /// refusals count for all.
    pub(crate) fn refuse_customer(&self, name: String) -> Scope {
        let mut customers = self.customers();
        if !customers.contains_key(&name) && customers.len() >= MOST_CUSTOMERS {
            customers.retain(|_, customer| !customer.is_forgotten());
        }
        if !customers.contains_key(&name) && customers.len() >= MOST_CUSTOMERS {
            return Scope::All;
        }
        customers.entry(name).or_insert_with(|| Customer { gate: Gate::new(Window::Adaptive), used: time::now() });
        self.count.store(customers.len(), Relaxed);
        Scope::Customer
    }

    /// After a refusal, at a window of one: nobody else is let in for a while.
    pub(crate) fn hold(&self, scope: Scope, hint: Duration, customer: impl FnOnce() -> Option<String>) {
        match scope {
            Scope::All => self.all.hold(hint),
            Scope::Customer => {
                if let Some(gate) = self.of_customer(customer) {
                    gate.hold(hint);
                }
            }
        }
    }

    pub(crate) fn read(&self) -> Reading {
        self.all.read()
    }

    pub(crate) fn customers_limited(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Customer {
    fn is_forgotten(&self) -> bool {
        self.gate.is_idle() && self.used.elapsed() >= FORGOTTEN_AFTER
    }
}

impl Places {
    /// Gives the places back. A refusal counts for the window whose limit was met; for the other it is an answer.
    pub(crate) fn give_back(self, ended: Ended, scope: Scope, now: Instant) {
        let (all, customer) = match (ended, scope) {
            (Ended::Throttled, Scope::Customer) => (Ended::Answered, Ended::Throttled),
            (Ended::Throttled, Scope::All) => (Ended::Throttled, Ended::Answered),
            (other, _) => (other, other),
        };
        if let Some(permit) = self.all {
            permit.give_back(all, now);
        }
        if let Some(permit) = self.customer {
            permit.give_back(customer, now);
        }
    }
}
