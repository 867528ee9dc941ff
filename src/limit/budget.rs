//! The retry budget: how many repeats a service is sent while it mostly fails.
//!
//! A bucket of tokens per service, shared by every clone of the layer. A repeat takes tokens out, a success puts
//! them back, so that a service that is down is not sent several times its normal load by those who wait for it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A bucket of tokens; every operation is one atomic step and never waits.
#[derive(Debug)]
pub(crate) struct Budget {
    capacity: u32,
    tokens: AtomicU32,
}

impl Budget {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { capacity, tokens: AtomicU32::new(capacity) }
    }

    pub(crate) fn tokens(&self) -> u32 {
        self.tokens.load(Relaxed)
    }

    /// Takes `cost` tokens, or none if there are fewer. A capacity of 0 allows no repeat, not even one that is free.
    pub(crate) fn withdraw(&self, cost: u32) -> Option<Withdrawal<'_>> {
        if self.capacity == 0 {
            return None;
        }
        self.tokens.fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(cost)).ok()?;
        Some(Withdrawal { budget: self, cost })
    }

    /// Puts tokens back, never above the capacity.
    pub(crate) fn deposit(&self, tokens: u32) {
        if self.tokens() == self.capacity {
            return;
        }
        // The closure always answers `Some`, so there is no failure to look at.
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, |held| Some(held.saturating_add(tokens).min(self.capacity)));
    }
}

/// Tokens taken for a repeat that is not sent yet; put back when dropped, so that a cancelled wait costs nothing.
#[derive(Debug)]
#[must_use]
pub(crate) struct Withdrawal<'a> {
    budget: &'a Budget,
    cost: u32,
}

impl Withdrawal<'_> {
    /// The repeat is being sent: the tokens are gone; the answer is what it cost.
    pub(crate) fn spend(mut self) -> u32 {
        std::mem::take(&mut self.cost)
    }
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.budget.deposit(self.cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_paid_once_and_only_if_there_is_enough() {
        let budget = Budget::new(20);
        assert_eq!(budget.withdraw(14).map(Withdrawal::spend), Some(14));
        assert_eq!(budget.tokens(), 6);
        assert!(budget.withdraw(14).is_none());
        assert_eq!(budget.tokens(), 6);
    }

    #[test]
    fn capacity_of_nothing_allows_no_free_repeat() {
        assert!(Budget::new(0).withdraw(0).is_none());
        // What is used up still allows one.
        let budget = Budget::new(14);
        assert_eq!(budget.withdraw(14).map(Withdrawal::spend), Some(14));
        assert_eq!(budget.withdraw(0).map(Withdrawal::spend), Some(0));
    }

    #[test]
    fn a_cancelled_repeat_costs_nothing() {
        let budget = Budget::new(20);
        drop(budget.withdraw(14));
        assert_eq!(budget.tokens(), 20);
    }

    #[test]
    fn deposits_stop_at_the_capacity() {
        let budget = Budget::new(20);
        budget.deposit(u32::MAX);
        assert_eq!(budget.tokens(), 20);
    }

    #[test]
    fn tokens_are_never_paid_twice_under_contention() {
        let budget = Budget::new(1000);
        let paid: u32 = std::thread::scope(|scope| {
            let payers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..1000).filter_map(|_| budget.withdraw(1)).map(Withdrawal::spend).sum::<u32>())
                })
                .collect();
            payers.into_iter().map(|payer| payer.join().unwrap()).sum()
        });
        assert_eq!(paid, 1000);
        assert_eq!(budget.tokens(), 0);
    }
}
