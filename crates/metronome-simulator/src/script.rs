//! Scripts of faults as text.

use std::fmt;
use std::str::FromStr;

use crate::fault::Fault;
use crate::text::FaultError;

/// The faults of the next requests in order of arrival, as [`Metronome::script`](crate::Metronome::script) takes them.
///
/// As text it has a line for each request: the words of a [fault](Fault::from_str), or `none`. Empty lines and what
/// follows a `#` are ignored.
///
/// ```
/// use metronome_simulator::{Fault, Moment, Script};
///
/// let script: Script = "504 after   # the edit took effect\nnone\n".parse()?;
/// assert_eq!(script, Script::from_iter([Some(Fault::gateway(504, Moment::After)), None]));
/// assert_eq!(script.to_string(), "504 after\nnone\n");
/// let error = "none\n504 later".parse::<Script>().unwrap_err();
/// assert_eq!(error.to_string(), "line 2: unknown word `later`; expected `before` or `after`");
/// # Ok::<(), metronome_simulator::ScriptError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(Vec<Option<Fault>>);

/// A line that is not a step of a script.
///
/// ```
/// use metronome_simulator::{Script, ScriptError};
///
/// let error: ScriptError = "none\n99".parse::<Script>().unwrap_err();
/// assert!(error.to_string().starts_with("line 2: "), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    line: usize,
    problem: FaultError,
}

impl FromStr for Script {
    type Err = ScriptError;

    /// Reads the lines.
    ///
    /// # Errors
    /// When a line is not a step. The error names the line and the word.
    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate();
        let step = |(number, line): (usize, &str)| match line {
            "none" => Ok(None),
            _ => line.parse().map(Some).map_err(|problem| ScriptError { line: number + 1, problem }),
        };
        lines.filter(|(_, line)| !line.is_empty()).map(step).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Some(fault) => writeln!(f, "{fault}"),
            None => writeln!(f, "none"),
        })
    }
}

impl FromIterator<Option<Fault>> for Script {
    fn from_iter<I: IntoIterator<Item = Option<Fault>>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl IntoIterator for Script {
    type Item = Option<Fault>;
    type IntoIter = std::vec::IntoIter<Option<Fault>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
