//! What is wrong with a set-up: every mistake with its path.

use std::fmt;

/// A set-up that cannot work: every mistake with the path of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One mistake in a set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    path: String,
    problem: String,
}

impl ConfigError {
    /// Every mistake found.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl Mistake {
    /// The field, for example `services.billing.retry.transient.base`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects mistakes, so that all are told at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Mistake { path: path.into(), problem: problem.into() });
    }

    /// Puts the paths of all mistakes under this one.
    pub(crate) fn under(mut self, path: &str) -> Self {
        for mistake in &mut self.0 {
            mistake.path.insert_str(0, path);
        }
        self
    }

    /// What was built, if there is no mistake; what could not be built is one.
    pub(crate) fn finish<T>(self, built: Option<T>) -> Result<T, ConfigError> {
        built.filter(|_| self.0.is_empty()).ok_or(ConfigError { mistakes: self.0 })
    }
}

/// For what is read from a file: mistakes from several places, told as one.
#[cfg(feature = "serde")]
impl Mistakes {
    pub(crate) fn all(&self) -> &[Mistake] {
        &self.0
    }

    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Mistake) -> bool) {
        self.0.retain(keep);
    }

    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|one, other| one.path.cmp(&other.path));
    }

    /// The mistakes of `error` without the beginning of their paths; none in a field that has one already.
    pub(crate) fn add_unless_told(&mut self, error: ConfigError, beginning: &str) {
        let told: Vec<String> = self.0.iter().map(|mistake| mistake.path.clone()).collect();
        for Mistake { path, problem } in error.mistakes {
            let path = path.strip_prefix(beginning).map(str::to_owned).unwrap_or(path);
            if !told.contains(&path) {
                self.add(path, problem);
            }
        }
    }
}
