//! Why a command failed.

use crate::report::Report;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file has mistakes.
    Mistakes(Report),
    /// The command line is wrong, or names something that is not there.
    Refused(String),
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Refused(format!("{error}\n\nFor more, try --help."))
    }
}
