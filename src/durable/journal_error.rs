//! Why a step could not be applied.

use std::{error::Error as StdError, fmt};

use crate::error::one_line::OneLine;

/// A journal could not be read or written.
///
/// ```
/// use reqwest_safe_retry::durable::JournalError;
///
/// assert_eq!(JournalError::new("the disk is full").to_string(), "the journal failed: the disk is full");
/// ```
#[derive(Debug)]
pub struct JournalError(Box<dyn StdError + Send + Sync>);

impl JournalError {
    /// With its cause, or a message that says what to do.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal failed: {}", OneLine(&self.0))
    }
}

impl StdError for JournalError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_says_stays_in_one_line() {
        assert_eq!(JournalError::new("bad row\n\u{7f}").to_string(), "the journal failed: bad row  ");
    }

    #[test]
    fn source_is_the_cause_of_what_was_shown() {
        #[derive(Debug, thiserror::Error)]
        #[error("row 7 cannot be read")]
        struct Row(#[source] fmt::Error);

        let error = JournalError::new(Row(fmt::Error));
        assert_eq!(error.to_string(), "the journal failed: row 7 cannot be read");
        assert_eq!(error.source().map(ToString::to_string), Some(fmt::Error.to_string()));
    }
}
