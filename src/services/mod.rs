//! The descriptions that ship with the crate: data, each rule with the page it comes from.

mod metronome;
