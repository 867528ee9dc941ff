//! The text form of faults, for scripts in files, for reports and for the messages of failed tests.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use http::StatusCode;

use crate::close::Close;
use crate::fault::{Fault, Moment};
use crate::rate_limit::RateLimit;
use crate::scenario::{Delivery, Execution, ExecutionEnd, Extent, FailedKey, GatewayBody, Replacement, Scenario};

const HEADS: &str = "a status (`504`), `stored-500`, `stuck-key`, `closed`, `half-closed`, `reset`, `midway`, `stalled`, \
                     `late`, `answer`, `duplicate` or `restart`";
const MOMENTS: &str = "`before` or `after`";
const OPTIONS: &str =
    "`taking=40ms`, `queued=150ms`, `html`, `endless`, `truncated` or, after `429 client`, `retry-after=2`";

const CLOSES: [(&str, Close); 4] =
    [("closed", Close::Orderly), ("half-closed", Close::Half), ("reset", Close::Reset), ("midway", Close::Midway)];

/// A text that is not a fault.
///
/// ```
/// use metronome_simulator::{Fault, FaultError};
///
/// let error: FaultError = "504 later".parse::<Fault>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown word `later`; expected `before` or `after`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; expected {expected}")]
pub struct FaultError {
    problem: String,
    expected: &'static str,
}

impl FaultError {
    fn unknown(word: &str, expected: &'static str) -> Self {
        Self { problem: format!("unknown word `{word}`"), expected }
    }

    fn incomplete(word: &str, expected: &'static str) -> Self {
        Self { problem: format!("nothing after `{word}`"), expected }
    }
}

/// The words of a fault, which [`FromStr`] reads again. See [`Fault::from_str`].
///
/// ```
/// use metronome_simulator::{Close, Fault, Moment};
///
/// assert_eq!(Fault::gateway(504, Moment::After).to_string(), "504 after");
/// assert_eq!(Fault::dropped(Close::Reset, Moment::Before).to_string(), "reset before");
/// ```
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scenario {
            Scenario::Answered { execution, delivery } => {
                answered(f, execution, delivery)?;
                timing(f, execution)?;
            }
            Scenario::Replaced { execution, replacement } => {
                replaced(f, if execution.is_some() { "after" } else { "before" }, replacement)?;
                timing(f, execution.unwrap_or(Execution::IMMEDIATE))?;
            }
        }
        f.write_str(if self.truncated { " truncated" } else { "" })
    }
}

fn answered(f: &mut fmt::Formatter<'_>, execution: Execution, delivery: Delivery) -> fmt::Result {
    match (execution.end, delivery) {
        (ExecutionEnd::Failed(extent, FailedKey::Stored), _) => write!(f, "stored-500 {}", extent.word()),
        (ExecutionEnd::Failed(extent, FailedKey::Stuck), _) => write!(f, "stuck-key {}", extent.word()),
        (ExecutionEnd::Killed, _) => f.write_str("restart"),
        (ExecutionEnd::Completed, Delivery::Normal) => f.write_str("answer"),
        (ExecutionEnd::Completed, Delivery::Delayed(by)) => write!(f, "late {}", short(by)),
        (ExecutionEnd::Completed, Delivery::Duplicated) => f.write_str("duplicate"),
    }
}

fn replaced(f: &mut fmt::Formatter<'_>, moment: &str, replacement: Replacement) -> fmt::Result {
    match replacement {
        Replacement::Gateway(status, GatewayBody::Json) => write!(f, "{} {moment}", status.as_str()),
        Replacement::Gateway(status, GatewayBody::Html) => write!(f, "{} {moment} html", status.as_str()),
        Replacement::Gateway(status, GatewayBody::Endless) => write!(f, "{} {moment} endless", status.as_str()),
        Replacement::RateLimited(limit, None) => write!(f, "429 {}", limit.as_str()),
        Replacement::RateLimited(limit, Some(after)) => write!(f, "429 {} retry-after={after}", limit.as_str()),
        Replacement::Closed(close) => write!(f, "{} {moment}", close.word()),
        Replacement::Stalled => write!(f, "stalled {moment}"),
    }
}

fn timing(f: &mut fmt::Formatter<'_>, execution: Execution) -> fmt::Result {
    for (name, time) in [("queued", execution.queued), ("taking", execution.takes)] {
        if !time.is_zero() {
            write!(f, " {name}={}", short(time))?;
        }
    }
    Ok(())
}

/// In one word: `1s500ms`.
fn short(time: Duration) -> String {
    humantime::format_duration(time).to_string().replace(' ', "")
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads the words of a fault: what happens, when, and options.
    ///
    /// | words | fault |
    /// |---|---|
    /// | `504 before`, `502 after` | [`gateway`](Fault::gateway), with any status |
    /// | `429 client`, `429 customer` | [`rate_limited`](Fault::rate_limited) |
    /// | `stored-500 before`, `halfway`, `after` | [`stored_500`](Fault::stored_500), [`partial_500`](Fault::partial_500) |
    /// | `stuck-key before`, `after` | [`stuck_key`](Fault::stuck_key) |
    /// | `closed before`, `half-closed`, `reset`, `midway`, each `before` or `after` | [`dropped`](Fault::dropped) |
    /// | `stalled before`, `after` | [`stalled`](Fault::stalled) |
    /// | `late 150ms` | [`late`](Fault::late) after the effect |
    /// | `answer` | no fault, for options |
    /// | `duplicate`, `restart` | [`duplicated`](Fault::duplicated), [`restarted`](Fault::restarted) |
    /// | `taking=40ms` | [`taking`](Fault::taking) |
    /// | `html`, `endless`, `truncated` | [`with_html_body`](Fault::with_html_body), [`with_endless_body`](Fault::with_endless_body), [`with_truncated_body`](Fault::with_truncated_body) |
    /// | `queued=150ms`, `retry-after=2` | [`queued`](Fault::queued), the header of a 429 |
    ///
    /// ```
    /// use metronome_simulator::{Fault, Moment};
    /// use std::time::Duration;
    ///
    /// let fault: Fault = "504 after taking=40ms".parse()?;
    /// assert_eq!(fault, Fault::gateway(504, Moment::After).taking(Duration::from_millis(40)));
    /// let error = "504 later".parse::<Fault>().unwrap_err();
    /// assert_eq!(error.to_string(), "unknown word `later`; expected `before` or `after`");
    /// # Ok::<(), metronome_simulator::FaultError>(())
    /// ```
    ///
    /// # Errors
    /// When a word is missing or unknown. The error names it.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut words = text.split_whitespace();
        let fault = head(&mut words)?;
        words.try_fold(fault, with_option)
    }
}

fn head(words: &mut SplitWhitespace<'_>) -> Result<Fault, FaultError> {
    let head = words.next().ok_or(FaultError { problem: "no words".to_owned(), expected: HEADS })?;
    if let Some((_, close)) = CLOSES.iter().find(|(word, _)| *word == head) {
        return Ok(Fault::dropped(*close, moment(head, words)?));
    }
    match head {
        "stored-500" => extent(head, words).map(|extent| Fault::failed(extent, FailedKey::Stored)),
        "stuck-key" => extent(head, words).map(|extent| Fault::failed(extent, FailedKey::Stuck)),
        "stalled" => moment(head, words).map(Fault::stalled),
        "answer" => Ok(Fault::executed(Execution::IMMEDIATE)),
        "duplicate" => Ok(Fault::duplicated()),
        "restart" => Ok(Fault::restarted()),
        "late" => {
            let by = words.next().ok_or_else(|| FaultError::incomplete(head, "a time, such as `150ms`"))?;
            Ok(Fault::late(duration(by, by)?, Moment::After))
        }
        _ => status(head, words),
    }
}

fn status(head: &str, words: &mut SplitWhitespace<'_>) -> Result<Fault, FaultError> {
    let status = StatusCode::from_bytes(head.as_bytes()).map_err(|_| FaultError::unknown(head, HEADS))?;
    let limits = [RateLimit::Client, RateLimit::Customer];
    let word = words.clone().next().unwrap_or_default();
    match limits.into_iter().find(|limit| status == StatusCode::TOO_MANY_REQUESTS && limit.as_str() == word) {
        Some(limit) => {
            words.next();
            Ok(Fault::rate_limited(limit, None))
        }
        None => moment(head, words).map(|moment| Fault::gateway(status.as_u16(), moment)),
    }
}

fn moment(head: &str, words: &mut SplitWhitespace<'_>) -> Result<Moment, FaultError> {
    match words.next() {
        Some("before") => Ok(Moment::Before),
        Some("after") => Ok(Moment::After),
        Some(other) => Err(FaultError::unknown(other, MOMENTS)),
        None => Err(FaultError::incomplete(head, MOMENTS)),
    }
}

fn extent(head: &str, words: &mut SplitWhitespace<'_>) -> Result<Extent, FaultError> {
    const EXTENTS: &str = "`before`, `halfway` or `after`";
    match words.next() {
        Some("before") => Ok(Extent::Nothing),
        Some("halfway") => Ok(Extent::Part),
        Some("after") => Ok(Extent::Whole),
        Some(other) => Err(FaultError::unknown(other, EXTENTS)),
        None => Err(FaultError::incomplete(head, EXTENTS)),
    }
}

/// An option that the fault cannot have is an error, so that no word is without effect.
fn with_option(fault: Fault, word: &str) -> Result<Fault, FaultError> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let mut changed = fault;
    match (name, &mut changed.scenario) {
        ("truncated", _) if value.is_empty() => changed.truncated = true,
        ("html" | "endless", Scenario::Replaced { replacement: Replacement::Gateway(_, body), .. })
            if value.is_empty() =>
        {
            *body = if name == "html" { GatewayBody::Html } else { GatewayBody::Endless };
        }
        ("retry-after", Scenario::Replaced { replacement: Replacement::RateLimited(_, after), .. }) => {
            *after = Some(value.parse().map_err(|_| FaultError::unknown(word, "seconds, such as `retry-after=2`"))?);
        }
        ("taking" | "queued", scenario) => {
            let time = duration(word, value)?;
            let execution = scenario.execution_mut().ok_or_else(|| FaultError::unknown(word, OPTIONS))?;
            *(if name == "taking" { &mut execution.takes } else { &mut execution.queued }) = time;
        }
        _ => return Err(FaultError::unknown(word, OPTIONS)),
    }
    Ok(changed)
}

fn duration(word: &str, value: &str) -> Result<Duration, FaultError> {
    humantime::parse_duration(value).map_err(|_| FaultError::unknown(word, "a time, such as `150ms`"))
}

impl Extent {
    const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "before",
            Self::Part => "halfway",
            Self::Whole => "after",
        }
    }
}

impl Close {
    const fn word(self) -> &'static str {
        match self {
            Self::Orderly => "closed",
            Self::Half => "half-closed",
            Self::Reset => "reset",
            Self::Midway => "midway",
        }
    }
}
