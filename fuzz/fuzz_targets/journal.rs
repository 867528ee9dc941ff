//! Rows of a journal: whatever is in one, a call ends, and what it writes can be read again.
//!
//! The input: a line with the store's time in milliseconds, a line with the row, replies, see
//! [`reqwest_safe_retry_fuzz::replies`].

#![no_main]

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use libfuzzer_sys::fuzz_target;
use reqwest_safe_retry::{
    Applied, RequestBuilderExt, async_trait,
    durable::{Journal, JournalAnswer, JournalEntry, JournalError, JournalStep},
};
use reqwest_safe_retry_fuzz::{URL, assert_sound, client, line, longest, paused, replies, storing};

/// One row, in which anybody may have written.
#[derive(Clone)]
struct Row {
    text: Arc<Mutex<Option<String>>>,
    now: SystemTime,
}

impl Row {
    fn read(&self) -> Result<Option<JournalEntry>, JournalError> {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.as_deref().map(JournalEntry::from_json).transpose()
    }

    fn write(&self, entry: &JournalEntry) {
        let text = entry.to_json();
        assert_eq!(&JournalEntry::from_json(&text).expect("what is written can be read"), entry);
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

#[async_trait]
impl Journal for Row {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let outcome = step.apply(self.read()?, self.now);
        outcome.entry.iter().for_each(|entry| self.write(entry));
        Ok(outcome.answer)
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        Ok(self.read()?.into_iter().filter(|entry| entry.in_doubt_from().is_some()).take(most).collect())
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        let old = self.read()?.filter(|entry| entry.purge_from().is_some());
        old.iter().for_each(|entry| self.write(&entry.clone().purged()));
        Ok(u64::from(old.is_some()))
    }
}

fuzz_target!(|data: &[u8]| {
    let (now, data) = line(data);
    let (text, script) = line(data);
    let now = str::from_utf8(now).ok().and_then(|now| now.parse().ok()).unwrap_or(u64::MAX);
    let Some(now) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(now)) else { return };
    let text = (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned());
    let row = Row { text: Arc::new(Mutex::new(text)), now };
    paused(async {
        let service = storing().journal(row.clone()).build().expect("a shipped service");
        let policy = service.retry_policy().resolve();
        let (client, transport) = client(service, replies(script));
        let began = tokio::time::Instant::now();
        let ended = client.post(format!("{URL}v1/contracts/create")).body("{}").operation("o").send().await;
        assert!(transport.sent().len() <= policy.max_attempts as usize, "{}", transport.sent().len());
        assert!(began.elapsed() <= longest(policy.deadline), "{:?}", began.elapsed());
        if let Err(outer) = ended {
            assert_sound(&outer);
        }
        look(&row).await;
    });
});

/// What somebody does who looks after a journal.
async fn look(row: &Row) {
    for entry in row.in_doubt(9).await.unwrap_or_default() {
        let _ = format!("{entry:?} {:?} {:?} {:?}", entry.first_sent(), entry.ended(), entry.stop());
        let _ = (entry.key(), row.resolve(&entry, Applied::No).await, row.resolve(&entry, Applied::Yes).await);
    }
    let _ = row.purge().await;
}
