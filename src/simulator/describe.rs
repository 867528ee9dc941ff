//! Faults in short words, for reports and for the messages of failed tests.

use std::fmt;

use super::course::{Course, End, Extent, Seen, Way};
use super::fault::{Close, Fault};

/// Short words, such as `504 after the effect` or `stored 500 before the effect`.
///
/// ```
/// use reqwest_safe_retry::simulator::{Close, Fault, Moment};
///
/// assert_eq!(Fault::gateway(504, Moment::After).to_string(), "504 after the effect");
/// assert_eq!(Fault::dropped(Close::Reset, Moment::Before).to_string(), "connection reset before the effect");
/// ```
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.course {
            Course::Answered { execution, way } => match (execution.end, way) {
                (End::Broken(extent), _) => write!(f, "stored 500 {}", extent.words()),
                (End::Forgotten, _) => f.write_str("restart before the effect"),
                (End::Complete, Way::Late(by)) => write!(f, "answer {by:?} late"),
                (End::Complete, Way::Cut) => f.write_str("answer cut short"),
                (End::Complete, Way::Twice) => f.write_str("delivered twice"),
                (End::Complete, Way::Straight) if execution.is_prompt() => f.write_str("no fault"),
                (End::Complete, Way::Straight) if execution.queued.is_zero() => {
                    write!(f, "slow by {:?}", execution.takes)
                }
                (End::Complete, Way::Straight) => write!(f, "queued for {:?}", execution.queued),
            },
            Course::Hidden { execution, seen } => {
                match seen {
                    Seen::Gateway(status) => f.write_str(status.as_str())?,
                    Seen::Throttled(limit, _) => return write!(f, "429 ({})", limit.as_str()),
                    Seen::Closed(close) => f.write_str(close.words())?,
                    Seen::Nothing => f.write_str("stalled")?,
                }
                match execution {
                    None => f.write_str(" before the effect"),
                    Some(execution) if execution.takes.is_zero() => f.write_str(" after the effect"),
                    Some(execution) => write!(f, " {:?} ahead of the effect", execution.takes),
                }
            }
        }
    }
}

impl Extent {
    const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "before the effect",
            Self::Part => "after a part of the effect",
            Self::Whole => "after the effect",
        }
    }
}

impl Close {
    const fn words(self) -> &'static str {
        match self {
            Self::Orderly => "connection closed",
            Self::Half => "connection half-closed",
            Self::Reset => "connection reset",
            Self::Midway => "connection reset after the status line",
        }
    }
}
