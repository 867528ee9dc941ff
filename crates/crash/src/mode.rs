//! What keeps a write from being applied twice.

/// What keeps a write from being applied twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    JournalSqlite,
    JournalPostgres,
    /// Operations without a journal.
    OperationsOnly,
    /// Neither: each run of a job has a key of its own.
    RandomKeys,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] =
        [Self::JournalSqlite, Self::JournalPostgres, Self::OperationsOnly, Self::RandomKeys];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::JournalSqlite => "journal-sqlite",
            Self::JournalPostgres => "journal-postgres",
            Self::OperationsOnly => "operations-only",
            Self::RandomKeys => "random-keys",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub(crate) const fn has_journal(self) -> bool {
        matches!(self, Self::JournalSqlite | Self::JournalPostgres)
    }

    /// Whether a write must not be applied twice or lost.
    pub(crate) const fn is_promised(self) -> bool {
        self.has_operations()
    }

    pub(crate) const fn has_operations(self) -> bool {
        !matches!(self, Self::RandomKeys)
    }
}
