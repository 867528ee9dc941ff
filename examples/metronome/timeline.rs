//! A call's attempts on one line: the outcome of each, the wait, the verdict, the key. Coloured on a terminal only.

use std::{fmt::Display, time::Duration};

use console::style;
use http::StatusCode;
use reqwest_safe_retry::{Attempt, Attempts};

#[derive(Default)]
pub(crate) struct Timeline(String);

impl From<&Attempts> for Timeline {
    fn from(attempts: &Attempts) -> Self {
        let mut line = Self::default();
        let mut following = attempts.iter().skip(1);
        for attempt in attempts {
            line.outcome(attempt.outcome(), attempt.status());
            let verdict = attempt.verdict().map(|verdict| format!(", {verdict}")).unwrap_or_default();
            let key = following.next().map_or("", |next| key_note(attempt, next));
            match attempt.wait() {
                Some(wait) => line.wait(wait, &format!("{verdict}{key}")),
                None => line.push(verdict.replace(',', " →")),
            }
        }
        line
    }
}

fn key_note(attempt: &Attempt, next: &Attempt) -> &'static str {
    match (attempt.key_generation(), next.key_generation()) {
        (0, _) => "",
        (this, next) if this == next => ", same key",
        _ => ", new key",
    }
}

impl Timeline {
    pub(crate) fn outcome(&mut self, what: impl Display, status: Option<StatusCode>) {
        let what = style(what).bold();
        let what = if status.is_some_and(|status| status.is_success()) { what.green() } else { what.yellow() };
        self.end(&what.to_string());
    }

    pub(crate) fn wait(&mut self, wait: Duration, note: &str) {
        self.push(style(format!(" ─ {:.2} s{note}", wait.as_secs_f64())).dim());
    }

    pub(crate) fn end(&mut self, text: &str) {
        self.push(if self.0.is_empty() { "" } else { " → " });
        self.push(text);
    }

    fn push(&mut self, text: impl Display) {
        self.0.push_str(&text.to_string());
    }
}

impl Display for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
