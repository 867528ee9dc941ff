//! Writes that outlive the process that began them: operations, and the keys that follow from them.

pub(crate) mod operation;
