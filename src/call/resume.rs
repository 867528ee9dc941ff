//! Going on with an operation that an earlier call has begun or ended.

use std::{
    ops::ControlFlow::{self, Break, Continue},
    time::Duration,
};

use super::{call::Call, failed::FailedAttempt, finish::Ending, key::InvalidKey, operating::Moment};
use crate::{
    decide::{
        history::History,
        stop::{Applied, StopReason},
    },
    durable::answer::Held,
    error::kind::ErrorKind,
    time,
    verify::Verdict,
};

impl Call<'_> {
    /// The write took effect earlier: while its key protects it, the same key fetches the response.
    pub(super) fn fetch(&mut self, held: &Held, asked: &Moment) -> ControlFlow<Ending> {
        if let Some(operating) = &mut self.operating {
            (operating.applied_earlier, operating.held) = (true, None);
        }
        let can_fetch = self.rules().is_keyed_write()
            && self.key_protects(held, asked)
            && self.take_key(held, asked).is_ok()
            && self.is_key_of(held);
        if !can_fetch {
            return self.break_unsent(ErrorKind::OperationEnded, StopReason::Permanent, Applied::Yes);
        }
        self.history = History::of_used_key();
        Continue(())
    }

    /// A service without keys: what the process before has sent is looked up, and never sent again.
    pub(super) async fn look_instead(&mut self, earlier: Duration, stop: StopReason) -> Ending {
        self.wait_for_earlier(earlier).await;
        let failed = Box::new(FailedAttempt::refused(ErrorKind::InvalidKey, InvalidKey::MayBeSent));
        self.fail(stop, failed).await
    }

    /// The service may have forgotten the key: only the verifier can tell, once what was sent is over.
    pub(super) async fn go_on_after_expiry(&mut self, earlier: Duration) -> ControlFlow<Ending> {
        if !self.wait_for_earlier(earlier).await {
            return Break(self.expire().await);
        }
        match self.verify().await {
            Verdict::Applied(response) => {
                let failed = Box::new(FailedAttempt::refused(ErrorKind::InvalidKey, InvalidKey::Expired));
                Break(self.verified_applied(response, failed).await)
            }
            Verdict::NotApplied if self.journal_settings().rotate_expired_keys => self.rotate_expired_key().await,
            _ => Break(self.expire().await),
        }
    }

    async fn rotate_expired_key(&mut self) -> ControlFlow<Ending> {
        if !self.key.place().is_replaceable() {
            return Break(self.expire().await);
        }
        self.rotate_unsent(|| FailedAttempt::refused(ErrorKind::InvalidKey, InvalidKey::Expired)).await
    }

    /// Somebody has found that the write was not applied, which is a verdict: where the service may have stored an error under
    /// the key the next one follows.
    pub(super) async fn go_on_after_resolution(&mut self) -> ControlFlow<Ending> {
        let may_be_rotated = self.plan.idempotency().kind.may_be_rotated();
        if !may_be_rotated || !self.key.place().is_replaceable() || !self.rules().is_keyed_write() {
            return Continue(());
        }
        let unsent = || FailedAttempt { kind: ErrorKind::JournalUnavailable, ..FailedAttempt::past_deadline() };
        self.rotate_unsent(unsent).await
    }

    /// Goes on with the next key, before anything is sent; or ends the call.
    async fn rotate_unsent(&mut self, unsent: impl FnOnce() -> FailedAttempt) -> ControlFlow<Ending> {
        if let Err(stop) = self.rotate_operation().await {
            return Break(self.fail(stop, Box::new(unsent())).await);
        }
        if let Some(key) = self.key.replaceable() {
            self.key.replace(key.next(self.plan.idempotency()));
        }
        self.key_generation = self.key_generation.saturating_add(1);
        self.key_first_sent = None;
        self.history = History::default();
        Continue(())
    }

    /// Until nothing that an earlier process has sent can still be executed; false if the deadline comes first.
    async fn wait_for_earlier(&mut self, earlier: Duration) -> bool {
        if earlier >= self.time_left() {
            self.again_after(earlier);
            return false;
        }
        time::sleep(earlier).await;
        self.now = time::now();
        true
    }
}
