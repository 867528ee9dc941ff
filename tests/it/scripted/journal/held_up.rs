//! A process that is held up while the journal answers, and another one that goes on meanwhile.

use std::{future::Future, pin::Pin, sync::Mutex};

use super::*;

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Before the answer to one of its steps arrives, something else happens.
struct Delayed {
    journal: InMemoryJournal,
    steps_before: AtomicUsize,
    meanwhile: Mutex<Option<Meanwhile>>,
}

#[async_trait]
impl Journal for Delayed {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let answer = self.journal.apply(step).await;
        if self.steps_before.fetch_sub(1, Ordering::SeqCst) == 0 {
            let meanwhile = self.meanwhile.lock().unwrap().take();
            meanwhile.unwrap().await;
        }
        answer
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.journal.in_doubt(most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        self.journal.purge().await
    }
}

/// The machine sleeps for an hour once the new key is recorded, and another process goes on with that key.
async fn goes_on_after_another(replies: impl IntoIterator<Item = Reply>) -> (World, Result<Response, Error>) {
    let clock = Sleeper { clock: FixedClock::at(1.0), asleep: Arc::default() };
    let mut world = World::new(replies);
    world.journal = InMemoryJournal::default().clock(clock.clone());
    let service = not_applied().build().unwrap().journal(world.journal.clone());
    let other = world.transport.layered(SafeRetry::new([service]).clock(clock.clone()));
    let asleep = clock.asleep.clone();
    let meanwhile: Meanwhile = Box::pin(async move {
        asleep.store(true, Ordering::SeqCst);
        let _ = charge(&other).send().await;
    });
    let journal = Delayed {
        journal: world.journal.clone(),
        steps_before: AtomicUsize::new(1),
        meanwhile: Mutex::new(Some(meanwhile)),
    };
    let service = not_applied().build().unwrap().journal(journal);
    let ended = ended(charge(&world.transport.layered(SafeRetry::new([service]).clock(clock)))).await;
    (world, ended)
}

fn replayed(status: u16) -> Reply {
    reply(status, &[("idempotent-replayed", "true")], "")
}

/// The new key is the one that is recorded, and not the one after it.
#[tokio::test(start_paused = true)]
async fn what_another_process_has_applied_is_not_sent_with_the_next_key() {
    let (world, ended) = goes_on_after_another([replayed(500), status(200), status(200)]).await;
    ended.unwrap();
    assert_eq!(world.keys(), [FIRST, NEXT, NEXT]);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_has_not_applied_keeps_its_key() {
    let (world, ended) = goes_on_after_another([replayed(500), replayed(404), status(200)]).await;
    ended.unwrap();
    assert_eq!(world.keys(), [FIRST, NEXT, NEXT]);
}

/// What is known of the key before says nothing about the one that another process has recorded.
#[tokio::test(start_paused = true)]
async fn recorded_key_has_a_history_of_its_own() {
    let replies = [replayed(500), replayed(404), status(503), status(500), status(200)];
    let (world, _) = goes_on_after_another(replies).await;
    assert!(world.keys()[1..].iter().all(|key| key == NEXT), "{:?}", world.keys());
}
