//! Which requests the service admits.

use std::time::Duration;

use crate::model::{DEPTH, LIMIT, Model};

#[derive(Debug)]
pub(crate) enum Admission {
    /// The current second, and how many were admitted in it.
    Window { second: u64, admitted: u64 },
    /// What the bucket held, and when it was looked at last, in milliseconds: one token comes in each.
    Bucket { tokens: u64, at: u128 },
    /// Everything is admitted.
    Unlimited,
}

impl Admission {
    pub(crate) fn new(model: Model) -> Self {
        match model {
            Model::Bucket => Self::Bucket { tokens: DEPTH, at: 0 },
            Model::Slow => Self::Unlimited,
            _ => Self::Window { second: 0, admitted: 0 },
        }
    }

    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        match self {
            Self::Window { second, admitted } => {
                if *second != now.as_secs() {
                    (*second, *admitted) = (now.as_secs(), 0);
                }
                let free = *admitted < LIMIT;
                *admitted += u64::from(free);
                free
            }
            Self::Bucket { tokens, at } => {
                let passed = u64::try_from(now.as_millis() - *at).unwrap_or(u64::MAX);
                (*tokens, *at) = (tokens.saturating_add(passed * LIMIT / 1000).min(DEPTH), now.as_millis());
                let free = *tokens > 0;
                *tokens -= u64::from(free);
                free
            }
            Self::Unlimited => true,
        }
    }
}
