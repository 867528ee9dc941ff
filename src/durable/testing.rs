//! Checks that a journal keeps its promises, and steps for what these checks leave out: for the tests of adapters.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    answer::{Answer, Held, JournalAnswer},
    digest,
    entry::{EndedBy, EntryState, JournalEntry, Key},
    journal::Journal,
    journal_error::JournalError,
    step::{Begin, Ended, JournalStep, Proof},
};
use crate::{decide::stop::Applied, time};

/// Checks that a journal applies each step to the right entry, one after the other, and finds what it has stored. It may
/// be one that is in use: all names are fresh.
///
/// ```
/// use std::sync::Arc;
/// use reqwest_safe_retry::durable::{InMemoryJournal, testing};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// testing::conformance(Arc::new(InMemoryJournal::default())).await;
/// # });
/// ```
///
/// What it cannot check: that a step is durable once it returns, and that all processes use one clock.
///
/// # Panics
///
/// If the journal fails or breaks a promise; the message says which.
#[allow(clippy::panic)] // A test.
pub async fn conformance(journal: Arc<dyn Journal>) {
    let suite = Suite { journal, service: format!("conformance-{:016x}", time::random_number()) };
    if let Err(error) = suite.run().await {
        panic!("{error}");
    }
}

/// Begins an operation, with a lease of an hour. Returns its fence for [`end`], or `None` if it cannot be begun: another
/// process holds it, or it was applied.
///
/// For what [`conformance`] cannot check, such as a step that is durable once it returns, and to measure a journal.
///
/// ```
/// use reqwest_safe_retry::durable::{InMemoryJournal, testing};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let journal = InMemoryJournal::default();
/// let fence = testing::begin(&journal, "billing", "invoice-7").await?;
/// assert_eq!(testing::begin(&journal, "billing", "invoice-7").await?, None);
/// assert!(testing::end(&journal, "billing", "invoice-7", fence.unwrap()).await?);
/// # Ok::<_, reqwest_safe_retry::durable::JournalError>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// That of the journal.
pub async fn begin(journal: &dyn Journal, service: &str, operation: &str) -> Result<Option<u64>, JournalError> {
    match journal.apply(JournalStep::begin((service, "", operation), first(HOUR))).await?.0 {
        Answer::Begun(held) => Ok(Some(held.fence)),
        _ => Ok(None),
    }
}

/// Records that an operation took effect. Returns whether it did: not if its row was lost, or begun by another process
/// since.
///
/// # Errors
///
/// That of the journal.
pub async fn end(journal: &dyn Journal, service: &str, operation: &str, fence: u64) -> Result<bool, JournalError> {
    let step = JournalStep::end((service, "", operation), fence, Ended::new(Applied::Yes));
    Ok(journal.apply(step).await?.0 == Answer::Ended)
}

const HOUR: Duration = Duration::from_secs(3600);
const NONE: Duration = Duration::ZERO;

#[derive(Clone)]
struct Suite {
    journal: Arc<dyn Journal>,
    /// A fresh name for each run.
    service: String,
}

type Checked = Result<(), JournalError>;

impl Suite {
    async fn run(&self) -> Checked {
        self.one_process_holds_an_operation().await?;
        self.many_begin_at_once().await?;
        self.rotation_is_seen_by_the_next_process().await?;
        self.old_process_is_refused().await?;
        self.earlier_attempts_delay_a_rotation().await?;
        self.endings_are_kept().await?;
        self.names_are_kept_apart().await?;
        self.doubt_is_listed_and_resolved().await?;
        self.old_entries_are_purged().await
    }

    async fn apply(&self, step: JournalStep) -> Result<Answer, JournalError> {
        self.journal.apply(step).await.map(|JournalAnswer(answer)| answer)
    }

    async fn begin(&self, operation: &str, lease: Duration) -> Result<Answer, JournalError> {
        self.begin_with(operation, first(lease)).await
    }

    async fn begin_with(&self, operation: &str, begin: Begin) -> Result<Answer, JournalError> {
        self.apply(JournalStep::begin((&self.service, "", operation), begin)).await
    }

    async fn held(&self, operation: &str, lease: Duration) -> Result<Held, JournalError> {
        match self.begin(operation, lease).await? {
            Answer::Begun(held) => Ok(held),
            other => Err(JournalError::new(format!("`{operation}` was not begun: {other:?}"))),
        }
    }

    async fn end(&self, operation: &str, fence: u64, applied: Applied) -> Result<Answer, JournalError> {
        let ended = Ended { by: EndedBy::Response, ..Ended::new(applied) };
        self.apply(JournalStep::end((&self.service, "", operation), fence, ended)).await
    }

    async fn rotate(&self, operation: &str, fence: u64, proof: Proof) -> Result<Answer, JournalError> {
        let key = format!("{operation}-next");
        self.apply(JournalStep::rotate((&self.service, "", operation), fence, key, proof)).await
    }

    async fn one_process_holds_an_operation(&self) -> Checked {
        let held = self.held("held", HOUR).await?;
        assert_eq!((held.fence, held.generation, held.earlier), (1, 0, None), "the first process");
        assert_eq!(held.key, Some(Key("first".to_owned())), "the key is the call's own");
        assert!(held.age < Duration::from_secs(60) && !held.clock_is_behind, "the key is new: {held:?}");
        let second = self.begin("held", HOUR).await?;
        assert!(
            matches!(second, Answer::RunningElsewhere(left) if left <= HOUR),
            "the lease has not ended: {second:?}"
        );
        let other = Begin { request: digest::of_text("another request"), ..first(HOUR) };
        assert_eq!(
            self.begin_with("held", other).await?,
            Answer::OtherRequest(Applied::Unknown),
            "a step that changes nothing leaves the row"
        );
        Ok(())
    }

    async fn many_begin_at_once(&self) -> Checked {
        // Some of them have a row already.
        for number in 0..6 {
            self.held(&format!("crowd-{number}"), NONE).await?;
        }
        let mut begun = JoinSet::new();
        for number in 0..96 {
            let suite = self.clone();
            begun.spawn(async move { suite.begin(&format!("crowd-{}", number % 12), HOUR).await });
        }
        let mut held = 0;
        while let Some(answer) = begun.join_next().await {
            match answer.map_err(JournalError::new)?? {
                Answer::Begun(_) => held += 1,
                Answer::RunningElsewhere(_) => {}
                other => return Err(JournalError::new(format!("neither held nor refused: {other:?}"))),
            }
        }
        assert_eq!(held, 12, "each of 12 operations has one process, of 8 that begin it at once");
        Ok(())
    }

    async fn rotation_is_seen_by_the_next_process(&self) -> Checked {
        let first = self.held("rotated", NONE).await?;
        assert_eq!(self.rotate("rotated", first.fence, Proof::Verdict).await?, Answer::Rotated);
        let next = self.held("rotated", NONE).await?;
        assert_eq!((next.fence, next.generation), (first.fence + 1, 1));
        assert_eq!(next.key, Some(Key("rotated-next".to_owned())), "everybody has the new key");
        Ok(())
    }

    async fn old_process_is_refused(&self) -> Checked {
        let old = self.held("fenced", NONE).await?;
        let new = self.held("fenced", HOUR).await?;
        assert_eq!(self.rotate("fenced", old.fence, Proof::UsedUp).await?, Answer::Fenced);
        assert_eq!(self.end("fenced", old.fence, Applied::No).await?, Answer::Fenced);
        assert_eq!(self.end("fenced", new.fence, Applied::Yes).await?, Answer::Ended);
        assert_eq!(self.end("unknown", 1, Applied::Yes).await?, Answer::Fenced, "a row that is not there");
        Ok(())
    }

    async fn earlier_attempts_delay_a_rotation(&self) -> Checked {
        self.begin_with("early", Begin { longest_attempt: HOUR, ..first(NONE) }).await?;
        let held = self.held("early", NONE).await?;
        assert!(held.earlier.is_some_and(|left| left <= HOUR && left > HOUR / 2), "{held:?}");
        let answer = self.rotate("early", held.fence, Proof::Verdict).await?;
        assert!(matches!(answer, Answer::TooEarly(_)), "an attempt may still be executed: {answer:?}");
        assert_eq!(self.rotate("early", held.fence, Proof::UsedUp).await?, Answer::Rotated);
        Ok(())
    }

    async fn endings_are_kept(&self) -> Checked {
        let held = self.held("ended", HOUR).await?;
        self.end("ended", held.fence, Applied::Unknown).await?;
        let again = self.held("ended", HOUR).await?;
        assert!(again.earlier.is_some(), "what ended in doubt is begun in doubt");
        self.end("ended", again.fence, Applied::No).await?;
        let third = self.held("ended", HOUR).await?;
        assert_eq!(third.earlier, None, "what was not applied begins anew");
        self.end("ended", third.fence, Applied::Yes).await?;
        let answer = self.begin("ended", HOUR).await?;
        assert!(matches!(answer, Answer::Applied(_)), "what was applied is never begun again: {answer:?}");
        Ok(())
    }

    async fn names_are_kept_apart(&self) -> Checked {
        let long = "ü".repeat(512);
        let names = [
            ("", "a"),
            ("", "A"),
            ("", "a "),
            ("a", ""),
            ("a", "b"),
            ("", "ab"),
            ("'; --", "%_\\"),
            ("ß", &long),
            (&*long, "x"),
            // The same operation of others, and parts that are the same once they are joined.
            ("one", "same"),
            ("two", "same"),
            ("", "same"),
            ("one/same", "x"),
            ("one", "same/x"),
        ];
        let other_service = format!("{}/one", self.service);
        for service in [&self.service, &other_service] {
            for (scope, operation) in names {
                let step = JournalStep::begin((service, scope, operation), first(HOUR));
                let answer = self.apply(step).await?;
                let is_new = matches!(&answer, Answer::Begun(held) if held.fence == 1);
                assert!(is_new, "it is an operation of its own: `{service}` `{scope}` `{operation}`: {answer:?}");
            }
        }
        Ok(())
    }

    async fn listed(&self, operation: &str) -> Result<Option<JournalEntry>, JournalError> {
        let mut listed = self.journal.in_doubt(usize::MAX).await?;
        let are_sorted = listed.is_sorted_by_key(|entry| entry.in_doubt_from());
        assert!(are_sorted, "what is in doubt is listed with the oldest first");
        listed.retain(|entry| entry.service() == self.service && entry.operation() == operation);
        Ok(listed.pop())
    }

    async fn doubt_is_listed_and_resolved(&self) -> Checked {
        for (operation, applied) in [("doubt-yes", Applied::Yes), ("doubt-no", Applied::No)] {
            let held = self.held(operation, NONE).await?;
            let begun = self
                .listed(operation)
                .await?
                .ok_or_else(|| JournalError::new("an operation whose process has died is not listed"))?;
            assert_eq!((begun.state(), begun.method(), begun.path()), (EntryState::Begun, "POST", "/v1/{id}"));
            self.end(operation, held.fence, Applied::Unknown).await?;
            let entry = self
                .listed(operation)
                .await?
                .ok_or_else(|| JournalError::new("an operation that ended in doubt is not listed"))?;
            assert_eq!(entry.state(), EntryState::Ended(Applied::Unknown));
            assert_eq!(entry.key().map(String::from).as_deref(), Some("first"));
            self.journal.resolve(&entry, applied).await?;
            assert_eq!(self.listed(operation).await?, None, "what was resolved is not listed");
            assert_eq!(self.end(operation, held.fence, Applied::Unknown).await?, Answer::Fenced);
            assert!(self.journal.resolve(&entry, applied).await.is_err(), "an old entry is refused");
        }
        assert_eq!(self.begin("doubt-yes", HOUR).await?, Answer::Closed(Applied::Yes), "somebody's word is kept");
        assert!(matches!(self.begin("doubt-no", HOUR).await?, Answer::Begun(held) if held.earlier.is_none()));
        self.held("running", HOUR).await?;
        assert_eq!(self.listed("running").await?, None, "an operation is not listed while its process has its lease");
        assert!(self.journal.in_doubt(0).await?.is_empty(), "no more are listed than were asked for");
        Ok(())
    }

    async fn old_entries_are_purged(&self) -> Checked {
        for (operation, retention) in
            [("old", Some(NONE)), ("young", Some(HOUR)), ("kept", None), ("doubt", Some(NONE))]
        {
            self.begin_with(operation, Begin { retention, ..first(HOUR) }).await?;
            let applied = if operation == "doubt" { Applied::Unknown } else { Applied::Yes };
            self.end(operation, 1, applied).await?;
        }
        // How many is not known: whoever else uses the journal may purge it too.
        self.journal.purge().await?;
        assert_eq!(self.begin("old", HOUR).await?, Answer::Closed(Applied::Yes), "it is still known");
        assert_eq!(self.end("old", 1, Applied::No).await?, Answer::Fenced);
        for operation in ["young", "kept"] {
            assert!(
                matches!(self.begin(operation, HOUR).await?, Answer::Applied(_)),
                "`{operation}` is not old enough to be shortened"
            );
        }
        assert!(self.listed("doubt").await?.is_some(), "what is in doubt is kept");
        Ok(())
    }
}

/// What begins an operation for the first time.
pub(super) fn first(lease: Duration) -> Begin {
    Begin {
        request: Uuid::nil(),
        method: "POST".to_owned(),
        path: "/v1/{id}".to_owned(),
        key: Some(Key("first".to_owned())),
        sent: None,
        lease,
        longest_attempt: NONE,
        retention: None,
    }
}
