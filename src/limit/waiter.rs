//! A call in the queue of a limiter.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    permit::Permit,
    state::{Shared, State, Ticket},
};
use crate::time::{self, Instant};

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call in the queue, which it leaves when dropped.
pub(super) struct Waiter {
    shared: Shared,
    ticket: Ticket,
    /// When it gives up, if ever.
    deadline: Option<Instant>,
    /// For the end of a pause, which only the first in the queue waits for, or for its own paced start.
    timer: Option<(Instant, Timer)>,
}

/// What a waiting call does next.
enum Next {
    Start(Permit),
    GiveUp,
    SleepUntil(Instant),
    Wait,
}

impl Waiter {
    pub(super) fn join(shared: &Shared, state: &mut State, ticket: Ticket, deadline: Option<Instant>) -> Self {
        state.waiting.insert(ticket, None);
        Self { shared: shared.clone(), ticket, deadline, timer: None }
    }

    fn next(&self, context: &mut Context<'_>) -> Next {
        let mut state = self.shared.lock();
        state.grant();
        match state.granted.get(&self.ticket) {
            Some(start) if *start <= time::now() => {
                state.granted.remove(&self.ticket);
                Next::Start(Permit::new(&self.shared, &state, time::now()))
            }
            Some(start) => Next::SleepUntil(*start),
            None if self.deadline.is_some() && state.paused_until > self.deadline => Next::GiveUp,
            None => {
                state.waiting.insert(self.ticket, Some(context.waker().clone()));
                let is_first = state.waiting.keys().next() == Some(&self.ticket);
                let end_of_pause = state.paused_until.filter(|until| is_first && *until > time::now());
                end_of_pause.map_or(Next::Wait, Next::SleepUntil)
            }
        }
    }

    fn poll_timer(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        let (_, timer) = match self.timer.take() {
            Some((set_for, timer)) if set_for == until => self.timer.insert((until, timer)),
            _ => self.timer.insert((until, Box::pin(time::sleep_until(until)))),
        };
        timer.as_mut().poll(context)
    }
}

impl Future for Waiter {
    /// `None` if a pause lasts longer than it can wait.
    type Output = Option<Permit>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Permit>> {
        loop {
            match self.next(context) {
                Next::Start(permit) => return Poll::Ready(Some(permit)),
                Next::GiveUp => return Poll::Ready(None),
                Next::Wait => return Poll::Pending,
                Next::SleepUntil(until) if self.poll_timer(until, context).is_pending() => return Poll::Pending,
                Next::SleepUntil(_) => self.timer = None,
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.waiting.remove(&self.ticket).is_some() {
            if state.is_paused() {
                state.wake_first();
            } else {
                // The pause may just have ended, with its only timer.
                state.grant();
            }
        } else if state.granted.remove(&self.ticket).is_some() {
            state.in_flight -= 1;
            state.grant();
        }
    }
}
